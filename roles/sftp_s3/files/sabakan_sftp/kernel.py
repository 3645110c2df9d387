# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounts as the kernel sees them. Its own calls, as umount(8) looks at the mounted file system first and hangs with it."""

from __future__ import annotations

import ctypes
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Mounted:
    device: str
    root: str
    path: str
    options: frozenset[str]
    kind: str
    source: str

    @property
    def read_only(self) -> bool:
        return "ro" in self.options


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def parse(mountinfo: str) -> list[Mounted]:
    """/proc/self/mountinfo, in its order: of two on one path the later is on top."""
    found = []
    for line in mountinfo.splitlines():
        words = line.split(" ")
        if len(words) < 10 or "-" not in words[6:]:
            continue
        rest = words[words.index("-", 6) + 1:]
        found.append(Mounted(words[2], _unescape(words[3]), _unescape(words[4]), frozenset(words[5].split(",")), rest[0], _unescape(rest[1])))
    return found


def mounted() -> list[Mounted]:
    return parse(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))


def at(path: str, table: list[Mounted] | None = None) -> list[Mounted]:
    return [one for one in (mounted() if table is None else table) if one.path == path]


def _call(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def bind(source: str, target: str, read_only: bool) -> None:
    """The same file system at a second place; without set-uid files, devices and programs."""
    flags = MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC | (MS_RDONLY if read_only else 0)
    _call(_libc.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None), f"bind {source} at {target}")
    try:
        _call(_libc.mount(None, os.fsencode(target), None, MS_REMOUNT | flags, None), f"set the flags of {target}")
    except OSError:
        detach(target)
        raise


def detach(path: str) -> None:
    """Takes everything off a path at once; what is open there stays open."""
    while at(path):
        _call(_libc.umount2(os.fsencode(path), MNT_DETACH | UMOUNT_NOFOLLOW), f"unmount {path}")


def unmount(path: str) -> bool:
    """Without force: False while something is open there."""
    return not at(path) or _libc.umount2(os.fsencode(path), UMOUNT_NOFOLLOW) == 0


def spawn(command: Sequence[str], environment: Mapping[str, str], output: int, oom_score: int, death: int = signal.SIGKILL) -> int:
    """A process of its own group that dies with this one. oom_score: how much sooner than others the kernel picks it (0-1000)."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    _become(command, environment, output, oom_score, death, parent)


def _become(command: Sequence[str], environment: Mapping[str, str], output: int, oom_score: int, death: int, parent: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        _libc.prctl(PR_SET_PDEATHSIG, death)
        if os.getppid() != parent:
            os._exit(126)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if oom_score:
            Path("/proc/self/oom_score_adj").write_text(str(oom_score), encoding="ascii")
        os.execvpe(command[0], list(command), dict(environment))
    except BaseException as error:  # noqa: BLE001 - nothing may go on in a copy of the keeper
        os.write(2, f"{command[0]}: {error}\n".encode(errors="replace"))
    os._exit(127)


def die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Activity:
    """What a process has done so far."""

    state: str
    ticks: int


def activity(pid: int) -> Activity | None:
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return Activity(words[0], int(words[11]) + int(words[12]))
