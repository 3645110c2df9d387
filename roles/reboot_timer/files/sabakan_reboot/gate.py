# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of things around a reboot. Interrupted anywhere, `verify` finds by the journal what has to be ended."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from sabakan_reboot import evidence, health, host, journal, programs, turn
from sabakan_reboot.decide import TIMER, Decision, decide
from sabakan_reboot.settings import Settings
from sabakan_reboot.tell import Teller, say

YES, NO_REASON, HELD, UNKNOWN, UNHEALTHY, BUSY = 0, 10, 11, 12, 13, 75
# A reboot that was ordered and did not begin by then never will.
ORDERED = 900


class Busy(Exception):
    """Another sabakan-reboot is at work on this host."""


class Terminated(Exception):
    """Somebody stops this program before the reboot was ordered. No OSError: what goes on after one of those must not go on after this."""


TROUBLES = (
    OSError, ValueError, KeyError, IndexError, Terminated, journal.Corrupt, turn.Lost, turn.Conflict, turn.Unavailable, turn.Unsuitable,
)


def _terminate(number: int, dummy: object) -> NoReturn:
    raise Terminated(f"stopped by signal {number}")


def _signals(handler: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handler)


class Gate:
    def __init__(self, asked: Settings, secrets: dict[str, Any], files: list[str]) -> None:
        self.asked, self.secrets, self.files = asked, secrets, files
        self.journal, self.teller = journal.Journal(asked.state), Teller(asked, secrets)
        self.baseline = Path(asked.state) / "baseline"
        self.reason: str | None = None  # an operator's, for this once

    def own_turn(self) -> turn.Turn:
        return turn.Turn(self.asked, turn.store_of(self.asked, self.secrets))

    @contextlib.contextmanager
    def alone(self, wait: float) -> Iterator[None]:
        Path(self.asked.runtime).mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(Path(self.asked.runtime) / "lock", "w", encoding="ascii") as file:
            until = host.uptime() + wait
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if host.uptime() >= until:
                        raise Busy("another sabakan-reboot is at work on this host") from None
                    time.sleep(0.2)
            yield

    def note(self, event: str, **fields: Any) -> list[journal.Entry]:
        return self.journal.add(self.entry(event, **fields))

    @staticmethod
    def entry(event: str, **fields: Any) -> journal.Entry:
        return {"event": event, "boot_id": host.boot_id(), "uptime": round(host.uptime(), 1), "wall": round(time.time(), 1), **fields}

    def decision(self, mine: turn.Turn | None, trigger: str, immediate: bool, waited: bool = False) -> Decision:
        """mine: without one, whoever has the lock counts; the first look of a run only asks whether the store answers."""
        def holder() -> str:
            return (mine or self.own_turn()).holder()

        found = host.gather(self.asked, self.files, holder, trigger, immediate, waited)
        return decide(self.asked, dataclasses.replace(found, sentinel=self.reason) if self.reason else found)

    # run

    def run(self, trigger: str, immediate: bool, wait: float | None) -> int:
        _signals(_terminate)
        mine = self._turn_or_alert()
        if mine is None:
            return UNKNOWN
        made = self.decision(None, trigger, immediate)
        waits = not made.reboot and [one.name for one in made.gates if one.verdict == "hold"] == ["lock"] and not made.alert
        if not made.reboot and not waits:
            return self.refuse(made)
        try:
            mine.acquire(self._patience(wait, immediate))
        except turn.Held as held:
            say(f"no, {held}")
            return HELD
        except TROUBLES as error:
            self.teller.alert(f"no reboot: the lock cannot be had: {error}")
            return UNKNOWN
        again: Decision | None = None
        try:
            again = self.decision(mine, trigger, immediate, waited=True)
        finally:
            if again is None or not again.reboot:
                with contextlib.suppress(*TROUBLES):
                    mine.release()
        return self.reboot(again, mine) if again.reboot else self.refuse(again)

    def _turn_or_alert(self) -> turn.Turn | None:
        try:
            return self.own_turn()
        except TROUBLES as error:
            self.teller.alert(f"no reboot: the lock's settings cannot be used: {error}")
            return None

    def _patience(self, wait: float | None, immediate: bool) -> float:
        most = float(self.asked.lock_wait if wait is None else wait)
        ends = None if immediate else self.asked.window.ends(time.time())
        return most if ends is None else min(most, ends - time.time())

    def refuse(self, made: Decision) -> int:
        with contextlib.suppress(*TROUBLES):
            host.mark_clock(self.asked)
        if made.disarm:
            self.disarm(f"the budget is spent: {made.summary}")
        elif made.alert:
            self.teller.alert(made.summary)
        else:
            say(made.summary)
        if any(one.verdict == "unknown" for one in [*made.reasons, *made.gates]):
            return UNKNOWN
        return HELD if any(one.verdict == "yes" for one in made.reasons) else NO_REASON

    def reboot(self, made: Decision, mine: turn.Turn) -> int:
        why = [f"{one.name}: {one.figure}" for one in made.reasons if one.verdict == "yes"]
        draining = False
        try:
            before = health.state()
            journal.write_atomically(self.baseline, json.dumps({"boot_id": host.boot_id(), "state": before}))
            if any(one.name.startswith("slab") and one.verdict == "yes" for one in made.reasons):
                why.append(f"evidence in {evidence.keep(self.asked.state, host.boot_id())}")
            self.note("attempt", why=why, lock=mine.saved(), token=mine.token)
            draining = True
            self.drain(mine)
            mine.announce()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(Path(self.asked.state) / "requested")
            _signals(signal.SIG_IGN)
            self.note("rebooting", why=why, lock=mine.saved(), token=mine.token)
            say(f"yes, rebooting because of {'; '.join(why)}")
            ended = programs.run(self.asked.command, 60)
            if ended.code != 0:
                raise OSError(f"{' '.join(self.asked.command)}: exit code {ended.code} {ended.text}")
            return YES
        except TROUBLES as error:
            self.abandon(mine, str(error), draining)
            return UNKNOWN

    def drain(self, mine: turn.Turn) -> None:
        for hook in self.asked.drain:
            ended = programs.run(hook.argv, hook.timeout, environment={"SABAKAN_FENCING_TOKEN": str(mine.token)})
            if ended.code != 0:
                raise OSError(f"drain {hook.name}: {ended.text or f'exit code {ended.code}'}")

    def undrain(self) -> list[str]:
        wrong = []
        for hook in self.asked.undrain:
            ended = programs.run(hook.argv, hook.timeout)
            if ended.code != 0:
                wrong.append(f"undrain {hook.name}: {ended.text or f'exit code {ended.code}'}")
        return wrong

    def abandon(self, mine: turn.Turn, why: str, drained: bool = True) -> None:
        """No reboot after all: as it was, and someone is told."""
        _signals(signal.SIG_IGN)
        told = [f"no reboot: {why}", *(self.undrain() if drained else [])]
        for end in (mine.release, lambda: self.note("abandoned", why=why)):
            try:
                end()
            except TROUBLES as error:
                told.append(str(error))
        self.teller.alert("; ".join(told))

    # after

    def verify(self) -> int:
        """At the boot, after a run, and every hour: ends what has not been ended. Never reboots."""
        host.mark_clock(self.asked)
        try:
            waits = journal.pending(self.journal.read())
            mine = self.own_turn()
        except TROUBLES as error:
            self.teller.alert(f"nothing will be rebooted here: {error}")
            return UNKNOWN
        self.teller.deliver()
        if waits is None:
            return YES
        mine.resume(waits.get("lock") or {})
        if waits["boot_id"] != host.boot_id():
            return self.judge(waits, mine)
        if waits["event"] == "attempt":
            self.abandon(mine, "it was interrupted before the reboot was ordered")
        elif host.uptime() - float(waits["uptime"]) > ORDERED:
            self.abandon(mine, f"the reboot was ordered {host.uptime() - float(waits['uptime']):.0f} s ago and has not begun")
        return YES

    def judge(self, waits: journal.Entry, mine: turn.Turn) -> int:
        try:
            saved = json.loads(self.baseline.read_text(encoding="utf-8"))
            if saved["boot_id"] != waits["boot_id"]:
                raise ValueError("it is of another boot")
            worse = health.await_health(saved["state"], self.asked.health_ignore, self.asked.health_timeout)
        except TROUBLES as error:
            worse = [f"how it was before the reboot is not known: {self.baseline}: {error}"]
        worse = worse or self.undrain()
        if worse:
            return self.unhealthy(worse, mine)
        try:
            self.release(mine)
        except turn.Lost as error:
            self.teller.alert(f"back and healthy, but {error}")
        except TROUBLES as error:
            self.teller.alert(f"back and healthy, but the lock is not released and will be tried again: {error}")
            return UNKNOWN
        self.note("verified", why=waits.get("why"))
        say("back and healthy")
        return YES

    @staticmethod
    def release(mine: turn.Turn) -> None:
        """The network may come up later than this."""
        until = host.uptime() + 60
        while True:
            try:
                return mine.release()
            except turn.Unavailable:
                if host.uptime() >= until:
                    raise
                time.sleep(3)

    def unhealthy(self, worse: list[str], mine: turn.Turn) -> int:
        why = f"it did not come back healthy: {'; '.join(worse)}"
        self.disarm(why, tell=False)
        told = [why, f"no further reboot here until `sabakan-reboot arm`; the lock of token {mine.token} is kept" if mine.lease
                else "no further reboot here until `sabakan-reboot arm`"]
        for end in (lambda: mine.keep(why), lambda: self.note("unhealthy", why=why, worse=worse)):
            try:
                end()
            except TROUBLES as error:
                told.append(str(error))
        self.teller.alert("; ".join(told))
        return UNHEALTHY

    # the switch

    def disarm(self, why: str, tell: bool = True) -> None:
        told = [why]
        try:
            self.note("disarmed", why=why)
        except TROUBLES as error:
            told.append(str(error))
        # Where /etc cannot be written, at least until the next boot.
        masked = any(programs.run(["systemctl", "mask", "--now", *more, TIMER], 60).code == 0 for more in ([], ["--runtime"]))
        told.append(f"{TIMER} is {'' if masked else 'NOT '}masked; `sabakan-reboot arm` undoes it")
        if tell:
            self.teller.alert("; ".join(told))

    def arm(self, why: str) -> int:
        freed = turn.free_by_hand(self.asked, self.own_turn().store, self.asked.host)
        waits = journal.pending(self.journal.read())
        if waits is not None:
            self.note("abandoned", why="armed by hand")
        self.note("armed", why=why)
        for words in (["unmask", TIMER], ["unmask", "--runtime", TIMER], ["start", TIMER]):
            ended = programs.run(["systemctl", *words], 60)
            if ended.code != 0:
                raise OSError(f"systemctl {' '.join(words)}: {ended.text}")
        say(f"armed{f'; freed: {freed}' if freed else ''}")
        return YES

    def sample(self) -> int:
        """Hourly: how far this boot has come, how much slab there is, and what of before has not been ended."""
        code = self.verify()
        self.note("seen")
        taken = [*host.samples(self.asked), (round(host.uptime(), 1), host.slab_now()["SUnreclaim"])][-200:]
        journal.write_atomically(Path(self.asked.state) / "slab", json.dumps({"boot_id": host.boot_id(), "samples": taken}))
        return code
