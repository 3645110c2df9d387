# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision by a table: each gate and each reason as yes, no and unknown."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_reboot.decide import HOLD, PASS, TIMER, UNKNOWN, Finding, Slab, Snapshot, Unknown, decide
from sabakan_reboot.settings import Settings

from .test_settings import moment

DAY = 86400
ASKED = Settings("app-01", spread=0, logins=True, maximum_uptime=30 * DAY)
NOW = moment("2026-11-21T03:00:05")
ARMED = {"event": "armed", "boot_id": "a", "uptime": 0, "wall": NOW - DAY}


def event(name: str, **more: Any) -> dict[str, Any]:
    return {"event": name, "boot_id": "0", "uptime": 5.0, "wall": NOW - 3600, **more}


def snapshot(**more: Any) -> Snapshot:
    """Of a host that should reboot, as somebody asked for it."""
    return Snapshot(**{
        "trigger": TIMER, "immediate": False, "wall": NOW, "uptime": 10 * DAY, "boot_id": "a", "entries": [ARMED], "storage": 1 << 30,
        "synchronised": True, "step": 0.0, "changed": (9999.0, "x"), "sessions": [], "blockers": [], "lock": "", "kernel": "", "libraries": [],
        "slab": Slab(100_000, 1_000_000, 500_000), "sentinel": "please", **more,
    })


def test_all_gates_pass_and_there_is_a_reason():
    made = decide(ASKED, snapshot())
    assert made.reboot and not made.alert and not made.disarm
    assert made.summary == "yes, because of sentinel: asked for: please"


@pytest.mark.parametrize(("found", "gate"), [
    ({"trigger": ""}, "trigger"),
    ({"trigger": "other.timer"}, "trigger"),
    ({"wall": moment("2026-11-21T03:02:00")}, "turn"),
    ({"wall": moment("2026-11-21T04:59:00")}, "turn"),
    ({"wall": moment("2026-11-21T14:00:00")}, "window"),
    ({"wall": moment("2026-11-21T05:00:00"), "waited": True}, "window"),
    ({"changed": (3.0, "the timer was started")}, "changed"),
    ({"entries": [ARMED, event("disarmed", why="x")]}, "armed"),
    ({"entries": [ARMED, event("attempt")]}, "pending"),
    ({"entries": [{**ARMED, "wall": NOW + 3600}]}, "clock_behind"),
    ({"entries": [ARMED, *[event("rebooting"), event("verified")] * 3], "uptime": DAY}, "budget"),
    ({"synchronised": False}, "clock_synchronised"),
    ({"step": 61.0}, "clock_step"),
    ({"step": -61.0}, "clock_step"),
    ({"uptime": 21599.0}, "minimum_uptime"),
    ({"sessions": ["root (pts/0)"]}, "logins"),
    ({"blockers": [Finding("blocker backup", HOLD, "a backup runs")]}, "blocker backup"),
    ({"lock": "app-02 has the lock"}, "lock"),
])
def test_each_gate_alone_holds_it_back_with_its_figure(found, gate):
    made = decide(ASKED, snapshot(**found))
    assert not made.reboot
    assert gate in [one.name for one in made.gates if one.verdict == HOLD]
    assert f"{gate}: " in made.summary and all(one.figure for one in made.gates)


@pytest.mark.parametrize(("field", "name"), [
    ("entries", "journal"), ("storage", "storage"), ("synchronised", "clock_synchronised"), ("step", "clock_step"), ("changed", "changed"),
    ("sessions", "logins"), ("lock", "lock"), ("kernel", "kernel"), ("libraries", "libraries"), ("slab", "slab"), ("sentinel", "sentinel"),
])
def test_what_is_not_known_is_a_no_and_an_alert(field, name):
    made = decide(ASKED, snapshot(**{field: Unknown("it broke")}))
    assert not made.reboot and made.alert and not made.disarm
    assert made.summary == f"no, something is not known: {name}: it broke"


def test_a_blocker_that_is_not_known_is_a_no_and_an_alert():
    made = decide(ASKED, snapshot(blockers=[Finding("blocker x", UNKNOWN, "killed"), Finding("blocker y", PASS, "fine")]))
    assert not made.reboot and made.alert


@pytest.mark.parametrize(("found", "reason"), [
    ({"kernel": "kernel 6.1.0-41 is installed"}, "kernel"),
    ({"libraries": ["systemd"]}, "libraries"),
    ({"slab": Slab(200_000, 1_000_000, 500_000)}, "slab_share"),
    ({"slab": Slab(1000, 1_000_000, 80_000, slope=1.0)}, "slab_forecast"),
    ({"uptime": 30 * DAY}, "maximum_uptime"),
    ({"sentinel": "x"}, "sentinel"),
])
def test_each_reason_alone_is_enough(found, reason):
    made = decide(ASKED, snapshot(**{"sentinel": None, **found}))
    assert made.reboot and [one.name for one in made.reasons if one.verdict == "yes"] == [reason]


