# Makes a swap file of $2 MiB at $1. Written in full beside its place, so that the name exists only when it is complete:
# interrupted anywhere, the next run begins anew. No holes: the kernel refuses a swap file that has some.
set -eu
umask 077
rm -f "$1.new"
trap 'rm -f "$1.new"' EXIT
dd if=/dev/zero of="$1.new" bs=1M count="$2" conv=fsync status=none
mkswap "$1.new" >/dev/null
mv "$1.new" "$1"
