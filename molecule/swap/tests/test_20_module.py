"""The life of a swap file on real kernels and three file systems: both machines at once, and one run for all calls.

What a kernel and its tools do is called on both releases; what the module alone decides, on one of them.
"""

from __future__ import annotations

import pytest

from .conftest import HOSTS, together

SWAP = "/srv/swap"
LIFE = {
    "foretold": {"path": SWAP, "size": "16M", "check": True},
    "created": {"path": SWAP, "size": "16M"},
    "again": {"path": SWAP, "size": "16M"},
    "grown": {"path": SWAP, "size": "32M"},
    "shrunk": {"path": SWAP, "size": "8M"},
    "disabled": {"path": SWAP, "size": "8M", "state": "disabled"},
    "removed": {"path": SWAP, "state": "absent"},
    "gone": {"path": SWAP, "state": "absent"},
    "xfs": {"path": "/mnt/xfs/swap", "size": "16M", "keep_free": "0M"},
    "xfs removed": {"path": "/mnt/xfs/swap", "state": "absent"},
    "btrfs": {"path": "/mnt/btrfs/swap", "size": "16M"},
    "btrfs removed": {"path": "/mnt/btrfs/swap", "state": "absent"},
}
REFUSED = {
    "size": ({"path": SWAP, "size": "512"}, "size: '512' is no size; a number and M, G or T is, such as 512M or 2G: say 512M or 512G"),
    "memory": ({"path": "/run/swap", "size": "64M"}, "/run/swap would be on tmpfs, a memory file system"),
    "data": ({"path": "/etc/hosts", "size": "64M"}, "/etc/hosts exists and is no swap file"),
    "full": ({"path": "/mnt/xfs/swap", "size": "200M", "keep_free": "0M"}, "MiB are free for /mnt/xfs/swap, and its 200 MiB"),
    "read-only": ({"path": "/mnt/ro/swap", "size": "64M"}, "the file system of /mnt/ro/swap is read-only"),
}
CALLS = {**LIFE, **{name: arguments for name, (arguments, _why) in REFUSED.items()}}
WHERE = {
    "swap-13": list(LIFE),
    "swap-12": ["created", "grown", "removed", "xfs", "xfs removed", "btrfs", "btrfs removed", *REFUSED],
}
GROUND = """
mkfs.xfs -q /dev/disk/by-id/virtio-xfs && mkfs.btrfs -q /dev/disk/by-id/virtio-btrfs
cd /mnt && mkdir -p xfs btrfs ro && mount /dev/disk/by-id/virtio-xfs xfs && mount /dev/disk/by-id/virtio-btrfs btrfs
mount --bind /srv ro && mount -o remount,bind,ro ro
fallocate -l $(($(stat -f -c '%a * %S' xfs) - (150 << 20))) xfs/full
"""


@pytest.fixture(scope="module")
def told(fleet, swapfile):
    """What the module said, by the name of the call and by host."""
    together(lambda name: fleet[name].check_output(GROUND), HOSTS)
    found = swapfile({host: [CALLS[call] for call in calls] for host, calls in WHERE.items()})
    return {call: {host: found[host][calls.index(call)] for host, calls in WHERE.items() if call in calls} for call in CALLS}


def in_use(result):
    """MiB by path; the kernel keeps the first page for itself."""
    return {one["path"]: one["size_mb"] + 1 for one in result["swaps"]}


@pytest.mark.parametrize("call, swaps", [
    ("foretold", {}), ("created", {SWAP: 16}), ("again", {SWAP: 16}), ("grown", {SWAP: 32}), ("shrunk", {SWAP: 8}), ("disabled", {}),
    ("removed", {}), ("gone", {}), ("xfs", {"/mnt/xfs/swap": 16}), ("xfs removed", {}), ("btrfs", {"/mnt/btrfs/swap": 16}), ("btrfs removed", {}),
])
def test_it_does_what_it_is_told_and_says_whether_it_had_to(told, call, swaps):
    assert "swap-13" in told[call]
    for result in told[call].values():
        assert in_use(result) == {"/swapfile": 160, **swaps}, result
        assert result["changed"] is (call not in ("again", "gone"))


def test_check_mode_foretells_what_comes(told):
    foretold = told["foretold"]["swap-13"]
    assert "16 MiB, in use" in foretold["diff"][0]["after"]
    assert foretold["diff"] == told["created"]["swap-13"]["diff"]


def test_the_new_file_is_made_before_the_old_one_goes(told):
    for result in (*told["grown"].values(), *told["shrunk"].values()):
        assert result["steps"] == ["make new", "off file", "name new", "on file"]


@pytest.mark.parametrize("call, why", [(call, why) for call, (_arguments, why) in REFUSED.items()], ids=list(REFUSED))
def test_what_cannot_work_is_refused(told, call, why):
    result = told[call]["swap-12"]
    assert why in result["msg"] and "steps" not in result, result


def test_nothing_is_left_and_nothing_else_is_touched(told, both):
    for swaps in both:
        assert swaps.active == {"/swapfile": 160} and swaps.left == ["/swapfile"]
        assert swaps.fstab == ["/swapfile none swap sw 0 0"]
        assert swaps.host.check_output("cat /etc/hosts") == "127.0.0.1 localhost"
