"""The module on real kernels: each operation on both machines at once."""

from __future__ import annotations

import pytest

from .conftest import together


def all_changed(results, changed=True):
    assert {name: result.get("changed") for name, result in results.items()} == dict.fromkeys(results, changed), results


def test_check_mode_tells_of_a_change_and_makes_none(ansible, both):
    results = ansible.swapfile(path="/srv/swap", size="64M", check=True)
    all_changed(results)
    assert all("64 MiB, in use" in result["diff"][0]["after"] for result in results.values())
    assert all("/srv/swap" not in swaps.active and not swaps.host.file("/srv/swap").exists for swaps in both)


@pytest.mark.parametrize("size, mebibytes", [("64M", 64), ("128M", 128), ("32M", 32)], ids=["create", "grow", "shrink"])
def test_a_file_is_made_and_resized(ansible, both, size, mebibytes):
    all_changed(ansible.swapfile(path="/srv/swap", size=size))
    for swaps in both:
        assert swaps.active == {"/swapfile": 256, "/srv/swap": mebibytes}
        assert swaps.fstab == ["/swapfile none swap sw 0 0", "/srv/swap none swap sw 0 0"]
        assert swaps.left == []


def test_a_second_run_changes_nothing(ansible):
    all_changed(ansible.swapfile(path="/srv/swap", size="32M"), changed=False)


def test_it_is_switched_off_and_stays(ansible, both):
    all_changed(ansible.swapfile(path="/srv/swap", size="32M", state="disabled"))
    for swaps in both:
        assert swaps.active == {"/swapfile": 256} and swaps.host.file("/srv/swap").exists
        assert swaps.fstab == ["/swapfile none swap sw 0 0"]


def test_it_is_removed_and_nothing_else(ansible, both):
    all_changed(ansible.swapfile(path="/srv/swap", state="absent"))
    all_changed(ansible.swapfile(path="/srv/swap", state="absent"), changed=False)
    for swaps in both:
        assert swaps.active == {"/swapfile": 256} and not swaps.host.file("/srv/swap").exists


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_other_file_systems(ansible, both, kind):
    disk, point = f"/dev/disk/by-id/virtio-{kind}", f"/mnt/{kind}"
    together(lambda swaps: swaps.host.check_output(f"mkfs.{kind} -q {disk} && mkdir -p {point} && mount {disk} {point}"), both)
    path = f"{point}/swap"
    all_changed(ansible.swapfile(path=path, size="64M"))
    assert all(swaps.active[path] == 64 for swaps in both)
    all_changed(ansible.swapfile(path=path, size="32M"))
    assert all(swaps.active[path] == 32 for swaps in both)
    all_changed(ansible.swapfile(path=path, state="absent"))


@pytest.fixture(scope="module")
def bad_ground(fleet):
    """A full file system and one that is read-only."""
    for name in ("swap-13", "swap-12"):
        fleet[name].check_output(
            "fallocate -l $(($(stat -f -c '%a * %S' /mnt/xfs) - (40 << 20))) /mnt/xfs/full && mount -o remount,ro /mnt/btrfs"
        )


@pytest.mark.parametrize("arguments, why", [
    ({"path": "/srv/swap", "size": "512"}, "size: '512' is no size; a number and M, G or T is, such as 512M or 2G: say 512M or 512G"),
    ({"path": "/run/swap", "size": "64M"}, "/run/swap would be on tmpfs, a memory file system"),
    ({"path": "/etc/hostname", "size": "64M"}, "/etc/hostname exists and is no swap file"),
    ({"path": "/mnt/xfs/swap", "size": "64M", "keep_free": "0M"}, "MiB are free for /mnt/xfs/swap, and its 64 MiB"),
    ({"path": "/mnt/btrfs/swap", "size": "64M"}, "the file system of /mnt/btrfs/swap is read-only"),
], ids=["size", "memory", "data", "full", "read-only"])
def test_what_cannot_work_is_refused_and_nothing_changes(ansible, both, bad_ground, arguments, why):
    before = [swaps.host.check_output("ls -ld --full-time /etc/fstab /etc/hostname") for swaps in both]
    for result in ansible.swapfile(**arguments).values():
        assert result["failed"] and why in result["msg"], result
    assert [swaps.host.check_output("ls -ld --full-time /etc/fstab /etc/hostname") for swaps in both] == before
    for swaps in both:
        assert swaps.active == {"/swapfile": 256} and swaps.host.run("ls /mnt/*/swap* /srv/swap* /run/swap*").stdout == ""
