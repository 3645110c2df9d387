"""The story's two units reboot a machine again and again, under each of three conditions; the linter names each."""

from __future__ import annotations

import pytest
from scene import BOOT, NAMES

LEAST = 3
CAUSES = {"stamp": {"persistent", "stamp_not_kept"}, "clock": {"no_time_sync"}, "wanted": {"wanted_at_boot", "enabled_oneshot"}}


def left_alone(machines, name):
    """Reboots in a row, without a hand."""
    machine, before = machines[name], machines.reboots(name)
    machines.cut(name)
    if name == "clock":
        # What a dead battery does: each boot is before 3:30, each boot reaches 3:30.
        for _boot in range(LEAST):
            machine.start(clock=machines.before_the_hour(1.5 * machines.taken + 8), on_reboot="exit")
            machine.await_exit(BOOT)
    else:
        first = machine.boots + 1
        machine.start()
        for boot in range(1, LEAST + 1):
            machine.await_boots(first + boot, BOOT)
        machine.kill()
    return machines.reboots(name) - before


@pytest.fixture(scope="module")
def reboots(machines):
    """Of each machine; then they are up again, by what the story's people wished for: a word in the boot loader."""
    def work(name):
        count = left_alone(machines, name)
        machines[name].start(kernel_arguments="systemd.mask=systemd-reboot.service")
        machines[name].await_ssh(BOOT)
        return count

    return machines.together(work)


@pytest.mark.parametrize("name", NAMES)
def test_it_reboots_at_least_three_times_in_a_row(reboots, name):
    assert reboots[name] >= LEAST


@pytest.mark.parametrize("name", NAMES)
def test_a_word_on_the_kernels_command_line_ends_it(reboots, fleet, name):
    assert fleet[name].check_output("systemctl show -P LoadState systemd-reboot.service") == "masked"
    assert fleet[name].check_output("systemctl show -P LoadState daily_reboot.timer") == "loaded"


@pytest.fixture(scope="module")
def audits(reboots, machines, module):
    return machines.together(lambda name: module(name, "timer_audit_info"))


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_names_the_cause(audits, name):
    assert [(one["timer"], one["how"]) for one in audits[name]["timers"]] == [("daily_reboot.timer", "systemctl reboot")]
    findings = {one["kind"]: one for one in audits[name]["findings"]}
    assert CAUSES[name] <= findings.keys()
    assert all(findings[kind]["severity"] == "loops" and findings[kind]["instead"] and findings[kind]["lines"] for kind in CAUSES[name])


@pytest.mark.parametrize("cause", sorted(set.union(*CAUSES.values()) - {"no_time_sync"}))
def test_it_names_it_where_it_is_so_and_nowhere_else(audits, cause):
    assert [name for name in NAMES if cause in {one["kind"] for one in audits[name]["findings"]}] == [name for name in NAMES if cause in CAUSES[name]]
