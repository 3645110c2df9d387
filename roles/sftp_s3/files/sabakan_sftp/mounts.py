# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One mount from its store's first answer to its end: a machine of few states that never blocks.

waiting -> checking (does the store answer?) -> mounting (process and probe) -> live -> ending -> waiting ...
A mount is bound into the homes of its users, and they are let in, only while it is live.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sabakan_sftp.config import Mount
from sabakan_sftp.watch import Watch, Work, World

FIRST_DELAY = 0.5
LONGEST_AFTER_SERVICE = 4.0  # a mount that was live can be: it is not made to wait long
LONGEST_FOR_STORE = 5.0  # nor is one whose store does not answer: asking costs nothing
STABLE = 30.0  # seconds of service after which the back-off starts anew
POLL = 0.1
STARVED = 1.0  # seconds until a kernel that had no process for a question is asked for it again
FAREWELL = 5.0  # seconds for a process to end once it is unmounted
GRACE = 20.0  # seconds for a mount to finish its uploads when it is ended on purpose


@dataclass
class Counters:
    deaths: int = 0
    heals: int = 0
    oom_kills: int = 0
    last_death: dict[str, Any] = field(default_factory=dict)
    last_heal_seconds: float | None = None


def backoff(failures: int, longest: float, first_is_free: bool) -> float:
    """Seconds to wait before the next try, after so many failures in a row."""
    step = failures - (2 if first_is_free else 1)
    return 0.0 if step < 0 else min(longest, FIRST_DELAY * 2 ** min(step, 12))


