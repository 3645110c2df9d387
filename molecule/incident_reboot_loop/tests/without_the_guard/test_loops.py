"""The story's two units reboot a machine again and again, under each of three conditions."""

from __future__ import annotations

import json
import time

import pytest

NAMES = ["stamp", "clock", "wanted"]
BOOT = 600  # seconds at most; about 25 on a quiet machine
LEAST = 3


def loop(machines, name):
    """The machine is left alone and starts itself."""
    machine = machines[name]
    machine.start()
    before = machine.boots
    machine.await_boots(before + 1 + LEAST, (1 + LEAST) * BOOT)
    return machine.boots - before - 1


def loop_with_the_clock_put_back(machines, name, seconds):
    """What a dead battery does: each boot is before 3:30, each boot reaches 3:30."""
    machine = machines[name]
    clock = time.strftime("2026-07-14T%H:%M:%S", time.gmtime(3 * 3600 + 30 * 60 - seconds))
    count = 0
    for _boot in range(LEAST):
        machine.start(clock=clock, on_reboot="exit")
        machine.await_exit(2 * BOOT)
        count += 1
    return count


@pytest.fixture(scope="module")
def reboots(machines, fleet):
    """How often each machine rebooted in a row, without a hand; then they are up again, unable to reboot."""
    # How long this machine takes to its timers, by systemd's own account; twice that, as they are started side by side.
    taken = int(fleet["clock"].check_output("systemctl show -P ActiveEnterTimestampMonotonic timers.target")) / 1e6
    seconds = int(2 * taken + 10)
    machines.together(*(lambda name=name: machines.power_off(name) for name in NAMES))
    found = machines.together(
        lambda: loop(machines, "stamp"), lambda: loop_with_the_clock_put_back(machines, "clock", seconds), lambda: loop(machines, "wanted"),
    )
    for name in NAMES:
        machines[name].kill()
        # What the story's people wished for: a word in the boot loader that ends it.
        machines.kernel_arguments(name, "systemd.mask=systemd-reboot.service")
        machines[name].start()
    for name in NAMES:
        machines[name].await_ssh(BOOT)
    print(json.dumps(dict(zip(NAMES, found))))
    return dict(zip(NAMES, found))


@pytest.mark.parametrize("name", NAMES)
def test_it_reboots_at_least_three_times_in_a_row(reboots, name):
    assert reboots[name] >= LEAST


@pytest.mark.parametrize("name", NAMES)
def test_a_word_on_the_kernels_command_line_ends_it(reboots, fleet, name):
    assert fleet[name].check_output("systemctl show -P LoadState systemd-reboot.service") == "masked"
    assert fleet[name].check_output("systemctl show -P LoadState daily_reboot.timer") == "loaded"
