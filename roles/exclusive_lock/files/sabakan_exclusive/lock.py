# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock on the shared resource itself, and the record of who holds it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import socket
import stat
import time
from pathlib import Path
from typing import Any

from sabakan_exclusive import places

RECORD = ".sabakan-exclusive.json"
LOCK_FILE = ".sabakan-exclusive.lock"


class Unfit(Exception):
    """The place cannot carry a lock that others see."""


class Held(Exception):
    """Another one runs."""


def now() -> float:
    """Seconds that no clock step changes and that a suspended host counts too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def container(mountinfo: str | None = None) -> str:
    """The engine's ID of the container that this runs in; empty on a host.

    By the files that the engine mounts for the names of the network, the last of them where it lies over others. A host
    with an engine has mounts of its containers elsewhere.
    """
    text = _read("/proc/self/mountinfo") if mountinfo is None else mountinfo
    found = re.findall(r"/(?:overlay-)?containers/([0-9a-f]{64})/\S* /etc/(?:hostname|hosts|resolv\.conf) ", text)
    return str(found[-1])[:12] if found else ""


def holder(host: str, command: list[str], token: int | None) -> dict[str, Any]:
    """What the record says of this process."""
    return {
        "host": host or socket.gethostname(), "container": container(), "pid": os.getpid(),
        "boot_id": _read("/proc/sys/kernel/random/boot_id").strip(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": command, "token": token,
    }


def describe(record: dict[str, Any]) -> str:
    if not record:
        return "one that has left no record yet"
    inside = f"container {record['container']} on " if record.get("container") else ""
    # As far as it has our form: the owner of the data could have written it.
    words = record.get("command")
    command = " ".join(map(str, words)) if isinstance(words, list) else str(words)
    here = record.get("boot_id") == _read("/proc/sys/kernel/random/boot_id").strip()
    return (f"{inside}host {record.get('host')}{' (this machine)' if here else ''}, PID {record.get('pid')} in its own "
            f"name space, since {record.get('since')}, running {command[:200]}")


class Lock:
    """Held from acquire() until the last process that inherited its descriptor has closed it."""

    def __init__(self, data: str, allowed: frozenset[str], same_as: str) -> None:
        self.data, self.allowed, self.same_as = data, allowed, same_as
        self.descriptor = -1
        self.record: Path | None = None

    def acquire(self, wait: float) -> None:
        deadline = now() + wait
        while True:
            try:
                return self._try()
            except Held:
                if now() >= deadline:
                    raise
            time.sleep(0.05)

    def _try(self) -> None:
        try:
            kind = os.stat(self.data).st_mode
            if stat.S_ISBLK(kind):
                self._claim_device()
            elif stat.S_ISDIR(kind):
                self._lock_directory()
            else:
                raise Unfit(f"{self.data} is neither a directory nor a block device")
        except OSError as error:
            raise Unfit(f"{self.data}: {error.strerror}") from error

    def _claim_device(self) -> None:
        # The kernel's claim is on the device, not on one of its nodes: two nodes of it are one claim, but two inodes.
        try:
            self.descriptor = os.open(self.data, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise Held(f"{self.data} is claimed: mounted, or opened exclusively by another process") from error
            raise
        self._compare(f"{os.major(os.fstat(self.descriptor).st_rdev)}:{os.minor(os.fstat(self.descriptor).st_rdev)}")

    def _lock_directory(self) -> None:
        # The directory's own inode carries the lock: a lock FILE can be deleted by hand or by a cleaner, and the next
        # starter would then lock a new one beside the running holder. NFS has no lock on directories: a file there.
        path, flags = self.data, os.O_RDONLY | os.O_CLOEXEC
        descriptor = os.open(path, flags)
        try:
            mount = places.mount_of(descriptor)
            reason = places.refusal(mount, self.allowed)
            if reason:
                raise Unfit(f"{self.data} cannot carry the lock: {reason}")
            self._compare(places.identity(descriptor))
            self.record = Path(self.data) / RECORD
            if mount is not None and mount.kind in ("nfs", "nfs4"):
                path, flags = os.path.join(self.data, LOCK_FILE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                os.close(descriptor)
                descriptor = os.open(path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Held(f"{self.data} is held by {describe(self.read_record())}") from None
            if not os.path.samestat(os.fstat(descriptor), os.stat(path)):
                raise Held(f"{path} was replaced while it was being locked")
        except BaseException:
            os.close(descriptor)
            raise
        self.descriptor = descriptor

    def _compare(self, seen: str) -> None:
        if self.same_as and seen != self.same_as:
            raise Unfit(f"{self.data} is {seen} here but {self.same_as} on the other side: not the same place")

    def read_record(self) -> dict[str, Any]:
        try:
            read = json.loads(self.record.read_text(encoding="utf-8")) if self.record else {}
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}

    def write_record(self, record: dict[str, Any]) -> None:
        if self.record is None:
            return
        temporary = self.record.with_name(f"{RECORD}.{os.getpid()}")
        with contextlib.suppress(OSError):
            temporary.unlink()
        try:
            with open(temporary, "x", encoding="utf-8") as file:  # never through a link: the data may be of a user that root does not trust
                json.dump(record, file)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, self.record)
        except OSError:
            for left in (temporary, self.record):  # what an earlier holder left would name the wrong one
                with contextlib.suppress(OSError):
                    left.unlink()
            raise

    def clear_record(self) -> None:
        """At an orderly end, still under the lock. The next holder writes it anew."""
        if self.record is not None:
            with contextlib.suppress(OSError):
                self.record.unlink()
