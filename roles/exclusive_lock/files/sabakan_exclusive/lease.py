# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lease with a fencing token, for a resource that several hosts reach.

No wall clock decides: the holder counts from before it sent its last renewal, a contender from after it first saw that
renewal, each on its own clock that steps do not move and that suspension does not stop. So the holder's time is always
up first. A holder that was paused and wakes late is refused by its token, where the resource compares tokens.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sabakan_exclusive.lock import Held, now

RENEW, TERMINATE, KILL, PATIENCE = 1 / 6, 0.6, 0.8, 1 / 12


class Conflict(Exception):
    """The object is not what it was expected to be; nothing was written."""


class Unavailable(Exception):
    """No answer that can be relied on; the write may or may not have happened."""


class Unsuitable(Exception):
    """The store does not compare before it sets."""


def record_of(content: bytes, place: str) -> dict[str, Any]:
    """A lease as a store has it; raises Unavailable for something else, which is somebody's and no free lock."""
    try:
        record = json.loads(content)
    except ValueError as error:
        raise Unavailable(f"{place} holds no lease: {error}") from error
    if not isinstance(record, dict):
        raise Unavailable(f"{place} holds no lease but {content[:40]!r}")
    return record


class Storage(Protocol):
    def read(self) -> tuple[str, dict[str, Any]] | None: ...
    def create(self, record: dict[str, Any]) -> str: ...
    def replace(self, etag: str, record: dict[str, Any]) -> str: ...


@dataclass(frozen=True)
class Deadlines:
    """Of a holder, by its last renewal: the contender's earliest takeover is sent + ttl."""

    renew_at: float
    terminate_at: float
    kill_at: float


def deadlines(sent: float, ttl: float) -> Deadlines:
    return Deadlines(sent + ttl * RENEW, sent + ttl * TERMINATE, sent + ttl * KILL)


@dataclass(frozen=True)
class Seen:
    """What a contender found, and since when it has been just that."""

    etag: str
    since: float


def look(before: Seen | None, etag: str, moment: float) -> Seen:
    return before if before is not None and before.etag == etag else Seen(etag, moment)


def may_take(record: dict[str, Any], seen: Seen, moment: float, place: str) -> bool:
    """Whether the lease of this record is free.

    place: the machine's boot and the lock's identity of the contender, who holds the lock there: an earlier holder of
    that same lock is gone for certain, whatever its lease says. A holder that cannot renew for a while, as its host
    reboots, marks the record as kept: then only it, or a hand, ends it.
    """
    if record.get("released"):
        return True
    if record.get("kept"):
        return False
    if place and record.get("place") == place:
        return True
    return moment - seen.since >= float(record.get("ttl", 60))


class Lease:
    """Acquired once, then renewed by tick() until released."""

    def __init__(self, store: Storage, ttl: float, place: str, holder: dict[str, Any],
                 clock: Callable[[], float] = now) -> None:
        self.store, self.ttl, self.clock = store, ttl, clock
        self.record: dict[str, Any] = {
            "owner": os.urandom(16).hex(), "ttl": ttl, "place": place, "holder": holder, "renewal": 0, "released": False,
        }
        self.etag = ""
        self.token = 0
        self.lost = False
        self.trouble = ""
        self.deadlines = Deadlines(0, 0, 0)
        self._retry_at = 0.0

    def acquire(self, wait: float, sleep: Callable[[float], None], describe: Callable[[dict[str, Any]], str]) -> None:
        """Raises Held when another has it after wait seconds, Unavailable when the store does not answer."""
        until, seen, refused = self.clock() + wait, None, False
        while True:
            found = self.store.read()
            moment = self.clock()
            if found is None:
                if self._take(None, 1):
                    return
                # Somebody was faster, whom the next look shows; or the store contradicts itself.
                if refused and moment >= until:
                    raise Unavailable("the store has no lease, and refuses to make one as if there were one already")
                refused = True
                sleep(min(1.0, self.ttl / 60))
                continue
            etag, other = found
            seen = look(seen, etag, moment)
            if may_take(other, seen, moment, str(self.record["place"])):
                if self._take(etag, int(other.get("token", 0)) + 1):
                    return
            elif moment >= until:
                raise Held(f"the lease is held by {describe(other.get('holder', {}))}, token {other.get('token')}; "
                           f"it is free {float(other.get('ttl', 60)):g} s after its last renewal")
            sleep(min(1.0, self.ttl / 60))

    def _take(self, etag: str | None, token: int) -> bool:
        sent = self.clock()
        record = {**self.record, "token": token}
        try:
            new = self.store.create(record) if etag is None else self.store.replace(etag, record)
        except Conflict:
            return False
        except Unavailable:
            # Perhaps it was written. If so it is this one's: the owner is unique.
            found = self.store.read()
            if found is None or found[1].get("owner") != self.record["owner"]:
                raise
            new = found[0]
        self.record, self.etag, self.token = record, new, token
        self.deadlines = deadlines(sent, self.ttl)
        return True

    def tick(self) -> float:
        """Renews when due; seconds until the next call. Sets lost when another one has the lease."""
        due = max(self.deadlines.renew_at, self._retry_at) - self.clock()
        if due > 0 or self.lost:
            return due if not self.lost else 3600.0
        sent = self.clock()
        record = {**self.record, "renewal": self.record["renewal"] + 1}
        try:
            self.etag = self._renewed(record)
        except Conflict:
            self.lost, self.trouble = True, "another one has taken the lease"
        except Unavailable as error:
            self.trouble = str(error)
            self._retry_at = self.clock() + self.ttl * PATIENCE
        else:
            self.record, self.trouble = record, ""
            self.deadlines = deadlines(sent, self.ttl)
        return 0.0

    def _renewed(self, record: dict[str, Any]) -> str:
        try:
            return self.store.replace(self.etag, record)
        except Conflict:
            # An earlier renewal whose answer was lost changes the object too; it is still this one's then.
            found = self.store.read()
            if found is None or found[1].get("owner") != record["owner"] or found[1].get("released"):
                raise
            return self.store.replace(found[0], record)

    def release(self) -> None:
        """The token stays in the object, so that it never goes back."""
        if not self.lost:
            with contextlib.suppress(Conflict, Unavailable):
                self.store.replace(self.etag, {**self.record, "released": True})
