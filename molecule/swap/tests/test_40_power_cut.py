"""The power goes in the middle of a resize; then it comes back, and the next run ends right."""

from __future__ import annotations

import json
import time

HOSTS = ("swap-13", "swap-12")


def test_after_a_power_cut_within_a_resize_the_next_run_ends_right(fleet, ansible, both):
    run = ansible.start("ansible", "all", "-m", "sabakan.vps.swapfile", "-a", json.dumps({"path": "/swapfile", "size": "1G"}))
    waiting = dict(zip(HOSTS, both))
    deadline = time.monotonic() + 180
    while waiting:
        assert time.monotonic() < deadline and run.poll() is None, "the resize was over before the cut"
        for name, swaps in list(waiting.items()):
            if swaps.host.file("/swapfile.new").exists:
                fleet.machine(name).kill()
                del waiting[name]
    run.communicate(timeout=120)
    for name in HOSTS:
        fleet.machine(name).start()
    for name in HOSTS:
        fleet.machine(name).await_ssh()
    for swaps in both:
        # The old file is what it was, and in use.
        assert swaps.active == {"/swapfile": 256}
    results = ansible.swapfile(path="/swapfile", size="300M")
    assert all(result["changed"] for result in results.values()), results
    for swaps in both:
        assert swaps.active == {"/swapfile": 300} and swaps.left == []


def test_after_a_reboot_the_role_changes_nothing(ansible, both):
    """The machines have just been started anew; auto leaves a file at the size that it has."""
    statistics = ansible.role()
    assert {name: (statistics[name]["changed"], statistics[name]["failures"]) for name in HOSTS} == dict.fromkeys(HOSTS, (0, 0))
    assert all(swaps.active == {"/swapfile": 300} for swaps in both)


def test_the_file_moves(ansible, both):
    statistics = ansible.role("-e", json.dumps({"swap_file": "/srv/swap", "swap_files_absent": ["/swapfile"]}))
    assert all(statistics[name]["failures"] == 0 for name in HOSTS), statistics
    for swaps in both:
        assert swaps.active == {"/srv/swap": 256} and not swaps.host.file("/swapfile").exists
        assert swaps.fstab == ["/srv/swap none swap sw 0 0"]


def test_zram_takes_its_place(ansible, both):
    words = ("-e", json.dumps({"swap_kind": "zram", "swap_file": "/srv/swap"}))
    assert all(one["failures"] == 0 for one in ansible.role(*words).values())
    for swaps in both:
        assert list(swaps.active) == ["/dev/zram0"] and swaps.fstab == []
        assert swaps.host.check_output("cat /proc/sys/vm/page-cluster") == "0"
    again = ansible.role(*words)
    assert {name: again[name]["changed"] for name in HOSTS} == dict.fromkeys(HOSTS, 0)
