# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).parents[4]
FILES = ROOT / "roles" / "exclusive_lock" / "files"
sys.dont_write_bytecode = True
sys.path.insert(0, str(FILES))


def own_layer(directory: Path) -> tuple[str, ...]:
    """The option for these tests where the whole machine is a container: all of their processes see the same layer of it."""
    from sabakan_exclusive import places

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        mount = places.mount_of(descriptor)
    finally:
        os.close(descriptor)
    return ("--allow-filesystem", mount.kind) if mount and mount.kind == "overlay" else ()


@functools.cache
def program() -> Path:
    """As the role installs it: with the file beside it that signs requests."""
    place = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place)
    shutil.copytree(FILES / "sabakan_exclusive", place / "sabakan_exclusive")
    shutil.copy(ROOT / "plugins" / "module_utils" / "_s3_request.py", place / "sabakan_exclusive")
    return place / "sabakan_exclusive"


class Wrapped:
    """sabakan-exclusive on one directory, and what of it is alive."""

    def __init__(self, data: Path) -> None:
        self.data, self.marker = data, f"SABAKAN_TEST={data}"
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [sys.executable, str(program()), *own_layer(self.data), *options, str(self.data), "--", *words]
        name, dummy, value = self.marker.partition("=")
        environment = {**os.environ, name: value, "PYTHONDONTWRITEBYTECODE": "1"}
        self.started.append(subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        ))
        return self.started[-1]

    def run(self, *words: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        process = self.start(*words, options=options)
        out, error = process.communicate(timeout=30)
        return process.returncode, out, error

    def free(self) -> bool:
        """Whether a lock on the data can be had this moment."""
        descriptor = os.open(self.data, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)

    def alive(self) -> list[int]:
        """Every process that descends from a start, by its environment."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and self.marker.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def children(self, pid: int) -> list[int]:
        found = []
        for other in self.alive():
            try:
                if int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(other)
            except OSError:
                continue
        return found

    def tree(self, process: subprocess.Popen[str]) -> tuple[int, int]:
        """The keeper and the command, its first child, once both are there."""
        (keeper,) = until(lambda: self.children(process.pid))
        command = min(until(lambda: self.children(keeper)))
        return keeper, command

    def free_only_when_all_are_gone(self, seconds: float = 15.0) -> None:
        """Waits for the lock, and fails if it could be had while a process of a start was alive."""
        deadline = time.monotonic() + seconds
        while not self.free():
            assert time.monotonic() < deadline, f"still held; alive: {self.alive()}"
            time.sleep(0.002)
        assert self.alive() == []


Answer = TypeVar("Answer")


def until(question: Callable[[], Answer], seconds: float = 10.0) -> Answer:
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
    return answer


@pytest.fixture
def wrapped() -> Iterator[Wrapped]:
    # /tmp may be a tmpfs, which the guard refuses rightly; the checkout is on a disk.
    with tempfile.TemporaryDirectory(dir=os.environ.get("SABAKAN_DISK", "/var/tmp")) as directory:
        made = Wrapped(Path(directory))
        yield made
        for pid in made.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for process in made.started:
            process.communicate(timeout=10)
