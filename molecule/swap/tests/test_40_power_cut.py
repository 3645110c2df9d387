"""The power goes in the middle of a resize; then it comes back, and the next run ends right."""

from __future__ import annotations

import json
import time

from .conftest import HOSTS, together


def statistics_of(results, *names):
    return {host: tuple(one[name] for name in names) for host, one in results.items()}


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
    # The old file is what it was, and in use.
    assert all(swaps.active == {"/swapfile": 256} for swaps in both)
    results = ansible.swapfile(path="/swapfile", size="300M")
    assert all(result["changed"] for result in results.values()), results
    assert all(swaps.active == {"/swapfile": 300} and swaps.left == [] for swaps in both)


def test_after_a_reboot_the_role_changes_nothing(fleet, ansible, both):
    """auto leaves a file at the size that it has."""
    boots = {name: fleet.machine(name).boots for name in HOSTS}
    together(lambda swaps: swaps.host.run("systemd-run --quiet --on-active=1 systemctl reboot"), both)
    for name in HOSTS:
        fleet.machine(name).await_boots(boots[name] + 1, 120)
        fleet.machine(name).await_ssh()
    assert all(swaps.active == {"/swapfile": 300} for swaps in both)
    assert statistics_of(ansible.role(), "changed", "failures") == dict.fromkeys(HOSTS, (0, 0))


def test_the_file_moves(ansible, both):
    results = ansible.role("-e", json.dumps({"swap_file": "/srv/swap", "swap_files_absent": ["/swapfile"]}))
    assert statistics_of(results, "failures") == dict.fromkeys(HOSTS, (0,))
    for swaps in both:
        assert swaps.active == {"/srv/swap": 256} and not swaps.host.file("/swapfile").exists
        assert swaps.fstab == ["/srv/swap none swap sw 0 0"]


def test_zram_takes_its_place(ansible, both):
    words = ("-e", json.dumps({"swap_kind": "zram", "swap_file": "/srv/swap"}))
    assert statistics_of(ansible.role(*words), "failures") == dict.fromkeys(HOSTS, (0,))
    for swaps in both:
        assert list(swaps.active) == ["/dev/zram0"] and swaps.fstab == []
        assert swaps.host.check_output("cat /proc/sys/vm/page-cluster") == "0"
    assert statistics_of(ansible.role(*words), "changed", "failures") == dict.fromkeys(HOSTS, (0, 0))


def test_all_of_it_goes(ansible, both):
    results = ansible.role("-e", json.dumps({"swap_state": "absent", "swap_file": "/srv/swap"}))
    assert statistics_of(results, "failures") == dict.fromkeys(HOSTS, (0,))
    for swaps in both:
        assert swaps.active == {} and swaps.fstab == []
        assert swaps.host.run("ls /etc/systemd/system/sabakan-zram.service /etc/sysctl.d/60-sabakan-swap.conf").stdout == ""
