"""The module on real kernels: each operation on both machines at once."""

from __future__ import annotations

import pytest


def all_changed(results, changed=True):
    assert {name: result.get("changed") for name, result in results.items()} == dict.fromkeys(results, changed), results


def test_check_mode_tells_of_a_change_and_makes_none(ansible, both):
    results = ansible.swapfile(path="/srv/swap", size="64M", check=True)
    all_changed(results)
    assert all("64 MiB, in use" in result["diff"][0]["after"] for result in results.values())
    assert all("/srv/swap" not in swaps.active and not swaps.host.file("/srv/swap").exists for swaps in both)


@pytest.mark.parametrize("size, mebibytes", [("64M", 64), ("128M", 128), ("32M", 32)], ids=["create", "grow", "shrink"])
def test_a_file_is_made_and_resized_and_a_second_run_changes_nothing(ansible, both, size, mebibytes):
    all_changed(ansible.swapfile(path="/srv/swap", size=size))
    for swaps in both:
        assert swaps.active == {"/swapfile": 256, "/srv/swap": mebibytes}
        assert swaps.fstab == ["/swapfile none swap sw 0 0", "/srv/swap none swap sw 0 0"]
        assert swaps.left == []
    all_changed(ansible.swapfile(path="/srv/swap", size=size), changed=False)


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
    for swaps in both:
        swaps.host.check_output(f"mkfs.{kind} -q /dev/disk/by-id/virtio-{kind} && mkdir -p /mnt/{kind} && mount /dev/disk/by-id/virtio-{kind} /mnt/{kind}")
    path = f"/mnt/{kind}/swap"
    all_changed(ansible.swapfile(path=path, size="64M"))
    assert all(swaps.active[path] == 64 for swaps in both)
    all_changed(ansible.swapfile(path=path, size="64M"), changed=False)
    all_changed(ansible.swapfile(path=path, state="absent"))


@pytest.mark.parametrize("arguments, why", [
    ({"path": "/srv/swap", "size": "lots"}, "is no size"),
    ({"path": "/srv/swap", "size": "512"}, "512M or 512G"),
    ({"path": "/srv/swap", "size": "-1G"}, "is no size"),
    ({"path": "/srv/swap", "size": "1M"}, "less than the least"),
    ({"path": "srv/swap", "size": "64M"}, "absolute path"),
    ({"path": "/etc/hostname.d/none/swap", "size": "64M"}, "is not there"),
    ({"path": "/run/swap", "size": "64M"}, "a memory file system"),
    ({"path": "/etc/fstab", "size": "64M"}, "is no swap file"),
    ({"path": "/srv/swap", "size": "1T"}, "are free"),
    ({"path": "/mnt/xfs/swap", "size": "700M"}, "are free"),
], ids=lambda value: str(value)[:40])
def test_what_cannot_work_is_refused_and_nothing_changes(ansible, both, arguments, why):
    for result in ansible.swapfile(**arguments).values():
        assert result["failed"] and why in result["msg"], result
    assert all(swaps.active == {"/swapfile": 256} for swaps in both)


def test_a_read_only_file_system_is_refused(ansible, both):
    for swaps in both:
        swaps.host.check_output("mount -o remount,ro /mnt/xfs")
    for result in ansible.swapfile(path="/mnt/xfs/swap", size="64M").values():
        assert result["failed"] and "read-only" in result["msg"], result
