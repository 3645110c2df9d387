# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in a child process, so that what hangs does not hang the keeper."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any, NoReturn

from sabakan_sftp import kernel

MEMORY = 64 * 1024


class Job:
    """A function with a result that JSON can carry. Once it has ended, `value` holds it or `error` says why there is none.

    Raises OSError where the kernel has no process or no pipe for it.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any, timeout: float) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + timeout
        self.timeout = timeout
        self.value: Any = None
        self.error = ""
        self.timed_out = False
        self.done = False
        self._buffer = b""
        self.reader, writer = os.pipe()
        parent = os.getpid()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(self.reader)
            os.close(writer)
            raise
        if not self.pid:
            _child(function, arguments, writer, parent)
        os.close(writer)
        os.set_blocking(self.reader, False)

    def read(self) -> None:
        """Takes what the child has written; at its end the job is done."""
        while not self.done:
            try:
                part = os.read(self.reader, MEMORY)
            except BlockingIOError:
                return
            if not part:
                self._finish()
                return
            self._buffer += part

    def close(self) -> None:
        """The pipe; whoever waits on it forgets it first."""
        os.close(self.reader)

    def _finish(self) -> None:
        self.done = True
        try:
            answer = json.loads(self._buffer)
        except ValueError:
            self.error = self.error or "the probe's process was killed"
            return
        self.value, self.error = answer.get("value"), self.error or answer.get("error", "")

    def expire(self, now: float) -> None:
        """Kills the child when its time is up. A child that the kernel does not let go is left behind."""
        if self.done or now < self.deadline:
            return
        self.timed_out = self.done = True
        self.error = f"no answer within {self.timeout:g} s"
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def cancel(self) -> None:
        self.expire(float("inf"))


def _child(function: Callable[..., Any], arguments: tuple[Any, ...], writer: int, parent: int) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        kernel.die_with_parent()
        if os.getppid() == parent:
            try:
                answer = {"value": function(*arguments)}
            except Exception as error:  # noqa: BLE001 - it is told, not swallowed
                answer = {"error": f"{error.strerror}" if isinstance(error, OSError) and error.strerror else f"{error}" or repr(error)}
            data = json.dumps(answer).encode()
            while data:
                data = data[os.write(writer, data):]
            code = 0
    finally:
        os._exit(code)
