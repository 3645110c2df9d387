"""The power goes in the middle of a resize; then it comes back, and the next run ends right. Then the other ways of the role."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from .conftest import HOSTS, together

# Holds the run between two of its steps, so that the cut cannot come too late.
WATCH = "until [ -e /swapfile.new ]; do sleep 0.1; done; pkill -STOP python3; [ -e /swapfile.new ] && echo 'in the middle' > /dev/console"
# What the role installs is there since its first run; apt needs seconds to say so.
INSTALLED = "--skip-tags=swap_install"


def test_after_a_power_cut_within_a_resize_the_next_run_ends_right(fleet, swapfile, role, both):
    together(lambda swaps: swaps.host.check_output("systemd-run --quiet sh -c %s", WATCH), both)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(swapfile, dict.fromkeys(HOSTS, [{"path": "/swapfile", "size": "1G"}]))
        deadline = time.monotonic() + 600
        try:
            for name in HOSTS:
                while "in the middle" not in fleet.machine(name).console:
                    assert time.monotonic() < deadline and not run.done(), "the resize was over before the cut"
                    time.sleep(0.2)
        finally:
            for name in HOSTS:
                fleet.machine(name).kill()
    for name in HOSTS:
        fleet.machine(name).start()
    for name in HOSTS:
        fleet.machine(name).await_ssh()
    # The old file is what it was, and in use; so is all else that the role has set.
    assert all(swaps.active == {"/swapfile": 192} and swaps.sysctls == ["10", "3"] for swaps in both)
    assert role(INSTALLED, swap_size_mb=176) == dict.fromkeys(HOSTS, (1, 0)), "the file alone had to be changed"
    assert all(swaps.active == {"/swapfile": 176} and swaps.left == ["/swapfile"] for swaps in both)


def test_a_second_run_changes_nothing(role):
    """auto leaves a file at the size that it has."""
    assert role() == dict.fromkeys(HOSTS, (0, 0))


def test_the_file_moves_and_zram_takes_its_place(role, both):
    """Each on one machine; zram on the other after that."""
    ended = role(INSTALLED, swap_kind={"swap-13": "zram", "swap-12": "file"}, swap_file={"swap-13": "/swapfile", "swap-12": "/srv/swap"},
                 swap_files_absent={"swap-13": [], "swap-12": ["/swapfile"]})
    assert all(failed == 0 for _changed, failed in ended.values()), ended
    compressed, moved = both
    assert moved.active == {"/srv/swap": 160} and moved.left == ["/srv/swap"]
    assert moved.fstab == ["/srv/swap none swap sw 0 0"]
    in_zram(compressed)


def in_zram(swaps):
    assert list(swaps.active) == ["/dev/zram0"] and swaps.left == [] and swaps.fstab == []
    assert swaps.sysctls == ["10", "0"]


def test_zram_takes_the_place_of_the_moved_file_and_a_second_run_changes_nothing(role, both):
    ended = role(INSTALLED, swap_kind="zram", swap_file={"swap-13": "/swapfile", "swap-12": "/srv/swap"})
    assert ended["swap-13"] == (0, 0) and ended["swap-12"][0] > 0 and ended["swap-12"][1] == 0
    together(in_zram, both)


def test_all_of_it_goes(role, both):
    (changed, failed) = role(INSTALLED, "--limit=swap-13", swap_state="absent")["swap-13"]
    assert changed and not failed
    assert both[0].active == {}
    assert both[0].host.run("ls /etc/systemd/system/sabakan-zram.service /etc/sysctl.d/60-sabakan-swap.conf").stdout == ""
