# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keeper: one loop over log sockets, children and timers, in which nothing blocks."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sabakan_sftp import accounts, config, control, kernel, settle, status, uploads
from sabakan_sftp.jobs import Job
from sabakan_sftp.listeners import Listener
from sabakan_sftp.mounts import Counters, Keeping
from sabakan_sftp.sessions import Sessions
from sabakan_sftp.sshd import Sshd
from sabakan_sftp.world import System

HEARTBEAT = 10.0
SETTLE_DELAY, SETTLE_RETRY, SETTLE_AT_ONCE = 2.0, 5.0, 2
STOP_TIME = 25.0
UNFIT, RUNNING = 78, 75


class Running(Exception):
    """Another keeper has this container."""


def tell(kind: str, **values: Any) -> None:
    """One event, one line of JSON: what a name holds cannot make a second line."""
    with contextlib.suppress(OSError):
        print(json.dumps({"event": kind, **values}), flush=True)


class Keeper:
    def __init__(self, config_path: Path, state: Path, run: Path) -> None:
        self.config_path, self.state, self.run_path = config_path, state, run
        self.config = config.Config(digest="")
        self.config_error = ""
        self.selector = selectors.DefaultSelector()
        self.homes = accounts.Accounts(keys=run / "authorized_keys")
        self.book = uploads.Uploads()
        self.journal = uploads.Journal(state / "uploads.jsonl")
        self.sessions = Sessions(lambda: self.config, self.book, tell, self._watch)
        self.world = System(lambda: self.config, self.homes, self._job, self._output, tell, lambda name: self.sessions.lost(name, time.time()))
        self.sshd = Sshd(lambda: self._output("sshd"), tell)
        self.keepings: dict[str, Keeping] = {}
        self.leaving: list[Keeping] = []
        self.listeners: dict[str, Listener] = {}
        self.jobs: dict[int, Job] = {}
        self.settling: dict[str, Job] = {}
        self.settle_after: dict[str, float] = {}
        self.vanished: set[int] = set()
        self.to_kill: list[tuple[float, set[str]]] = []
        self.stopping_since = 0.0
        self.signals: set[int] = set()
        self._told: dict[str, Any] = {}
        self._told_at = 0.0

    # -- what children and sockets hang on

    def _job(self, function: Callable[..., Any], *arguments: Any, timeout: float) -> Job:
        job = Job(function, *arguments, timeout=timeout)
        self.jobs[job.reader] = job
        self.selector.register(job.reader, selectors.EVENT_READ, lambda: self._read_job(job))
        return job

    def _read_job(self, job: Job) -> None:
        job.read()
        if job.done:
            self._forget_job(job)

    def _forget_job(self, job: Job) -> None:
        del self.jobs[job.reader]
        self.selector.unregister(job.reader)
        job.close()

    def _output(self, name: str) -> int:
        """The writing end of a pipe; its lines come out as events of this name."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        buffer = bytearray()

        def read() -> None:
            try:
                part = os.read(reader, 65536)
            except BlockingIOError:
                return
            buffer.extend(part)
            *lines, rest = bytes(buffer).split(b"\n")
            buffer[:] = rest[-4096:]
            if not part:
                self.selector.unregister(reader)
                os.close(reader)
                lines.append(bytes(buffer))
            for line in lines:
                text = line.decode("utf-8", "backslashreplace").strip()
                if text:
                    tell("output", of=name, text=text[:2000])
                    if name in self.keepings:
                        self.keepings[name].last_output = text[:300]

        self.selector.register(reader, selectors.EVENT_READ, read)
        return writer

    def _watch(self, pid: int) -> bool:
        """Hears of the end of a session's process."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            self.vanished.add(pid)
            return False

        def ended() -> None:
            self.selector.unregister(descriptor)
            os.close(descriptor)
            self._read_logs()  # what it said last was sent before it ended
            self.sessions.ended(pid, time.time())

        self.selector.register(descriptor, selectors.EVENT_READ, ended)
        return True

    def _listen(self, name: str, path: Path) -> None:
        listener = self.listeners[name] = Listener(path, name)
        self.selector.register(listener, selectors.EVENT_READ, lambda: self._read_log(listener))

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
            for keeping in [*self.keepings.values(), *self.leaving]:
                if keeping.pid == pid:
                    keeping.exited(code, now)
            self.world.killed.discard(pid)

    # -- configuration

    def reload(self, now: float) -> str:
        """Takes over the configuration file; empty, or why not, and then nothing has changed."""
        try:
            wanted = config.load(self.config_path)
            same = (wanted.sshd_digest, wanted.sshd_command) == (self.config.sshd_digest, self.config.sshd_command)
            error = "" if same else self.sshd.check(wanted.sshd_command)
            if error and self.config.digest:
                raise config.Refused(f"sshd refuses its configuration: {error}")
            self._apply(wanted, now)
        except (config.Refused, OSError) as error:
            self.config_error = str(error)
            tell("config-refused", reason=self.config_error)
        else:
            self.config_error = ""
            tell("config-in-force", digest=wanted.digest, mounts=sorted(wanted.mounts), users=sorted(wanted.users))
        return self.config_error

    def _apply(self, wanted: config.Config, now: float) -> None:
        before = self.config
        gone = {name for name, user in before.users.items() if _bound(user) != _bound(wanted.users.get(name))}
        changed = {name for name, keeping in self.keepings.items()
                   if name not in wanted.mounts or _essence(keeping.mount) != _essence(wanted.mounts[name])}
        ending = gone | {user.name for name in changed for user in before.users_of(name)}
        for name in ending:
            self.homes.let(name, False)
        if gone:
            # Out of the account files first: nobody can come back between the signal and the end.
            self.homes.apply({name: user for name, user in wanted.users.items() if name not in gone})
        if accounts.end(ending):
            self.to_kill.append((now + 2.0, ending))
        for name in changed:
            keeping = self.keepings.pop(name)
            keeping.stop(now)
            if not keeping.gone:
                self.leaving.append(keeping)
        for name in gone:
            self._forget_user(before.users[name])
        self.config = wanted
        self.homes.apply(wanted.users)
        for user in wanted.users.values():
            self.homes.prepare(user)
            if user.name not in self.listeners:
                self._listen(user.name, self.homes.home(user.name) / "dev" / "log")
        for name, mount in wanted.mounts.items():
            if name in self.keepings:
                self.keepings[name].mount = mount
                if before.users_of(name) != wanted.users_of(name):
                    self.keepings[name].rebind()
        self._start_mounts()
        self.sshd.configure(wanted.sshd_command, wanted.sshd_digest, now)

    def _start_mounts(self) -> None:
        """Those that are wanted and of which no earlier self is still there."""
        busy = {keeping.mount.path for keeping in self.leaving}
        for name, mount in self.config.mounts.items():
            if name not in self.keepings and mount.path not in busy:
                self.keepings[name] = Keeping(mount, self.world, self.world.counters.setdefault(name, Counters()))

    def _forget_user(self, user: config.User) -> None:
        listener = self.listeners.pop(user.name, None)
        if listener:
            self._read_log(listener)
            self.selector.unregister(listener)
            listener.close()
        with contextlib.suppress(OSError):
            self.homes.forget(user.name, user.directory)

    # -- truncated uploads

    def _settle(self, now: float) -> None:
        for name, job in list(self.settling.items()):
            if job.done:
                del self.settling[name]
                if job.error:
                    self.settle_after[name] = now + SETTLE_RETRY
                else:
                    self._settled(name, job.value["outcome"], job.value["detail"])
        for record in self.book.unsettled():
            name = record["id"]
            due = self.settle_after.setdefault(name, now + SETTLE_DELAY)
            if name in self.settling or now < due or len(self.settling) >= SETTLE_AT_ONCE:
                continue
            mount = self.config.mounts.get(record["mount"])
            if mount is None:
                self._settled(name, "recorded", "its mount is no longer configured")
            elif self.book.superseded(record, self.sessions.last_open):
                self._settled(name, "superseded", "the same object was written again")
            else:
                with contextlib.suppress(config.Refused):
                    self.settling[name] = self._job(settle.run, mount.s3, config.environment(mount), record, mount.on_truncated,
                                                    mount.quarantine_prefix, timeout=3600.0)

    def _settled(self, name: str, outcome: str, detail: str) -> None:
        self.book.settle(name, outcome, detail, time.time())
        self.settle_after.pop(name, None)
        record = self.book.truncated[name]
        tell("upload-settled", id=name, user=record["user"], mount=record["mount"], key=record["key"], outcome=outcome, detail=detail)

    def _write_journal(self) -> None:
        if not self.book.fresh:
            return
        try:
            if self.journal.count > uploads.LINES:
                self.journal.replace(self.book.snapshot())
            else:
                self.journal.append(self.book.fresh)
            self.book.fresh = []
        except OSError as error:
            tell("journal-failed", reason=str(error))

    # -- what others are told

    def status(self) -> dict[str, Any]:
        mounts = {}
        for name in self.config.mounts:
            keeping = self.keepings.get(name)
            counters = self.world.counters.get(name) or Counters()
            mounts[name] = {
                "state": keeping.summary if keeping else "starting", "error": keeping.reason if keeping else "its former self is ending",
                "step": keeping.state if keeping else "waiting", "pid": keeping.pid if keeping else 0, "since": round(keeping.since, 3) if keeping else None,
                "deaths": counters.deaths, "heals": counters.heals, "oom_kills": counters.oom_kills,
                "last_death": counters.last_death, "last_heal_seconds": counters.last_heal_seconds,
            }
        sshd_error = "" if self.sshd.pid else self.sshd.error
        why = status.reasons(mounts, sshd_error) if self.config.digest else [f"no configuration is in force: {self.config_error}"]
        if self.stopping_since:
            why.append("it is being stopped")
        return {
            "version": 1, "time": time.time(), "pid": os.getpid(), "healthy": not why, "reasons": why,
            "config_digest": self.config.digest, "config_error": self.config_error,
            "mounts": mounts, "users": sorted(self.config.users),
            "sshd": {"pid": self.sshd.pid, "restarts": self.sshd.restarts, "error": sshd_error},
            "sessions": {"open": len(self.sessions.sessions), "logins": self.sessions.logins, "refusals": self.sessions.refusals},
            "bytes": self.sessions.bytes,
            "uploads": {"open": len(self.book.open), "truncated": len(self.book.truncated), "unsettled": len(self.book.unsettled()),
                        "last": list(self.book.truncated.values())[-20:]},
            "memory": {**status.memory(), "oom_kills": self.world.oom_kills},
        }

    def _answer(self, words: str) -> dict[str, Any]:
        if words == "reload":
            error = self.reload(time.monotonic())
            return {"error": error, "digest": self.config.digest}
        return self.status()

    def _publish_status(self, now: float) -> None:
        found = self.status()
        still = {name: found[name] for name in ("healthy", "reasons", "config_digest", "config_error", "mounts", "sshd", "uploads", "users")}
        if still == self._told and now - self._told_at < HEARTBEAT:
            return
        self.world.count_oom()
        found = self.status()
        if found["healthy"] != self._told.get("healthy"):
            tell("healthy" if found["healthy"] else "unhealthy", reasons=found["reasons"])
        self._told, self._told_at = json.loads(json.dumps(still)), now
        try:
            status.replace(self.state / "status.json", json.dumps(found, indent=1) + "\n", 0o600)
            status.replace(self.state / "metrics.prom", status.prometheus(found), 0o644)
        except OSError as error:
            tell("status-failed", reason=str(error))

    # -- life

    def _restore(self) -> None:
        """The counts of an earlier keeper, and the uploads that it left."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            before = json.loads((self.state / "status.json").read_text(encoding="utf-8"))
            for name, mount in before["mounts"].items():
                self.world.counters[name] = Counters(int(mount["deaths"]), int(mount["heals"]), int(mount["oom_kills"]),
                                                     dict(mount["last_death"]), mount["last_heal_seconds"])
        self.book.restore(self.journal.load(), time.time())
        for record in self.book.unsettled():
            if record in self.book.fresh:
                self.sessions.truncated(record)
        self.journal.replace(self.book.snapshot())
        self.book.fresh = []

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

    def _signals(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, dummy: self.signals.add(number))
        self._ends = (reader, writer)

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                reader.recv(4096)

        self.selector.register(reader, selectors.EVENT_READ, read)

    def run(self) -> int:
        lock = self._own()
        self.state.mkdir(parents=True, exist_ok=True)
        os.umask(0o022)
        self._signals()
        self._restore()
        for user, directory in self.homes.strangers({}):
            kernel.detach(str(self.homes.home(user) / directory))
            self.homes.let(user, False)
        self._listen("", Path("/dev/log"))
        server = control.Control(self.run_path / "control", self._answer)
        self.selector.register(server, selectors.EVENT_READ, server.serve)
        tell("keeper-started", pid=os.getpid())
        if self.reload(time.monotonic()):
            print(f"sabakan-sftp-keeper: {self.config_error}", file=sys.stderr, flush=True)
        for user, directory in self.homes.strangers(self.config.users):
            self.homes.forget(user, directory)
        while not self._is_over():
            self._turn()
        os.close(lock)
        tell("keeper-stopped")
        return 0

    def _turn(self) -> None:
        wait = self._tick(time.monotonic())
        for key, _mask in self.selector.select(wait):
            there = self.selector.get_map().get(key.fd)
            if there is not None and there.data is key.data:
                key.data()
        now = time.monotonic()
        for job in list(self.jobs.values()):
            job.expire(now)
            if job.done:
                self._forget_job(job)
        self._reap(now)
        if signal.SIGHUP in self.signals:
            self.reload(now)
        if self.signals & {signal.SIGTERM, signal.SIGINT} and not self.stopping_since:
            self._stop(now)
        self.signals.clear()

    def _tick(self, now: float) -> float:
        waits = [HEARTBEAT, self.sshd.tick(now)]
        for keeping in [*self.keepings.values(), *self.leaving]:
            waits.append(keeping.tick(now))
        if any(keeping.gone for keeping in self.leaving):
            self.leaving = [keeping for keeping in self.leaving if not keeping.gone]
            if not self.stopping_since:
                self._start_mounts()
        for due, names in list(self.to_kill):
            if now >= due:
                accounts.end(names, signal.SIGKILL)
                self.to_kill.remove((due, names))
        waits += [max(0.0, due - now) for due, dummy in self.to_kill]
        if self.vanished:
            self._read_logs()
            for pid in self.vanished:
                self.sessions.ended(pid, time.time())
            self.vanished.clear()
        if not self.stopping_since:
            self._settle(now)
        if self.book.unsettled():
            waits.append(1.0)
        waits += [max(0.0, job.deadline - now) for job in self.jobs.values()]
        self._write_journal()
        self._publish_status(now)
        return max(0.01, min(waits))

    def _stop(self, now: float) -> None:
        """In order: nobody new, then the sessions, then the mounts, which finish what they have."""
        tell("keeper-stopping")
        self.stopping_since = now
        self.sshd.stop()
        names = set(self.config.users)
        for name in names:
            self.homes.let(name, False)
        accounts.end(names)
        self.to_kill.append((now + 2.0, names))
        for keeping in self.keepings.values():
            keeping.stop(now)
        self.leaving += self.keepings.values()
        self.keepings = {}

    def _is_over(self) -> bool:
        if not self.stopping_since:
            return False
        over = time.monotonic() > self.stopping_since + STOP_TIME or (not self.leaving and not self.sessions.sessions and not self.sshd.pid)
        if over:
            self._write_journal()
            self._publish_status(time.monotonic() + HEARTBEAT)
        return over


def _bound(user: config.User | None) -> Any:
    """What a session depends on: of a user in whom it changes, the sessions end."""
    return user and (user.uid, user.gid, user.groups, user.mount, user.directory, user.read_only, user.start)


def _essence(mount: config.Mount) -> Any:
    """What the mount's process depends on: where it changes, the mount is made anew."""
    return (mount.path, mount.command, mount.environment, mount.environment_file, mount.secrets_digest, mount.s3, mount.read_only)
