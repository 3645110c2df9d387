# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keeper: one loop over log sockets, children and timers, in which nothing blocks."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sabakan_sftp import accounts, control, kernel, status, uploads
from sabakan_sftp.listeners import Listener
from sabakan_sftp.loop import Loop
from sabakan_sftp.report import HEARTBEAT, Report
from sabakan_sftp.sessions import Sessions
from sabakan_sftp.settling import Settling
from sabakan_sftp.sshd import Sshd
from sabakan_sftp.takeover import Takeover
from sabakan_sftp.world import System

STOP_TIME = 25.0


class Running(Exception):
    """Another keeper has this container."""


def tell(kind: str, **values: Any) -> None:
    """One event, one line of JSON: what a name holds cannot make a second line."""
    with contextlib.suppress(OSError):
        print(json.dumps({"event": kind, **values}), flush=True)


class Keeper:
    def __init__(self, config_path: Path, state: Path, run: Path) -> None:
        self.state, self.run_path, self.loop = state, run, Loop()
        self.homes = accounts.Accounts(keys=run / "authorized_keys")
        self.sshd = Sshd(lambda: self._output("sshd"), tell)
        self.takeover = Takeover(
            config_path, self.homes, self.sshd,
            lambda config: System(config, self.homes, self.loop.job, self._output, tell, lambda name: self.sessions.lost(name, time.time())),
            tell, self._listen, self._unlisten)
        self.book, self.journal = uploads.Uploads(), uploads.Journal(state / "uploads.jsonl")
        self.sessions = Sessions(lambda: self.takeover.config, self.book, tell, self._watch)
        self.settling = Settling(self.book, self.journal, self.loop.job, tell)
        self.report = Report(self.takeover, self.sessions, self.book, self.sshd, state, tell)
        self.listeners: dict[str, Listener] = {}
        self.vanished: set[int] = set()
        self.unwatched: set[int] = set()  # for want of descriptors or memory; asked for again
        self.stopping_since = 0.0

    # -- what is heard

    def _output(self, name: str) -> int:
        """The writing end of a pipe; its lines come out as events of this name."""
        def said(text: str) -> None:
            tell("output", of=name, text=text[:2000])
            if name in self.takeover.keepings:
                self.takeover.keepings[name].last_output = text[:300]

        return self.loop.output(said)

    def _watch(self, pid: int) -> bool:
        """Hears of the end of a session's process."""
        def ended() -> None:
            self._read_logs()  # what it said last was sent before it ended
            self.sessions.ended(pid, time.time())

        try:
            found = self.loop.watch(pid, ended)
        except OSError:
            self.unwatched.add(pid)
            return True
        if not found:
            self.vanished.add(pid)
        return found

    def _listen(self, name: str, path: Path) -> None:
        listener = self.listeners[name] = Listener(path, name)
        self.loop.listen(listener, lambda: self._read_log(listener))

    def _unlisten(self, name: str) -> None:
        listener = self.listeners.pop(name)
        self._read_log(listener)
        self.loop.forget(listener)
        listener.close()

    def _read_log(self, listener: Listener) -> None:
        for pid, datagram in listener.read():
            if listener.user:
                self.sessions.sftp(listener.user, pid, datagram, time.time())
            else:
                self.sessions.sshd(datagram)

    def _read_logs(self) -> None:
        for listener in self.listeners.values():
            self._read_log(listener)

    def _reap(self, now: float) -> None:
        while True:
            try:
                pid, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            code = os.waitstatus_to_exitcode(code)
            if pid == self.sshd.pid:
                self.sshd.exited(code, now)
            self.takeover.exited(pid, code, now)
            self.takeover.world.killed.discard(pid)

    def _answer(self, words: str) -> dict[str, Any]:
        if words == "reload":
            error = self.takeover.reload(time.monotonic())
            return {"error": error, "digest": self.takeover.config.digest}
        return self.report.document()

    # -- life

    def _own(self) -> int:
        """The lock of the container's one keeper: not inherited by children, gone with the process."""
        self.run_path.mkdir(parents=True, exist_ok=True)
        os.chmod(self.run_path, 0o755)
        descriptor = os.open(self.run_path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Running(f"a keeper runs already, it has {self.run_path / 'lock'}") from error
        return descriptor

    def _restore(self) -> None:
        """What an earlier keeper left: its counts, its uploads, and homes that are somebody's mount still."""
        self.report.restore()
        self.sessions.last_open.update(self.book.restore(self.journal.load(), time.time()))
        for record in self.book.unsettled():
            if record in self.book.fresh:
                self.sessions.truncated(record)
        try:
            self.journal.replace(self.book.snapshot())
            self.book.fresh = []
        except OSError as error:  # a full disk; the mounts need none, and what is fresh is written when there is room
            tell("journal-failed", reason=str(error))
        for user, directory in self.homes.strangers({}):
            kernel.detach(str(self.homes.home(user) / directory))
            self.homes.let(user, False)

    def _read_back(self) -> None:
        """The limit that this start got: the engine starts it again without the role, after a boot of another kernel too."""
        asked, limit = self.takeover.config.memory, status.memory()["limit"]
        if asked and limit != asked * 2**20:
            tell("limit-differs", asked=asked * 2**20, in_force=limit)

    def run(self) -> int:
        lock = self._own()
        self.state.mkdir(parents=True, exist_ok=True)
        os.umask(0o022)
        self.loop.take_signals(signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
        self._restore()
        self._listen("", Path("/dev/log"))
        server = control.Control(self.run_path / "control", self._answer)
        self.loop.listen(server, server.serve)
        tell("keeper-started", pid=os.getpid())
        if self.takeover.reload(time.monotonic()):
            print(f"sabakan-sftp-keeper: {self.takeover.error}", file=sys.stderr, flush=True)
        self._read_back()
        for user, directory in self.homes.strangers(self.takeover.config.users):
            self.homes.forget(user, directory)
        while not self._is_over():
            self._turn()
        os.close(lock)
        tell("keeper-stopped")
        return 0

    def _turn(self) -> None:
        self.loop.turn(self._tick(time.monotonic()))
        now = time.monotonic()
        self._reap(now)
        if signal.SIGHUP in self.loop.signals:
            self.takeover.reload(now)
        if self.loop.signals & {signal.SIGTERM, signal.SIGINT} and not self.stopping_since:
            self._stop(now)
        self.loop.signals.clear()

    def _tick(self, now: float) -> float:
        stopping = bool(self.stopping_since)
        waits = [HEARTBEAT, self.sshd.tick(now), *self.takeover.tick(now, stopping)]
        unwatched, self.unwatched = self.unwatched, set()
        for pid in unwatched:
            self._watch(pid)
        if self.unwatched:
            waits.append(1.0)
        if self.vanished:
            self._read_logs()
            for pid in self.vanished:
                self.sessions.ended(pid, time.time())
            self.vanished.clear()
        if not stopping:
            self.settling.tick(self.takeover.config, self.sessions, now, time.time())
        if self.book.unsettled():
            waits.append(1.0)
        waits += [max(0.0, job.deadline - now) for job in self.loop.jobs.values()]
        self.settling.write()
        self.report.publish(now)
        return max(0.01, min(waits))

    def _stop(self, now: float) -> None:
        """In order: nobody new, then the sessions, then the mounts, which finish what they have."""
        tell("keeper-stopping")
        self.stopping_since, self.report.stopping = now, True
        self.sshd.stop()
        self.takeover.stop(now)

    def _is_over(self) -> bool:
        if not self.stopping_since:
            return False
        left = self.takeover.leaving or self.sessions.sessions or self.sshd.pid
        over = time.monotonic() > self.stopping_since + STOP_TIME or not left
        if over:
            self.settling.write()
            self.report.publish(time.monotonic() + HEARTBEAT)
        return over
