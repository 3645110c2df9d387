# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is in a session and what it does: from the lines of the sftp servers to the audit trail and the journal of uploads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sabakan_sftp import trail, uploads
from sabakan_sftp.config import Config

SERVERS = ("internal-sftp", "sftp-server")
SILENT = ("opendir", "closedir")
QUESTIONS = ("stat ", "lstat ", "fstat ", "realpath ", "statvfs ", "fstatvfs ", "users-groups-by-id", "received client version", "expand ", "limits")
OPENS_KEPT = 20000
# Only an open gives these right after its line. What is asked of an open file and logs nothing may fail with others.
UNOPENED = ("Permission denied", "No such file")
READ_ONLY = "Refusing open request in read-only mode"


@dataclass
class Session:
    pid: int
    user: str
    address: str = ""
    read: int = 0
    written: int = 0
    failed: bool = False
    opening: str = ""  # the upload whose open was told last, and nothing after it
    doubtful: dict[str, str] = field(default_factory=dict)  # by path, uploads whose open or whose first write failed


class Sessions:
    """tell: writes one event of the trail. watch: is called with a process whose end matters."""

    def __init__(self, config: Callable[[], Config], book: uploads.Uploads, tell: Callable[..., None], watch: Callable[[int], bool]) -> None:
        self.config, self.book, self.tell, self.watch = config, book, tell, watch
        self.sessions: dict[int, Session] = {}
        self.last_open: dict[tuple[str, str], float] = {}
        self.bytes: dict[str, list[int]] = {}
        self.logins = self.refusals = 0

    def sshd(self, datagram: bytes) -> None:
        event = trail.sshd(trail.line(datagram).text)
        self.logins += event.kind == "login"
        self.refusals += event.kind == "refused"
        self.tell(event.kind if event.kind != "other" else "sshd", **event.values)

    def sftp(self, user: str, pid: int, datagram: bytes, now: float) -> None:
        line = trail.line(datagram)
        if line.tag and line.tag not in SERVERS:  # sshd itself, which is in the chroot by then
            self.sshd(datagram)
            return
        event = trail.sftp(line.text)
        session = self.sessions.get(pid)
        if session is None and event.kind != "closed":
            session = self.sessions[pid] = Session(pid, user)
            if not self.watch(pid):  # gone already; the end comes with the next look
                self.tell("session-gone", user=user, pid=pid)
        if session is None:
            return
        if event.kind not in ("open", "status") and event.values.get("text") != READ_ONLY:
            session.opening = ""
        handle = getattr(self, f"_{event.kind}", None)
        if handle is not None:
            handle(session, event.values, now)
        elif event.kind not in SILENT and not str(event.values.get("text", "")).startswith(QUESTIONS):
            self._told(event.kind, session, event.values)

    def _told(self, kind: str, session: Session, values: dict[str, Any]) -> None:
        self.tell(kind, user=session.user, address=session.address, pid=session.pid, **values)

    def _opened(self, session: Session, values: dict[str, Any], now: float) -> None:
        session.address = values["address"]
        self.tell("session-opened", user=session.user, address=session.address, pid=session.pid)

    def _closed(self, session: Session, values: dict[str, Any], now: float) -> None:
        # Of each file that was open it has told by now: what is left was never opened.
        for record in self.book.of(session.pid):
            self._refused(record, now)
        self.tell("session-closed", user=session.user, address=session.address, pid=session.pid, read=session.read, written=session.written)

    def _open(self, session: Session, values: dict[str, Any], now: float) -> None:
        self._told("open", session, {name: values[name] for name in ("path", "flags")})
        session.opening = ""
        if "WRITE" in values["flags"]:
            self._upload(session, values["path"], values["flags"], now)

    def _upload(self, session: Session, path: str, flags: list[str], now: float) -> None:
        config = self.config()
        user = config.users.get(session.user)
        mount = config.mounts.get(user.mount) if user else None
        key = uploads.locate(user, mount.s3.prefix, path) if user and mount else ""
        if user and mount and key:
            session.failed = False
            # Who opens a name again without having closed it was not given it the first time.
            before = self.book.open.get(session.doubtful.pop(path, ""))
            if before:
                self._refused(before, now)
            place = (mount.s3.bucket, key)
            record = self.book.opened(session.pid, user, mount.name, key, path, flags, now, self.last_open.pop(place, 0.0), mount.s3.bucket)
            session.opening, self.last_open[place] = record["id"], now
            while len(self.last_open) > OPENS_KEPT:
                del self.last_open[next(iter(self.last_open))]

    def _close(self, session: Session, values: dict[str, Any], now: float) -> None:
        session.read += values["read"]
        session.written += values["written"]
        totals = self.bytes.setdefault(session.user, [0, 0])
        totals[0] += values["read"]
        totals[1] += values["written"]
        self._told("close", session, {**values, **({"failed": True} if session.failed and values["written"] else {})})
        record = self.book.closed(session.pid, values["path"], values["written"], values["forced"], now)
        if record:
            self.truncated(record)

    def _failed(self, session: Session, values: dict[str, Any], now: float) -> None:
        self._told("write-failed", session, values)
        session.failed = True
        self.book.failed(session.pid, values["path"])

    def _cut(self, session: Session, values: dict[str, Any], now: float) -> None:
        """The end of the line is missing: whether an open was for writing, how much a close had."""
        self._told("cut", session, values)
        user = self.config().users.get(session.user)
        if values["of"] == "open" and not (user and user.read_only):
            self._upload(session, values["path"], ["WRITE"], now)
        elif values["of"] == "close":
            start = values["path"][:-4]  # the cut may be in the middle of an escape
            record = self.book.closed(session.pid, start, None, values["forced"], now, is_cut=True)
            if record:
                self.truncated(record)

    def _status(self, session: Session, values: dict[str, Any], now: float) -> None:
        record = self.book.open.get(session.opening)
        if record and values["status"] in UNOPENED:
            self._refused(record, now)
        elif record:
            session.doubtful[record["path"]] = record["id"]
        session.opening = ""
        self._told("status", session, values)

    def _refused(self, record: dict[str, Any], now: float) -> None:
        self.book.refused(record["id"], now)
        place = uploads.place(record)
        if self.last_open.get(place) == record["time"]:
            self.last_open[place] = record["before"]

    def ended(self, pid: int, now: float) -> None:
        session = self.sessions.pop(pid, None)
        for record in self.book.ended(pid, now):
            self.truncated(record)
        if session:
            self.tell("session-ended", user=session.user, address=session.address, pid=pid, read=session.read, written=session.written)

    def lost(self, mount: str, now: float) -> None:
        for record in self.book.lost(mount, now):
            self.truncated(record)

    def truncated(self, record: dict[str, Any]) -> None:
        self.tell("upload-truncated", **{name: record[name] for name in ("id", "user", "mount", "key", "path", "reason", "written")})
