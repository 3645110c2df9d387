# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machine of a mount asks for, done on this system."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sabakan_sftp import accounts, kernel, probe, status
from sabakan_sftp._oom import new_kills
from sabakan_sftp.config import Config, Mount, Refused, environment
from sabakan_sftp.jobs import Job
from sabakan_sftp.mounts import Counters

OOM_AGO = 5.0  # s; the report may have counted the kernel's kill before the process is gone, which freeing its memory delays
OOM_SCORE = 500  # when memory ends, the kernel takes the mount, which comes back, and not sshd or the keeper
BASE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


class System:
    """run: starts a job whose end the keeper's loop waits for. output: a pipe into the log, of what is named."""

    def __init__(self, config: Callable[[], Config], homes: accounts.Accounts, run: Callable[..., Job],
                 output: Callable[[str], int], tell: Callable[..., None], lost: Callable[[str], None]) -> None:
        self.config, self.homes, self.run, self.output, self._tell, self.lost = config, homes, run, output, tell, lost
        self.counters: dict[str, Counters] = {}
        self.oom_before = status.events()
        self.oom_kills = 0
        self.oom_seen = -OOM_AGO
        self.killed: set[int] = set()

    def places(self, mount: Mount) -> list[tuple[str, bool]]:
        return [(self.homes.place(user), user.read_only or mount.read_only) for user in self.config().users_of(mount.name)]

    def clean(self, mount: Mount) -> str:
        """Nothing is mounted there afterwards; otherwise the reason."""
        self.withdraw(mount)
        path = Path(mount.path)
        try:
            if mount.unmount and kernel.at(mount.path):
                self._run_unmount(mount)
            kernel.detach(mount.path)
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, 0, 0)
            os.chmod(path, 0)
        except OSError as error:
            return f"{mount.path} cannot be made free: {error.strerror or error}"
        return ""

    def _run_unmount(self, mount: Mount) -> None:
        import subprocess

        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(list(mount.unmount), env=BASE, stdin=subprocess.DEVNULL, capture_output=True, timeout=2, check=False)

    def withdraw(self, mount: Mount) -> None:
        self.let(mount, False)
        for target, _read_only in self.places(mount):
            with contextlib.suppress(OSError):
                kernel.detach(target)

    def let(self, mount: Mount, allowed: bool) -> None:
        for user in self.config().users_of(mount.name):
            self.homes.let(user.name, allowed)

    def start(self, mount: Mount) -> int:
        output = self.output(mount.name)
        try:
            return kernel.spawn(mount.command, {**BASE, **self._environment(mount)}, output, OOM_SCORE)
        finally:
            os.close(output)

    def _environment(self, mount: Mount) -> dict[str, str]:
        try:
            return environment(mount)
        except Refused as error:
            self._tell("mount-refused", mount=mount.name, reason=str(error))
            return dict(mount.environment)

    def kill(self, pid: int, gently: bool) -> None:
        self.killed.add(pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGTERM if gently else signal.SIGKILL)

    def is_mounted(self, mount: Mount) -> bool:
        return any(one.kind.startswith("fuse") for one in kernel.at(mount.path))

    def activity(self, pid: int) -> Any:
        return kernel.activity(pid)

    def is_stalled(self, pid: int, since: Any) -> bool:
        """Whether a process does nothing: it is stopped, or has had next to no processor since."""
        found = kernel.activity(pid)
        return not (found and since) or found.state in "TtZX" or found.ticks - since.ticks < 2

    def unmount(self, mount: Mount) -> bool:
        return kernel.unmount(mount.path)

    def check_store(self, mount: Mount) -> Job:
        return self.run(probe.store, mount.s3, self._environment(mount), mount.probe_timeout, timeout=mount.probe_timeout * 2)

    def probe(self, mount: Mount) -> Job:
        return self.run(probe.alive, mount.path, timeout=mount.probe_timeout)

    def probe_through(self, mount: Mount, sample: str) -> Job:
        return self.run(probe.through, mount.path, mount.s3.prefix, sample, timeout=mount.probe_timeout * 2)

    def bring_in(self, mount: Mount, sample: str) -> Job:
        return self.run(probe.bring_in, mount.path, mount.s3.prefix, sample, self.places(mount), timeout=mount.probe_timeout * 2)

    def publish(self, mount: Mount) -> Job:
        return self.run(probe.publish, mount.path, self.places(mount), timeout=mount.probe_timeout)

    def count_oom(self) -> int:
        """Kills for memory since the last look."""
        after = status.events()
        new = new_kills(self.oom_before, after)
        self.oom_before = after
        self.oom_kills += new
        if new:
            self.oom_seen = time.monotonic()
        return new

    def died(self, mount: Mount, reason: str, code: int | None) -> None:
        counters = self.counters.setdefault(mount.name, Counters())
        self.count_oom()
        if code == -signal.SIGKILL and time.monotonic() - self.oom_seen < OOM_AGO:
            limit = status.memory()["limit"]
            reason = f"killed by the kernel for memory, limit {limit // 2**20 if limit else '?'} MiB: {reason}"
            counters.oom_kills += 1
        counters.deaths += 1
        counters.last_death = {"time": round(time.time(), 3), "reason": reason, "oom": reason.startswith("killed by the kernel")}
        self._tell("mount-died", mount=mount.name, reason=reason, oom=counters.last_death["oom"])
        self.lost(mount.name)

    def tell(self, kind: str, mount: Mount, **values: Any) -> None:
        self._tell(kind, mount=mount.name, **values)
