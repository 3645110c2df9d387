# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command and all its descendants under two processes, so that no single death leaves them without a lock.

The supervisor (what init or the engine sees) renews the lease and passes signals on; its child, the keeper, is the
command's parent. Both and the command hold the lock's descriptor. A flock belongs to the open file, not to a process:
it ends when the last of them has closed it, so the death of a wrapper alone frees nothing while a descendant runs.
A daemon that closes every descriptor it inherits is covered too: both are subreapers, so its processes stay their
descendants, and whichever of the two survives the other ends them before it lets go.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from sabakan_exclusive.lock import now

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# The real-time ones too: some images are stopped by one of them.
FORWARDED = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)
DEADLINES = struct.Struct("dd")
NEVER = float("inf")
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


class Signals:
    """Signals as bytes of a pipe, to be awaited together with descriptors."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (*FORWARDED, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def await_any(self, descriptors: list[int], timeout: float) -> tuple[list[int], list[int]]:
        """Signals that came and descriptors that can be read, after at most timeout seconds."""
        ready, dummy, dummy = select.select([self.reader, *descriptors], [], [], max(0.0, min(timeout, 3600.0)))
        came = list(os.read(self.reader, 512)) if self.reader in ready else []
        return [number for number in came if number != signal.SIGCHLD], [other for other in ready if other != self.reader]


def children() -> Iterator[int]:
    """PIDs of this process's children; orphans of a subreaper's descendants are among them."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] == str(os.getpid()):
                yield int(entry.name)


def signal_quietly(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _reap() -> Iterator[tuple[int, int]]:
    """Ended children; raises ChildProcessError when none is left."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        yield pid, status


def exit_code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _execute(command: list[str], environment: dict[str, str], lock: int, parent: int) -> NoReturn:
    try:
        for number in (*FORWARDED, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(137)
        os.set_inheritable(lock, True)
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(2, f"sabakan-exclusive: {command[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _fork(parent_work: Callable[[], NoReturn]) -> int:
    pid = os.fork()
    if pid:
        return pid
    parent_work()


def keep(command: list[str], environment: dict[str, str], lock: int, lifeline: int, linger: float) -> int:
    """The keeper: starts the command, ends all of it at a deadline or when the supervisor dies, returns its exit code."""
    os.setsid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    signals, me = Signals(), os.getpid()
    main = _fork(lambda: _execute(command, environment, lock, me))
    code: int | None = None
    terminate_at = kill_at = end_at = NEVER
    watched = [lifeline]
    while True:
        due = min(kill_at, end_at, terminate_at if code is None else NEVER)
        came, ready = signals.await_any(watched, 0.05 if now() >= min(kill_at, end_at) else due - now())
        for number in came if code is None else []:
            signal_quietly(main, number)
        if ready:
            told = os.read(lifeline, 4096)
            if told:
                terminate_at, kill_at = DEADLINES.unpack(told[len(told) - DEADLINES.size:])
            else:
                watched, terminate_at, end_at = [], now(), min(end_at, now() + linger)
        try:
            for pid, status in _reap():
                if pid == main:
                    code = exit_code(status)
                    end_at = min(end_at, now() + linger)
        except ChildProcessError:
            return 0 if code is None else code
        if now() >= min(kill_at, end_at):
            for pid in children():
                signal_quietly(pid, signal.SIGKILL)
        elif now() >= terminate_at and code is None:
            terminate_at = NEVER
            end_at = min(end_at, now() + linger)
            signal_quietly(main, signal.SIGTERM)


class Supervisor:
    """Runs the command under a keeper; deadlines may be moved at any time."""

    def __init__(self, command: list[str], environment: dict[str, str], lock: int, linger: float) -> None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        reader, self.lifeline = os.pipe2(os.O_CLOEXEC)
        # PostgreSQL takes a postmaster.pid that names its parent or grandparent for stale. In a container that was
        # killed before it had the guard the file says PID 1, which is the supervisor's now.
        environment = {**environment, "SABAKAN_EXCLUSIVE_FD": str(lock), "PG_GRANDPARENT_PID": str(os.getpid())}
        self.signals = Signals()

        def work() -> NoReturn:
            os.close(self.lifeline)
            os._exit(keep(command, environment, lock, reader, linger))

        self.keeper = _fork(work)
        os.close(reader)

    def deadlines(self, terminate_at: float, kill_at: float) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self.lifeline, DEADLINES.pack(terminate_at, kill_at))

    def run(self, tick: Callable[[], float]) -> int:
        """Until nothing of the command is left; tick() is called when due and says in how many seconds again."""
        while True:
            came, dummy = self.signals.await_any([], tick())
            for number in came:
                signal_quietly(self.keeper, number)
            try:
                for pid, status in _reap():
                    if pid == self.keeper:
                        return self._after_keeper(status)
            except ChildProcessError:
                return 137

    def _after_keeper(self, status: int) -> int:
        """A keeper that was killed leaves its descendants to this process; none may outlive the lock."""
        try:
            while os.WIFSIGNALED(status):
                for pid in children():
                    signal_quietly(pid, signal.SIGKILL)
                self.signals.await_any([], 0.05)
                for _reaped in _reap():
                    pass
        except ChildProcessError:
            pass
        return exit_code(status)
