# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision: a pure function of the settings and of what was found on the host. What is not known is a no, and an alert."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sabakan_reboot import journal
from sabakan_reboot.settings import Settings

TIMER = "sabakan-reboot.timer"
# AccuracySec= of the timer and a busy host's delay; nothing that fires later is this host's turn.
LATE = 120
PASS, HOLD, UNKNOWN, YES, NO = "pass", "hold", "unknown", "yes", "no"


@dataclass(frozen=True)
class Unknown:
    why: str


@dataclass(frozen=True)
class Finding:
    """A gate (pass, hold, unknown) or a reason (yes, no, unknown), with its figure."""

    name: str
    verdict: str
    figure: str


@dataclass(frozen=True)
class Slab:
    unreclaimable: int  # kB
    memory: int  # kB
    available: int  # kB
    slope: float | None = None  # kB a second; None without samples enough


@dataclass(frozen=True)
class Snapshot:
    """Everything that decides; a field that could not be found out is Unknown."""

    trigger: str
    immediate: bool
    wall: float
    uptime: float
    boot_id: str
    entries: list[dict[str, Any]] | Unknown
    storage: int | Unknown  # bytes free
    synchronised: bool | Unknown
    step: float | Unknown  # seconds since the last look at it in this boot
    changed: tuple[float, str] | Unknown  # seconds ago, what
    sessions: list[str] | Unknown
    blockers: list[Finding]
    lock: str | Unknown  # who holds it; empty: nobody else
    kernel: str | Unknown
    libraries: list[str] | Unknown
    slab: Slab | Unknown
    sentinel: str | None | Unknown
    waited: bool = False  # for the lock, so that the turn is over although the window is not


@dataclass(frozen=True)
class Decision:
    reboot: bool
    alert: bool
    disarm: bool
    summary: str
    reasons: list[Finding] = field(default_factory=list)
    gates: list[Finding] = field(default_factory=list)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"


def reasons(asked: Settings, found: Snapshot) -> list[Finding]:
    said: list[Finding] = []

    def say(name: str, value: Any, holds: bool, figure: str) -> None:
        if isinstance(value, Unknown):
            said.append(Finding(name, UNKNOWN, value.why))
        else:
            said.append(Finding(name, YES if holds else NO, figure))

    if asked.kernel:
        say("kernel", found.kernel, bool(found.kernel), str(found.kernel or "no newer kernel is installed"))
    if asked.libraries:
        users = found.libraries if isinstance(found.libraries, list) else []
        say("libraries", found.libraries, bool(users), f"{len(users)} processes use replaced libraries {', '.join(users[:5])}".strip())
    if asked.slab_share or asked.slab_forecast:
        said += _slab(asked, found)
    if asked.maximum_uptime:
        say("maximum_uptime", None, found.uptime >= asked.maximum_uptime,
            f"up for {_hours(found.uptime)}, limit {_hours(asked.maximum_uptime)} (maximum_uptime)")
    say("sentinel", found.sentinel, found.sentinel is not None, f"asked for: {found.sentinel}" if found.sentinel is not None else "nobody asked")
    return said


def _slab(asked: Settings, found: Snapshot) -> list[Finding]:
    slab = found.slab
    if isinstance(slab, Unknown):
        return [Finding("slab", UNKNOWN, slab.why)]
    said, share = [], 100 * slab.unreclaimable / max(slab.memory, 1)
    if asked.slab_share:
        said.append(Finding("slab_share", YES if share >= asked.slab_share else NO,
                            f"unreclaimable slab {slab.unreclaimable // 1024} MiB is {share:.1f} % of memory, limit {asked.slab_share} % (slab_share)"))
    if asked.slab_forecast and slab.slope is None:
        said.append(Finding("slab_forecast", NO, "not enough samples in this boot"))
    elif asked.slab_forecast and slab.slope is not None:
        ahead = asked.window.next_turn(found.wall) - found.wall
        growth = slab.slope * ahead
        said.append(Finding("slab_forecast", YES if growth >= slab.available else NO,
                            f"unreclaimable slab grows by {slab.slope * 3600 / 1024:.1f} MiB an hour: {growth / 1024:.0f} MiB until the "
                            f"next window in {_hours(ahead)}, available are {slab.available // 1024} MiB"))
    return said


