# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sshd beside its keeper. Sessions are processes of their own: they outlive a restart of the listener."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from sabakan_sftp import kernel

RETRY, LONGEST = 0.5, 10.0


class Sshd:
    def __init__(self, output: Callable[[], int], tell: Callable[..., None]) -> None:
        self.output, self.tell = output, tell
        self.command: tuple[str, ...] = ()
        self.digest = ""
        self.pid = 0
        self.restarts = 0
        self.error = "not started yet"
        self.started = 0.0
        self._retry_at = 0.0
        self._failures = 0

    def check(self, command: tuple[str, ...]) -> str:
        """What sshd has against its configuration; empty when nothing."""
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        words = [word for word in command if word not in ("-D", "-e")]
        try:
            result = subprocess.run([*words, "-t"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        lines = (result.stderr.strip() or f"exit code {result.returncode}").splitlines()
        return " ".join(lines[-3:]) if result.returncode else ""

    def configure(self, command: tuple[str, ...], digest: str, now: float) -> None:
        """Takes over a configuration that was checked; the listener is told only when it differs."""
        if self.pid and command == self.command and digest != self.digest:
            os.kill(self.pid, signal.SIGHUP)
            self.tell("sshd-reloaded", pid=self.pid)
        elif self.pid and command != self.command:
            os.kill(self.pid, signal.SIGTERM)
        self.command, self.digest = command, digest
        self._retry_at = 0.0

    def tick(self, now: float) -> float:
        if self.pid:
            if self._failures and now - self.started > LONGEST:
                self._failures = 0
            return LONGEST
        if not self.command or now < self._retry_at:
            return max(0.1, self._retry_at - now) if self.command else LONGEST
        self.error = self.check(self.command)
        if not self.error:
            try:
                self.pid = self._spawn()
            except OSError as error:
                self.error = str(error)
        if self.error:
            self.tell("sshd-refused", reason=self.error)
            self._later(now)
            return RETRY
        self.started = now
        self.tell("sshd-started", pid=self.pid)
        return LONGEST

    def _spawn(self) -> int:
        output = self.output()
        try:
            return kernel.spawn(self.command, {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")}, output, 0, signal.SIGTERM)
        finally:
            os.close(output)

    def _later(self, now: float) -> None:
        self._failures += 1
        self._retry_at = now + min(LONGEST, RETRY * 2 ** min(self._failures, 8))

    def exited(self, code: int, now: float) -> None:
        self.pid = 0
        self.restarts += 1
        self.error = f"sshd ended: {f'signal {-code}' if code < 0 else f'code {code}'}"
        self.tell("sshd-ended", reason=self.error)
        self._later(now)
        if now - self.started > LONGEST:
            self._failures, self._retry_at = 0, now

    def stop(self) -> None:
        self.command = ()
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
