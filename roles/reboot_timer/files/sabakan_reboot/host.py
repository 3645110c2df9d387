# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host as it is now. Whatever cannot be read becomes Unknown, with the reason."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sabakan_exclusive.lease import Unavailable

from sabakan_reboot import figures, journal, programs
from sabakan_reboot.decide import TIMER, Finding, Slab, Snapshot, Unknown
from sabakan_reboot.settings import Settings

T = TypeVar("T")
SERVICE = "sabakan-reboot.service"
LEAST_FREE = 1 << 20
VOLATILE = ("tmpfs", "ramfs")


def look(find: Callable[[], T]) -> T | Unknown:
    try:
        return find()
    except (OSError, ValueError, KeyError, IndexError, journal.Corrupt, Unavailable) as error:
        return Unknown(str(error) or type(error).__name__)


def uptime() -> float:
    """Seconds since the boot, which no step of the clock changes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def storage(directory: str) -> int:
    """Bytes free where the journal is; raises OSError unless a file can be made durable there now."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()]
    real = os.path.realpath(directory)
    over = max((one for one in mounts if (real + "/").startswith(one[1].rstrip("/") + "/")), key=lambda one: len(one[1]), default=None)
    if over is not None and over[2] in VOLATILE:
        raise OSError(f"{directory} is on {over[2]}: a journal there is forgotten at the reboot")
    figure = os.statvfs(directory)
    free = figure.f_bavail * figure.f_frsize
    probe = Path(directory) / f"probe.{os.getpid()}"  # a `check` may be at work beside a run
    try:
        journal.write_atomically(probe, "x" * 4096)
    finally:
        probe.unlink(missing_ok=True)
    if free < LEAST_FREE:
        raise OSError(f"{directory} has {free // 1024} KiB free; {LEAST_FREE // 1024} are needed")
    return free


class _Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_int), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
                ("rest", ctypes.c_byte * 512)]


def synchronised() -> bool:
    """As systemd tells it: the kernel's estimate of the error is below 16 s, which it exceeds when nobody disciplines it."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        raise OSError(ctypes.get_errno(), f"adjtimex: {os.strerror(ctypes.get_errno())}")
    return bool(timex.maxerror < 16_000_000)


def mark_clock(asked: Settings) -> float:
    """Seconds by which the clock has stepped since the last mark of this boot; the mark is moved, the step remembered."""
    path, offset = Path(asked.runtime) / "clock", time.time() - uptime()
    before: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(path.read_text(encoding="utf-8"))
    mine = isinstance(before, dict) and before.get("boot_id") == boot_id()
    step = offset - float(before["offset"]) if mine else 0.0
    stepped = abs(step) > asked.clock_tolerance
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if stepped or not mine:
        journal.write_atomically(path, json.dumps({
            "boot_id": boot_id(), "offset": offset, "at": uptime() if stepped else None, "step": step,
        }))
    return step


def clock_step(asked: Settings) -> float:
    """By the mark: its distance now, or the step that it remembers of a moment ago."""
    mark = json.loads((Path(asked.runtime) / "clock").read_text(encoding="utf-8"))
    if mark["boot_id"] != boot_id():
        raise ValueError("the clock was not looked at after this boot (sabakan-reboot-verify.service)")
    step = time.time() - uptime() - float(mark["offset"])
    recent = mark["at"] is not None and uptime() - float(mark["at"]) < asked.settle
    return max(step, float(mark["step"]) if recent else 0.0, key=abs)


def changed(settings_files: list[str]) -> tuple[float, str]:
    """When the timer was last started or its files changed: systemd may start the service at such a moment by itself."""
    shown = programs.output(["systemctl", "show", TIMER, SERVICE, "--property=Id,FragmentPath,DropInPaths,ActiveEnterTimestampMonotonic"])
    found = [(abs(time.time() - os.stat(path).st_ctime), f"{path} changed") for path in settings_files]
    for block in shown.split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for path in [unit.get("FragmentPath", ""), *unit.get("DropInPaths", "").split()]:
            if path:
                found.append((abs(time.time() - os.stat(path).st_ctime), f"{path} changed"))
        if unit.get("Id") == TIMER:
            entered = int(unit.get("ActiveEnterTimestampMonotonic") or 0)
            if not entered:
                raise OSError(f"{TIMER} is not active")
            found.append((time.clock_gettime(time.CLOCK_MONOTONIC) - entered / 1e6, f"{TIMER} was started"))
    return min(found)


def logged_in() -> list[str]:
    own = figures.own_session(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    properties = "--property=Id,Name,Class,State,TTY,Service,RemoteHost"
    tries = 3
    while True:
        ids = [line.split()[0] for line in programs.output(["loginctl", "list-sessions", "--no-legend"]).splitlines() if line.split()]
        if not ids:
            return []
        tries -= 1
        try:
            return figures.sessions(programs.output(["loginctl", "show-session", *ids, properties]), own)
        except OSError:  # one of them has ended since they were listed, as those of a timer's ssh do
            if not tries:
                raise


def users_of_replaced_libraries() -> list[str]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            maps = Path(f"/proc/{name}/maps").read_text(encoding="utf-8", errors="replace")
            if figures.replaced_library(maps):
                found.append(Path(f"/proc/{name}/comm").read_text(encoding="utf-8", errors="replace").strip())
    return sorted(set(found))


def samples(asked: Settings) -> list[figures.Sample]:
    """Of this boot."""
    try:
        known = json.loads((Path(asked.state) / "slab").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [(float(at), int(size)) for at, size in known["samples"]] if known["boot_id"] == boot_id() else []


def slab_now() -> dict[str, int]:
    return figures.meminfo(Path("/proc/meminfo").read_text(encoding="ascii"))


def slab(asked: Settings) -> Slab:
    memory = slab_now()
    taken = [*samples(asked), (uptime(), memory["SUnreclaim"])]
    return Slab(memory["SUnreclaim"], memory["MemTotal"], memory["MemAvailable"], figures.slope(taken))


def kernel() -> str:
    found = figures.pending_kernel(platform.release(), os.listdir("/boot"))
    return found or ("a package asks for it (/run/reboot-required)" if os.path.exists("/run/reboot-required") else "")


def sentinel(asked: Settings) -> str | None:
    try:
        text = (Path(asked.state) / "requested").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    return text.splitlines()[0][:200] if text else "no reason given"


def gather(asked: Settings, settings_files: list[str], holder: Callable[[], str], trigger: str, immediate: bool, waited: bool) -> Snapshot:
    blockers: list[Finding] = [programs.ask(blocker) for blocker in asked.blockers]
    return Snapshot(
        trigger=trigger, immediate=immediate, waited=waited, wall=time.time(), uptime=uptime(), boot_id=boot_id(),
        entries=look(journal.Journal(asked.state).read), storage=look(lambda: storage(asked.state)),
        synchronised=look(synchronised), step=look(lambda: clock_step(asked)),
        changed=look(lambda: changed(settings_files)),
        sessions=look(logged_in) if asked.logins else [], blockers=blockers, lock=look(holder),
        kernel=look(kernel), libraries=look(users_of_replaced_libraries) if asked.libraries else [],
        slab=look(lambda: slab(asked)), sentinel=look(lambda: sentinel(asked)),
    )
