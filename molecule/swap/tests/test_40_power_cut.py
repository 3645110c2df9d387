"""The power goes in the middle of a resize; then it comes back, and the next run ends right."""

from __future__ import annotations

import time

from .conftest import HOSTS, together

# Holds the run between two of its steps, so that the cut cannot come too late.
WATCH = "until [ -e /swapfile.new ]; do :; done; pkill -STOP python3; [ -e /swapfile.new ] && echo 'in the middle' > /dev/console"


def test_after_a_power_cut_within_a_resize_the_next_run_ends_right(fleet, ansible, both):
    together(lambda swaps: swaps.host.check_output("systemd-run --quiet sh -c %s", WATCH), both)
    run = ansible.start_steps({"path": "/swapfile", "size": "1G"})
    deadline = time.monotonic() + 600
    for name in HOSTS:
        while "in the middle" not in fleet.machine(name).console:
            assert time.monotonic() < deadline and run.poll() is None, "the resize was over before the cut"
            time.sleep(0.2)
        fleet.machine(name).kill()
    run.communicate(timeout=600)
    for name in HOSTS:
        fleet.machine(name).start()
    for name in HOSTS:
        fleet.machine(name).await_ssh()
    # The old file is what it was, and in use.
    assert all(swaps.active == {"/swapfile": 320} for swaps in both)
    (ended,) = ansible.swapfile({"path": "/swapfile", "size": "300M"})
    assert all(result.get("steps") for result in ended.values()), ended
    assert all(swaps.active == {"/swapfile": 300} and swaps.left == ["/swapfile"] for swaps in both)


def test_after_a_reboot_the_role_changes_nothing(fleet, ansible, both):
    """auto leaves a file at the size that it has."""
    boots = {name: fleet.machine(name).boots for name in HOSTS}
    together(lambda swaps: swaps.host.run("systemd-run --quiet --on-active=1 systemctl reboot"), both)
    for name in HOSTS:
        fleet.machine(name).await_boots(boots[name] + 1, 300)
        fleet.machine(name).await_ssh()
    assert all(swaps.active == {"/swapfile": 300} for swaps in both)
    assert ansible.role() == dict.fromkeys(HOSTS, (0, 0))


def test_the_file_moves(ansible, both):
    ended = ansible.role("--skip-tags=swap_install", swap_file="/srv/swap", swap_files_absent=["/swapfile"])
    assert all(failed == 0 for _changed, failed in ended.values()), ended
    for swaps in both:
        assert swaps.active == {"/srv/swap": 256} and swaps.left == ["/srv/swap"]
        assert swaps.fstab == ["/srv/swap none swap sw 0 0"]


def test_zram_takes_its_place(ansible, both):
    wanted = {"swap_kind": "zram", "swap_file": "/srv/swap"}
    ended = ansible.role("--skip-tags=swap_install", **wanted)
    assert all(failed == 0 for _changed, failed in ended.values()), ended
    for swaps in both:
        assert list(swaps.active) == ["/dev/zram0"] and swaps.left == [] and swaps.fstab == []
        assert swaps.host.check_output("cat /proc/sys/vm/page-cluster") == "0"
    # On one of them, as the roles of both are the same.
    assert ansible.role("--skip-tags=swap_install", "--limit=swap-13", **wanted) == {"swap-13": (0, 0)}


def test_all_of_it_goes(fleet, ansible, both):
    (changed, failed) = ansible.role("--skip-tags=swap_install", "--limit=swap-13", swap_state="absent", swap_file="/srv/swap")["swap-13"]
    assert changed and not failed
    assert both[0].active == {}
    assert both[0].host.run("ls /etc/systemd/system/sabakan-zram.service /etc/sysctl.d/60-sabakan-swap.conf").stdout == ""