def gates(asked: Settings, found: Snapshot) -> list[Finding]:
    said: list[Finding] = []

    def gate(name: str, passes: bool, figure: str) -> None:
        said.append(Finding(name, PASS if passes else HOLD, figure))

    def known(name: str, value: Any) -> bool:
        if isinstance(value, Unknown):
            said.append(Finding(name, UNKNOWN, value.why))
        return not isinstance(value, Unknown)

    if not found.immediate and not found.waited:
        gate("trigger", found.trigger == TIMER, f"started by {found.trigger or 'something else than a timer'}; only {TIMER} may (or run --now)")
        late = asked.window.late(found.wall)
        gate("turn", late < LATE, f"{_hours(late)} after this host's turn ({asked.window.calendar()}), limit {LATE} s")
        if known("changed", found.changed) and not isinstance(found.changed, Unknown):
            age, what = found.changed
            gate("changed", age >= asked.settle, f"{what} {_hours(age)} ago, limit {asked.settle} s (settle)")
    if not found.immediate:
        ends = asked.window.ends(found.wall)
        gate("window", ends is not None, f"{asked.start} to {asked.end} {asked.timezone} on {','.join(asked.days)}"
             + (f", {_hours(ends - found.wall)} left" if ends is not None else ", not now"))
    known("storage", found.storage)
    if known("journal", found.entries) and not isinstance(found.entries, Unknown):
        said += _history(asked, found, found.entries)
    if asked.clock_synchronised and known("clock_synchronised", found.synchronised):
        gate("clock_synchronised", bool(found.synchronised), "the clock is " + ("" if found.synchronised else "not ") + "synchronised")
    if known("clock_step", found.step) and not isinstance(found.step, Unknown):
        gate("clock_step", abs(found.step) <= asked.clock_tolerance, f"the clock has stepped by {found.step:.0f} s, limit {asked.clock_tolerance} s")
    gate("minimum_uptime", found.uptime >= asked.minimum_uptime, f"up for {_hours(found.uptime)}, at least {_hours(asked.minimum_uptime)} (minimum_uptime)")
    if asked.logins and known("logins", found.sessions) and not isinstance(found.sessions, Unknown):
        gate("logins", not found.sessions, f"logged in: {', '.join(found.sessions) or 'nobody'}")
    said += found.blockers
    if known("lock", found.lock):
        gate("lock", not found.lock, str(found.lock or "free"))
    return said


def _history(asked: Settings, found: Snapshot, entries: list[dict[str, Any]]) -> list[Finding]:
    why, waits = journal.disarmed(entries), journal.pending(entries)
    behind = journal.latest_wall(entries) - found.wall
    count = journal.spent(entries, asked.budget_period, found.boot_id, found.uptime)
    return [
        Finding("armed", HOLD if why else PASS, f"disarmed: {why}" if why else "armed"),
        Finding("pending", HOLD if waits else PASS, "the last attempt has not been verified" if waits else "none"),
        Finding("clock_behind", HOLD if behind > asked.clock_tolerance else PASS,
                f"the clock is {max(behind, 0):.0f} s behind the journal, limit {asked.clock_tolerance} s (clock_tolerance)"),
        Finding("budget", HOLD if count >= asked.budget else PASS,
                f"{count} reboots in the last {_hours(asked.budget_period)} of uptime, limit {asked.budget} (budget)"),
    ]


# A clock that goes wrong is told to someone although it is known; so are a spent budget and a disarmed gate.
TOLD = {"clock_synchronised", "clock_step", "clock_behind", "budget", "armed", "pending"}


def decide(asked: Settings, found: Snapshot) -> Decision:
    why, held = reasons(asked, found), gates(asked, found)
    unknown = [one for one in [*why, *held] if one.verdict == UNKNOWN]
    holding = [one for one in held if one.verdict == HOLD]
    wanted = [one for one in why if one.verdict == YES]
    # A budget that is only spent is no trouble; one that is asked for more in this host's own turn is a loop, or a
    # setting that cannot be kept.
    disarm = bool(wanted) and not unknown and [one.name for one in holding if one.name not in ("clock_behind",)] == ["budget"]
    told = {one.name for one in holding} & TOLD if wanted and not {"trigger", "turn", "window"} & {one.name for one in holding} else set()
    lines = [f"{one.name}: {one.figure}" for one in (unknown or holding or wanted)]
    if unknown:
        summary = "no, something is not known: "
    elif holding and wanted:
        summary = "no, held back by "
    elif not wanted:
        summary, lines = "no reason", []
    else:
        summary = "yes, because of "
    return Decision(
        reboot=bool(wanted) and not unknown and not holding, alert=bool(unknown or told or disarm), disarm=disarm,
        summary=summary + "; ".join(lines), reasons=why, gates=held,
    )
