# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the keeper waits for: children, pipes, sockets and signals, in one place in which nothing blocks."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from sabakan_sftp.jobs import Job

SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
LINE = 4096  # of a line that has not ended yet, so much is kept


class Loop:
    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.jobs: dict[int, Job] = {}
        self.signals: set[int] = set()

    def listen(self, source: Any, heard: Callable[[], None]) -> None:
        self.selector.register(source, selectors.EVENT_READ, heard)

    def forget(self, source: Any) -> None:
        self.selector.unregister(source)

    def job(self, function: Callable[..., Any], *arguments: Any, timeout: float) -> Job:
        """Runs a function in a child process."""
        job = Job(function, *arguments, timeout=timeout)
        self.jobs[job.reader] = job

        def read() -> None:
            job.read()
            if job.done:
                self._forget_job(job)

        self.listen(job.reader, read)
        return job

    def _forget_job(self, job: Job) -> None:
        del self.jobs[job.reader]
        self.forget(job.reader)
        job.close()

    def output(self, said: Callable[[str], None]) -> int:
        """The writing end of a pipe; said hears its lines."""
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
            buffer[:] = rest[-LINE:]
            if not part:
                self.forget(reader)
                os.close(reader)
                lines.append(bytes(buffer))
            for line in lines:
                text = line.decode("utf-8", "backslashreplace").strip()
                if text:
                    said(text)

        self.listen(reader, read)
        return writer

    def watch(self, pid: int, ended: Callable[[], None]) -> bool:
        """Hears of the end of a process that is no child; False if it has ended, OSError where nobody can tell."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError as error:
            if error.errno in SHORT:
                raise
            return False

        def hear() -> None:
            self.forget(descriptor)
            os.close(descriptor)
            ended()

        self.listen(descriptor, hear)
        return True

    def take_signals(self, *numbers: int) -> None:
        """Each of them ends the wait and is in `signals` then."""
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda number, dummy: self.signals.add(number))
        self._ends = (reader, writer)

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                reader.recv(4096)

        self.listen(reader, read)

    def turn(self, wait: float) -> None:
        """Waits, and does what came of it."""
        for key, _mask in self.selector.select(wait):
            there = self.selector.get_map().get(key.fd)
            if there is not None and there.data is key.data:
                key.data()
        now = time.monotonic()
        for job in list(self.jobs.values()):
            job.expire(now)
            if job.done:
                self._forget_job(job)