class Keeping:
    def __init__(self, mount: Mount, world: World, counters: Counters | None = None) -> None:
        self.mount, self.world = mount, world
        self.counters = counters or Counters()
        self.state = "waiting"
        self.pid = 0
        self.error = "not mounted yet"
        self.since = time.time()
        self.stopping = False
        self.gone = False
        self.last_output = ""
        self._retry_at = self._deadline = 0.0
        self._work: dict[str, Work] = {}
        self._watch: Watch | None = None  # while it is live
        self._failures = 0
        self._live_at = self._down_at = 0.0
        self._was_live = self._rebind = False
        self._sample = ""
        self._kill_at = 0.0
        self._say_starved_at = 0.0

    @property
    def trouble(self) -> str:
        """Of a live mount whose store does not answer."""
        return self._watch.trouble if self._watch else ""

    @property
    def summary(self) -> str:
        """live, starting or dead, as others are told."""
        if self.state == "live":
            return "dead" if self.trouble else "starting" if self._rebind or "publish" in self._work else "live"
        return "starting" if not self._failures and self.state in ("waiting", "checking", "mounting") else "dead"

    @property
    def reason(self) -> str:
        return self.trouble if self.state == "live" else self.error

    def _become(self, state: str, error: str = "") -> None:
        self.state, self.error, self.since = state, error, time.time()

    def _drop_work(self) -> None:
        for work in self._work.values():
            work.cancel()
        self._work = {}
        if self._watch:
            self._watch.end()
            self._watch = None

    def rebind(self) -> None:
        """Its users are others now."""
        self._rebind = True

    def stop(self, now: float) -> None:
        """Ends the mount for good, in order: its users' sessions are gone by now, and their uploads are finished first."""
        self.stopping = True
        self._drop_work()
        self.world.withdraw(self.mount)
        if not self.pid:
            self.world.clean(self.mount)
            self.gone = True
            return
        self._become("ending", "taken out of the configuration")
        self._kill_at = now + GRACE
        self._deadline = now

    def exited(self, code: int, now: float) -> None:
        """The mount's process has ended; code as of waitstatus_to_exitcode."""
        self.pid = 0
        self._drop_work()
        if self.stopping:
            self.world.clean(self.mount)
            self.gone = True
            return
        if self.state != "ending":
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            self._fail(f"the mount's process {how}" + (f": {self.last_output}" if self.last_output else ""), now, code)
        self._settle_down(now, LONGEST_AFTER_SERVICE if self._was_live else float("inf"))

    def _fail(self, reason: str, now: float, code: int | None = None) -> None:
        """Out of service at once; what is left of the process is killed."""
        was_live = self._was_live = self.state == "live"
        self._drop_work()
        self.world.withdraw(self.mount)
        if was_live:
            self._down_at = now
            if now - self._live_at >= STABLE:
                self._failures = 0
        if was_live or code is not None:
            self.world.died(self.mount, reason, code)
        self._failures += 1
        self._become("ending", reason)
        if self.pid:
            self.world.kill(self.pid, False)

    def _settle_down(self, now: float, longest: float = float("inf")) -> None:
        self._retry_at = now + backoff(self._failures, min(longest, self.mount.backoff_max), first_is_free=bool(self._down_at))
        self.state = "waiting"

    def tick(self, now: float) -> float:
        """Does what is due; seconds until something may be due again."""
        states = {"waiting": self._waiting, "checking": self._checking, "mounting": self._mounting, "live": self._live, "ending": self._ending}
        try:
            return states[self.state](now)
        except OSError as error:
            # No memory, process or descriptor for one more question. Nothing is known of the mount then, so it stays as it is.
            if now >= self._say_starved_at:
                self.world.tell("keeper-starved", self.mount, reason=str(error))
                self._say_starved_at = now + STABLE
            return STARVED

    def _waiting(self, now: float) -> float:
        if now < self._retry_at:
            return self._retry_at - now
        left = self.world.clean(self.mount)
        if left:
            self._become("waiting", left)
            self._failures += 1
            self._settle_down(now)
            return POLL
        self._work["store"] = self.world.check_store(self.mount)
        self.state = "checking"
        return POLL

    def _checking(self, now: float) -> float:
        work = self._work["store"]
        if not work.done:
            return 1.0
        answer = work.value or {"state": "unreachable", "reason": f"the store gave {work.error}"}
        if answer["state"] in ("unreachable", "refused"):
            del self._work["store"]
            self._failures += 1
            if answer["reason"] != self.error:
                self.world.tell("mount-refused", self.mount, reason=answer["reason"])
            self._become("waiting", answer["reason"])
            self._settle_down(now, LONGEST_FOR_STORE if answer["state"] == "unreachable" else float("inf"))
            return POLL
        self._sample = answer.get("sample", "")
        self.last_output = ""
        self.pid = self.world.start(self.mount)
        del self._work["store"]
        self._deadline = now + self.mount.mount_timeout
        self.state = "mounting"
        return POLL

    def _mounting(self, now: float) -> float:
        work = self._work.get("bring_in")
        if work is None:
            if self.world.is_mounted(self.mount):
                self._work["bring_in"] = self.world.bring_in(self.mount, self._sample)
                return 1.0
            if now >= self._deadline:
                self._fail(f"nothing was mounted within {self.mount.mount_timeout:g} s" + (f": {self.last_output}" if self.last_output else ""), now)
            return POLL
        if not work.done:
            return 1.0
        del self._work["bring_in"]
        if work.error:
            self._fail(f"the new mount does not work: {work.error}", now)
            return POLL
        self._serve(now)
        return POLL

    def _serve(self, now: float) -> None:
        if self._down_at:
            self.counters.heals += 1
            self.counters.last_heal_seconds = round(now - self._down_at, 3)
            self.world.tell("mount-healed", self.mount, seconds=self.counters.last_heal_seconds, pid=self.pid)
        else:
            self.world.tell("mount-live", self.mount, pid=self.pid)
        self._down_at = 0.0
        self._live_at = now
        self._watch = Watch(self.mount, self.world, self.pid, self._sample, now)
        self._become("live")
        if not self._rebind:
            self.world.let(self.mount, True)

    def _live(self, now: float) -> float:
        self._watch_users(now)
        reason = self._watch.tick(self.mount, now) if self._watch else ""
        if reason:
            self._fail(reason, now)
        if self._watch is None:
            return POLL
        if self._failures and now - self._live_at >= STABLE:
            self._failures = 0
        return max(POLL, self._watch.due - now)

    def _watch_users(self, now: float) -> None:
        work = self._work.get("publish")
        if work is None and self._rebind:
            self._work["publish"] = self.world.publish(self.mount)
            self._rebind = False
        elif work is not None and work.done:
            del self._work["publish"]
            if work.error:
                self._fail(f"the mount could not be bound into the homes of its users: {work.error}", now)
            elif not self.trouble and not self._rebind:
                self.world.let(self.mount, True)

    def _ending(self, now: float) -> float:
        if not self.pid:
            self._settle_down(now)
            return POLL
        if self.stopping:
            # An unmount that is not forced waits for what is open; the process ends by itself after it.
            if now < self._kill_at:
                if self.world.unmount(self.mount):
                    self._kill_at = min(self._kill_at, now + FAREWELL)
                return POLL
            self.world.kill(self.pid, False)
            return 1.0
        self.world.kill(self.pid, False)
        return 1.0
