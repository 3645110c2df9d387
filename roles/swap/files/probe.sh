# What decides about a swap file at $1, a line each. Reads only.
file=$1
directory=$(dirname "$file")
echo "container=$(systemd-detect-virt --container 2>/dev/null || :)"
echo "filesystem=$(stat --file-system --format=%T "$directory" 2>/dev/null || echo missing)"
df --portability --block-size=1M "$directory" 2>/dev/null | awk 'NR == 2 {print "free=" $4}'
echo "size=$(( $(stat --format=%s "$file" 2>/dev/null || echo 0) / 1048576 ))"
page=$(getconf PAGESIZE)
echo "signature=$(dd if="$file" bs=1 skip=$((page - 10)) count=10 2>/dev/null | tr -cd 'A-Z0-9')"
awk -v file="$file" '
  NR > 1 && $1 == file {active = 1}
  NR > 1 && $1 != file {other += $3}
  END {print "active=" active + 0; print "other=" int(other / 1024)}' /proc/swaps
awk '$1 == "MemTotal:" {print "memory=" int($2 / 1024)}' /proc/meminfo
