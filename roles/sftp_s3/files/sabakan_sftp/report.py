# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others are told of the keeper: the status document, on request and in files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sabakan_sftp import status, uploads
from sabakan_sftp.mounts import Counters
from sabakan_sftp.sessions import Sessions
from sabakan_sftp.sshd import Sshd
from sabakan_sftp.takeover import Takeover

HEARTBEAT = 10.0
# What makes the files be written anew at once.
TELLING = ("healthy", "reasons", "config_digest", "config_error", "mounts", "sshd", "uploads", "users")


class Report:
    def __init__(self, takeover: Takeover, sessions: Sessions, book: uploads.Uploads, sshd: Sshd, state: Path, tell: Callable[..., None]) -> None:
        self.takeover, self.sessions, self.book, self.sshd, self.state, self.tell = takeover, sessions, book, sshd, state, tell
        self.stopping = False
        self._told: dict[str, Any] = {}
        self._told_at = 0.0

    def _mount(self, name: str) -> dict[str, Any]:
        keeping = self.takeover.keepings.get(name)
        counters = self.takeover.world.counters.get(name) or Counters()
        return {
            "state": keeping.summary if keeping else "starting", "error": keeping.reason if keeping else "its former self is ending",
            "step": keeping.state if keeping else "waiting", "pid": keeping.pid if keeping else 0, "since": round(keeping.since, 3) if keeping else None,
            "deaths": counters.deaths, "heals": counters.heals, "oom_kills": counters.oom_kills,
            "last_death": counters.last_death, "last_heal_seconds": counters.last_heal_seconds,
        }

    def document(self) -> dict[str, Any]:
        found = self.takeover.config
        mounts = {name: self._mount(name) for name in found.mounts}
        sshd_error = "" if self.sshd.pid else self.sshd.error
        why = status.reasons(mounts, sshd_error) if found.digest else [f"no configuration is in force: {self.takeover.error}"]
        if self.stopping:
            why.append("it is being stopped")
        return {
            "version": 1, "time": time.time(), "pid": os.getpid(), "healthy": not why, "reasons": why,
            "config_digest": found.digest, "config_error": self.takeover.error, "mounts": mounts, "users": sorted(found.users),
            "sshd": {"pid": self.sshd.pid, "restarts": self.sshd.restarts, "error": sshd_error},
            "sessions": {"open": len(self.sessions.sessions), "logins": self.sessions.logins, "refusals": self.sessions.refusals},
            "bytes": self.sessions.bytes,
            "uploads": {"open": len(self.book.open), "truncated": len(self.book.truncated), "unsettled": len(self.book.unsettled()),
                        "last": list(self.book.truncated.values())[-20:]},
            "memory": {**status.memory(), "oom_kills": self.takeover.world.oom_kills},
        }

    def publish(self, now: float) -> None:
        """Writes the files when something has changed, and now and then."""
        found = self.document()
        telling = {name: found[name] for name in TELLING}
        if telling == self._told and now - self._told_at < HEARTBEAT:
            return
        self.takeover.world.count_oom()
        found = self.document()
        if found["healthy"] != self._told.get("healthy"):
            self.tell("healthy" if found["healthy"] else "unhealthy", reasons=found["reasons"])
        self._told, self._told_at = json.loads(json.dumps(telling)), now
        try:
            status.replace(self.state / "status.json", json.dumps(found, indent=1) + "\n", 0o600)
            status.replace(self.state / "metrics.prom", status.prometheus(found), 0o644)
        except OSError as error:
            self.tell("status-failed", reason=str(error))

    def restore(self) -> None:
        """The counts of an earlier keeper, as far as its file can be read."""
        try:
            before = json.loads((self.state / "status.json").read_text(encoding="utf-8"))
            for name, mount in before["mounts"].items():
                self.takeover.world.counters[name] = Counters(
                    int(mount["deaths"]), int(mount["heals"]), int(mount["oom_kills"]), dict(mount["last_death"]), mount["last_heal_seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return
