# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host of a group at a time: a lease in a store that the fleet has already.

It is taken once for as long as a reboot may last at the worst. From the moment the reboot is ordered it has no end: a host
that does not come back, or not healthy, is a reason for the others to stay, until it has verified itself or an operator
says otherwise.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sabakan_exclusive import s3
from sabakan_exclusive.lease import Conflict, Lease, Storage, Unavailable, Unsuitable, deadlines
from sabakan_exclusive.lock import Held

from sabakan_reboot import host, redis
from sabakan_reboot.settings import Settings

TIMEOUT = 10.0
__all__ = ["Conflict", "Held", "Lost", "Turn", "Unavailable", "Unsuitable"]


class Lost(Exception):
    """Another host has taken it, or its time is up."""


def store_of(asked: Settings, secrets: dict[str, Any]) -> Storage | None:
    if asked.lock_store == "none":
        return None
    settings = secrets.get("lock")
    if not isinstance(settings, dict):
        raise OSError("the settings of the lock's store are missing (lock)")
    if asked.lock_store == "redis":
        return redis.Store(settings, TIMEOUT)
    return s3.Store(settings, TIMEOUT)


def told(record: dict[str, Any]) -> str:
    who = f"{record.get('host')} has the lock of the group, token {record.get('token')}"
    if record.get("kept"):
        return f"{who}: {record.get('why') or 'kept'}, since {record.get('since')}"
    return f"{who}, since {record.get('since')}, for {float(record.get('ttl', 0)):g} s at most"


class Turn:
    """The lock of this host's group; without a store always free."""

    def __init__(self, asked: Settings, store: Storage | None) -> None:
        self.asked, self.store = asked, store
        # The host's own name as the place: it has no second gate, so an earlier lease of its own is nobody's.
        self.lease = Lease(store, asked.lock_ttl, f"reboot of {asked.host}", {}, host.uptime) if store else None
        self.taken = 0.0

    @property
    def token(self) -> int:
        return self.lease.token if self.lease else 0

    def holder(self) -> str:
        """Who else has it; empty when it is free, or this host's own to take."""
        found = self.store.read() if self.store else None
        if found is None or found[1].get("released"):
            return ""
        record = found[1]
        if record.get("host") == self.asked.host and not record.get("kept"):
            return ""
        if self.lease and record.get("owner") == self.lease.record["owner"]:
            return ""
        return told(record)

    def acquire(self, wait: float) -> None:
        """Raises Held, Unavailable or Unsuitable."""
        if not self.lease:
            return
        if isinstance(self.store, s3.Store):
            self.store.probe()
        self.lease.record.update(host=self.asked.host, since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), kept=False)
        try:
            self.lease.acquire(wait, lambda dummy: time.sleep(min(5.0, self.asked.lock_ttl / 60)), told)
        except Held:
            raise Held(self.holder() or "another host has the lock of the group") from None
        self.taken = host.uptime()

    def _write(self, **fields: Any) -> None:
        if not self.lease or not self.store or not self.lease.etag:
            return
        record = {**self.lease.record, **fields}
        try:
            self.lease.etag = self.store.replace(self.lease.etag, record)
        except Conflict as error:
            found = self.store.read()
            if found is None or found[1].get("owner") != record["owner"] or found[1].get("token") != record["token"]:
                raise Lost(f"the lock of token {self.token} is another's by now") from error
            self.lease.etag = self.store.replace(found[0], record)
        self.lease.record = record

    def announce(self) -> None:
        """Before the reboot: still this host's, with time left; from here on it does not expire. Raises Lost, Unavailable."""
        if self.lease and host.uptime() - self.taken > self.asked.lock_ttl * 0.8:
            raise Lost(f"the drain took {host.uptime() - self.taken:.0f} s, lock_ttl is {self.asked.lock_ttl}")
        self._write(kept=True, why="it reboots and has not come back healthy yet")

    def keep(self, why: str) -> None:
        self._write(kept=True, why=why)

    def release(self) -> None:
        self._write(kept=False, released=True)

    def saved(self) -> dict[str, Any]:
        return {"record": self.lease.record, "etag": self.lease.etag, "token": self.lease.token} if self.lease else {}

    def resume(self, saved: dict[str, Any]) -> None:
        """The lease of before the reboot, in another process."""
        if self.lease and saved:
            self.lease.record, self.lease.etag, self.lease.token = saved["record"], saved["etag"], saved["token"]
            self.lease.deadlines, self.taken = deadlines(host.uptime(), self.asked.lock_ttl), host.uptime()


def free_by_hand(asked: Settings, store: Storage | None, whose: str) -> str:
    """An operator says that a host's lock is nobody's any more; returns what was freed."""
    found = store.read() if store else None
    if store is None or found is None or found[1].get("released") or (found[1].get("host") != whose):
        return ""
    store.replace(found[0], {**found[1], "kept": False, "released": True})
    return told(found[1])


def secrets_of(path: str) -> dict[str, Any]:
    """Raises OSError for a file that others may read."""
    file = Path(path)
    if not file.exists():
        return {}
    if file.stat().st_mode & 0o077:
        raise OSError(f"{path} can be read by others than its owner (mode {file.stat().st_mode & 0o777:04o}); it must be 0600")
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no object")
    return found
