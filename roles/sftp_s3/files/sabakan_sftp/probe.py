# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a store and of a mount. Each runs in a child process, with a time limit from outside.

statvfs always reaches the mount's process and never the store, so it is asked often and costs nothing. A listing may come
from a cache: whether the store is there is asked of the store itself, and through the mount by a name that nobody has
looked up before and a byte of a small object, read past the page cache.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
from collections.abc import Mapping
from typing import Any

from sabakan_sftp import kernel
from sabakan_sftp.config import Bucket

SMALL = 1024**2
COLD = ("GLACIER", "DEEP_ARCHIVE")
# Answers of a mount about an object that is gone, denied, a link, or of a name that no file can have beside the others.
ANSWERS = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


class Broken(Exception):
    """The mount does not do what it is there for."""


def alive(path: str) -> bool:
    os.statvfs(path)
    return True


def choose(objects: list[dict[str, Any]], prefix: str) -> str:
    """The smallest object that has a byte to read and is not too large to be read often; empty when there is none."""
    fit = [(one["size"], one["key"]) for one in objects if 0 < one["size"] <= SMALL and one["class"] not in COLD]
    fit = [(size, key) for size, key in fit if not key.endswith("/") and posixpath.normpath(key) == key and key.startswith(prefix) and key.isprintable()]
    return min(fit)[1] if fit else ""


def store(bucket: Bucket, environment: Mapping[str, str], timeout: float) -> dict[str, str]:
    """{"state": "ok|unreachable|refused|unknown", "reason": ..., "sample": a key}."""
    from sabakan_sftp import s3

    asked = s3.Store(bucket, environment, timeout)
    if not asked.keys:
        return {"state": "unknown", "reason": "", "sample": ""}
    try:
        return {"state": "ok", "reason": "", "sample": choose(asked.first(), bucket.prefix)}
    except s3.Unreachable as error:
        return {"state": "unreachable", "reason": str(error), "sample": ""}
    except s3.Denied as error:
        return {"state": "refused", "reason": str(error), "sample": ""}


def through(path: str, prefix: str, sample: str) -> bool:
    """Raises Broken unless the mount looks up a name and reads a byte, both from the store."""
    found = kernel.at(path)
    if not found or not found[-1].kind.startswith("fuse"):
        raise Broken(f"nothing is mounted at {path}")
    os.statvfs(path)
    with contextlib.suppress(FileNotFoundError, PermissionError):
        os.stat(f"{path}/.sabakan-probe-{os.urandom(8).hex()}")
    if sample:
        try:
            _read(f"{path}/{sample[len(prefix):]}")
        except OSError as error:
            if error.errno not in ANSWERS:
                raise
    return True


def _read(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.pread(descriptor, 1, 0)
    finally:
        os.close(descriptor)


def bring_in(path: str, prefix: str, sample: str, places: list[tuple[str, bool]]) -> bool:
    """Probes a mount, then binds it at (target, read-only) of each of its users."""
    through(path, prefix, sample)
    publish(path, places)
    return True


def publish(path: str, places: list[tuple[str, bool]]) -> bool:
    table = kernel.mounted()
    source = kernel.at(path, table)[-1]
    for target, read_only in places:
        there = kernel.at(target, table)
        if len(there) == 1 and there[0].device == source.device and there[0].read_only == read_only:
            continue
        kernel.detach(target)
        kernel.bind(path, target, read_only)
    return True