@pytest.mark.parametrize("found", [
    {}, {"slab": Slab(199_999, 1_000_000, 500_000)}, {"slab": Slab(1000, 1_000_000, 90_000, slope=1.0)}, {"uptime": 30 * DAY - 1},
    {"slab": Slab(1000, 1_000_000, 80_000, slope=-1.0)},
])
def test_without_a_reason_it_stays_and_nobody_is_told(found):
    made = decide(ASKED, snapshot(**{"sentinel": None, **found}))
    assert not made.reboot and not made.alert and made.summary == "no reason"


def test_reasons_that_are_not_wanted_are_not_looked_at():
    asked = dataclasses.replace(ASKED, kernel=False, libraries=False, slab_share=0, slab_forecast=False, logins=False, clock_synchronised=False)
    broken = Unknown("it broke")
    assert decide(asked, snapshot(kernel=broken, libraries=broken, slab=broken, sessions=broken, synchronised=broken)).reboot


def test_a_spent_budget_disarms_when_more_is_asked_for_and_tells():
    entries = [ARMED, *[event("rebooting"), event("verified")] * 3]
    made = decide(ASKED, snapshot(entries=entries, uptime=DAY))
    assert made.disarm and made.alert
    assert not decide(ASKED, snapshot(entries=entries, uptime=DAY, sentinel=None)).disarm
    assert not decide(ASKED, snapshot(entries=entries, uptime=60.0)).disarm
    assert not decide(ASKED, snapshot(entries=entries, uptime=DAY, trigger="")).disarm
    # Long enough ago it is not spent any more.
    assert decide(ASKED, snapshot(entries=entries)).reboot


@pytest.mark.parametrize("found", [{"synchronised": False}, {"step": 3600.0}, {"entries": [{**ARMED, "wall": NOW + 3600}]},
                                   {"entries": [ARMED, event("disarmed", why="x")]}])
def test_a_clock_that_is_wrong_and_a_gate_that_is_disarmed_are_told_in_the_turn(found):
    assert decide(ASKED, snapshot(**found)).alert
    assert not decide(ASKED, snapshot(**found, trigger="")).alert
    assert not decide(ASKED, snapshot(**found, sentinel=None)).alert


def test_an_operators_now_skips_the_turn_and_nothing_else():
    asleep = {"immediate": True, "trigger": "", "wall": moment("2026-11-21T14:00:00"), "changed": (0.0, "x")}
    assert decide(ASKED, snapshot(**asleep)).reboot
    for found in ({"uptime": 60.0}, {"synchronised": False}, {"lock": "app-02"}, {"entries": Unknown("corrupt")}, {"storage": Unknown("full")}):
        assert not decide(ASKED, snapshot(**asleep, **found)).reboot


FIELDS = st.fixed_dictionaries({}, optional={
    "trigger": st.sampled_from([TIMER, ""]), "uptime": st.floats(0, 1e7), "wall": st.floats(NOW - DAY, NOW + DAY), "synchronised": st.booleans(),
    "step": st.floats(-1e5, 1e5), "lock": st.sampled_from(["", "b"]), "sentinel": st.sampled_from([None, "x"]),
    "entries": st.lists(st.sampled_from(["armed", "rebooting", "verified", "attempt", "disarmed"]), max_size=8).map(
        lambda names: [ARMED, *[event(name) for name in names]]),
})


@given(FIELDS, st.sampled_from(["", "entries", "storage", "step", "lock", "slab", "kernel"]))
def test_it_reboots_only_with_a_reason_with_every_gate_passed_and_everything_known(fields, broken):
    made = decide(ASKED, snapshot(**{**fields, **({broken: Unknown("x")} if broken else {})}))
    if made.reboot:
        assert not broken and all(one.verdict == PASS for one in made.gates)
        assert any(one.verdict == "yes" for one in made.reasons)
    assert not (made.reboot and (made.disarm or made.alert))


def test_a_loop_of_boots_ends_whatever_the_clock_says():
    """The clock is back at each boot and each boot finds its turn: the budget ends it, and the minimum uptime by itself."""
    asked = dataclasses.replace(ASKED, clock_synchronised=False, minimum_uptime=60)
    entries, reboots = [{**ARMED, "wall": NOW}], 0
    for boot in range(20):
        made = decide(asked, snapshot(entries=entries, boot_id=str(boot), uptime=61.0))
        if made.disarm:
            entries = [*entries, event("disarmed", why=made.summary)]
        if made.reboot:
            reboots += 1
            entries = [*entries, {**event("rebooting"), "boot_id": str(boot), "uptime": 61.0}, event("verified")]
    assert reboots == asked.budget
    assert decide(asked, snapshot(entries=entries, uptime=61.0)).gates[4].verdict == HOLD
    assert not any(decide(asked, snapshot(boot_id=str(boot), uptime=30.0)).reboot for boot in range(20))
