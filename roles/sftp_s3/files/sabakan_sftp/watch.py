# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mount that is in service: whether it answers, whether its store does, and whether what the store has comes through it."""

from __future__ import annotations

from typing import Any, Protocol

from sabakan_sftp.config import Mount

REFUSALS = 5  # definite answers in a row before a live mount is taken out of service
STUBBORN = 4  # times probe_timeout that a mount may be silent while its process works


class Work(Protocol):
    value: Any
    error: str
    timed_out: bool
    done: bool

    def cancel(self) -> None: ...


class World(Protocol):
    """What a mount needs of the keeper; a test gives its own."""

    def clean(self, mount: Mount) -> str: ...
    def withdraw(self, mount: Mount) -> None: ...
    def let(self, mount: Mount, allowed: bool) -> None: ...
    def start(self, mount: Mount) -> int: ...
    def kill(self, pid: int, gently: bool) -> None: ...
    def is_mounted(self, mount: Mount) -> bool: ...
    def is_stalled(self, pid: int, since: Any) -> bool: ...
    def activity(self, pid: int) -> Any: ...
    def unmount(self, mount: Mount) -> bool: ...
    def check_store(self, mount: Mount) -> Work: ...
    def probe(self, mount: Mount) -> Work: ...
    def probe_through(self, mount: Mount, sample: str) -> Work: ...
    def bring_in(self, mount: Mount, sample: str) -> Work: ...
    def publish(self, mount: Mount) -> Work: ...
    def died(self, mount: Mount, reason: str, code: int | None) -> None: ...
    def tell(self, kind: str, mount: Mount, **values: Any) -> None: ...


class Watch:
    """From the moment that a mount serves until it fails. trouble: why its users are not let in although it is mounted."""

    def __init__(self, mount: Mount, world: World, pid: int, sample: str, now: float) -> None:
        self.world, self.pid, self.sample = world, pid, sample
        self.trouble = ""
        self._work: dict[str, Work] = {}
        self._before: Any = None
        self._patience = self._refusals = self._misses = 0
        self._next_probe, self._next_store = now + mount.probe_interval, now + mount.store_interval

    @property
    def due(self) -> float:
        return min(self._next_probe, self._next_store)

    def end(self) -> None:
        for work in self._work.values():
            work.cancel()
        self._work = {}

    def tick(self, mount: Mount, now: float) -> str:
        """Why the mount has to be made anew; empty as long as it need not."""
        return self._look_at_mount(mount, now) or self._look_at_store(mount, now)

    def _look_at_mount(self, mount: Mount, now: float) -> str:
        work = self._work.get("probe")
        if work is None:
            if now >= self._next_probe:
                self._before = self.world.activity(self.pid)
                self._work["probe"] = self.world.probe(mount)
                self._next_probe = now + mount.probe_interval
            return ""
        if not work.done:
            return ""
        del self._work["probe"]
        if not work.error:
            self._patience = 0
            return ""
        if work.timed_out and not self.world.is_stalled(self.pid, self._before) and self._patience < STUBBORN - 1:
            self._patience += 1
            self._next_probe = now
            return ""
        return f"the mount hangs: {work.error}" if work.timed_out else f"the mount is dead: {work.error}"

    def _look_at_store(self, mount: Mount, now: float) -> str:
        store, through, reason = self._work.get("store"), self._work.get("through"), ""
        if store is None and through is None and now >= self._next_store:
            self._work["store"] = self.world.check_store(mount)
        if store is not None and store.done:
            del self._work["store"]
            reason = self._store_answered(mount, store.value or {"state": "unreachable", "reason": f"the store gave {store.error}"}, now)
        if through is not None and through.done:
            del self._work["through"]
            reason = reason or self._went_through(mount, through, now)
        return reason

    def _store_answered(self, mount: Mount, answer: dict[str, str], now: float) -> str:
        if answer["state"] in ("ok", "unknown"):
            self._refusals = 0
            self.sample = answer.get("sample", "")
            self._next_store = now + mount.probe_interval  # should there be no process for the next question
            self._work["through"] = self.world.probe_through(mount, self.sample)
            self._next_store = now + mount.store_interval
            return ""
        if answer["reason"] != self.trouble:
            self.world.tell("store-lost", mount, reason=answer["reason"])
        self.trouble = answer["reason"]
        self.world.let(mount, False)
        self._next_store = now + mount.probe_interval
        self._refusals = self._refusals + 1 if answer["state"] == "refused" else 0
        return answer["reason"] if self._refusals >= REFUSALS else ""

    def _went_through(self, mount: Mount, work: Work, now: float) -> str:
        if not work.error:
            self._misses = 0
            if self.trouble:
                self.world.tell("store-back", mount, was=self.trouble)
                self.trouble = ""
                self.world.let(mount, True)
            return ""
        # The store answers and the mount does not; once may be an accident.
        self._misses += 1
        self._next_store = now + mount.probe_interval
        return f"the store answers, the mount does not: {work.error}" if self._misses >= 2 else ""
