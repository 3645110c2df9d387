# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text file in the place of another, in one step: whoever reads it, or a power cut, finds the old one or the new one whole."""

from __future__ import annotations

import contextlib
import os
import stat


def sync_directory(path: str) -> None:
    """Brings to the disk that a file has come, gone, or has another name."""
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: str, text: str, mode: int | None = None) -> None:
    """With a mode the file is the caller's own, and takes the place of a link; without one, somebody's: mode and owner stay, through a link."""
    path = os.path.realpath(path) if mode is None else path
    kept = os.stat(path) if mode is None and os.path.exists(path) else None
    new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.sabakan-new")  # one name: a broken run leaves one at most
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text)
            stream.flush()
            if kept:
                os.fchown(stream.fileno(), kept.st_uid, kept.st_gid)
            os.fchmod(stream.fileno(), stat.S_IMODE(kept.st_mode) if kept else 0o644 if mode is None else mode)
            os.fsync(stream.fileno())
        os.replace(new, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(new)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path  # the kernel's error of a write names none
        raise
    sync_directory(path)
