# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Truncated uploads from the moment they are known until something was done about them, and the journal of all uploads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from sabakan_sftp import config, settle, uploads
from sabakan_sftp.jobs import Job
from sabakan_sftp.sessions import Sessions

DELAY, RETRY, AT_ONCE, LONGEST = 2.0, 5.0, 2, 3600.0


class Settling:
    def __init__(self, book: uploads.Uploads, journal: uploads.Journal, run: Callable[..., Job], tell: Callable[..., None]) -> None:
        self.book, self.journal, self.run, self.tell = book, journal, run, tell
        self.jobs: dict[str, Job] = {}
        self.after: dict[str, float] = {}

    def tick(self, found: config.Config, sessions: Sessions, now: float, wall: float) -> None:
        for name, job in list(self.jobs.items()):
            if job.done:
                del self.jobs[name]
                if job.error:
                    self.after[name] = now + RETRY
                else:
                    self._settled(name, job.value["outcome"], job.value["detail"], wall)
        for record in self.book.unsettled():
            name = record["id"]
            due = self.after.setdefault(name, now + DELAY)
            if name in self.jobs:
                if self.book.superseded(record, sessions.last_open):
                    self.jobs[name].cancel()  # it would take what is put there now for what it waits for
                continue
            if record["finishing"] and not record.get("closed") and record["pid"] in sessions.sessions:
                self.after[name] = now + DELAY  # its process ends once the mount has what was open, which takes as long as it takes
                continue
            if now < due or len(self.jobs) >= AT_ONCE:
                continue
            mount = found.mounts.get(record["mount"])
            if mount is None:
                self._settled(name, "recorded", "its mount is no longer configured", wall)
            elif self.book.superseded(record, sessions.last_open):
                self._settled(name, "superseded", "the same object was written again", wall)
            else:
                self.after[name] = now + RETRY  # should there be no secret, or no process, for it now
                with contextlib.suppress(config.Refused, OSError):
                    self.jobs[name] = self.run(settle.run, mount.s3, config.environment(mount), record, mount.on_truncated,
                                               mount.quarantine_prefix, timeout=LONGEST)

    def _settled(self, name: str, outcome: str, detail: str, wall: float) -> None:
        self.book.settle(name, outcome, detail, wall)
        self.after.pop(name, None)
        record = self.book.truncated[name]
        self.tell("upload-settled", id=name, user=record["user"], mount=record["mount"], key=record["key"], outcome=outcome, detail=detail)

    def write(self) -> None:
        if not self.book.fresh:
            return
        try:
            if self.journal.count > uploads.LINES:
                self.journal.replace(self.book.snapshot())
            else:
                self.journal.append(self.book.fresh)
            self.book.fresh = []
        except OSError as error:
            self.tell("journal-failed", reason=str(error))
