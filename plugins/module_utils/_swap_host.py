# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host has of a swap file, and the single steps that change it; which step comes next is decided in _swap."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import tempfile
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils import _swap

FSTAB = "/etc/fstab"
PAGE = os.sysconf("SC_PAGE_SIZE")
GET_FLAGS, SET_FLAGS, NO_COPY_ON_WRITE = 0x80086601, 0x40086602, 0x00800000
CHUNK = 4 * _swap.MIB


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def sync_directory(path: str) -> None:
    descriptor = os.open(os.path.dirname(path) or "/", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_signature(path: str) -> bool:
    try:
        with open(path, "rb") as stream:
            stream.seek(PAGE - 10)
            return stream.read(10) == b"SWAPSPACE2"
    except OSError:
        return False


class SwapHost:
    """`module` is an AnsibleModule: it runs mkswap, swapon and swapoff, and fails for this class."""

    def __init__(self, module: Any, wanted: _swap.Wanted) -> None:
        self.module, self.wanted = module, wanted
        self.names = dict(_swap.paths(wanted.path))

    def _file(self, path: str, swaps: list[_swap.Swap]) -> _swap.File:
        try:
            found = os.lstat(path)
        except OSError:
            return _swap.ABSENT
        if not stat.S_ISREG(found.st_mode):
            return _swap.File(size=found.st_size, regular=False)
        active = next((swap for swap in swaps if swap.kind == "file" and swap.path == path), None)
        return _swap.File(
            size=found.st_size, swap=has_signature(path), whole=found.st_blocks * 512 >= found.st_size,
            active=active is not None, used=active.used if active else 0, priority=active.priority if active else 0,
        )

    def observe(self) -> _swap.Host:
        swaps, memory = _swap.parse_swaps(read("/proc/swaps")), _swap.parse_meminfo(read("/proc/meminfo"))
        other = [swap for swap in swaps if swap.path not in self.names.values()]
        directory = os.path.dirname(self.wanted.path)
        there = os.path.isdir(directory)
        kind, read_only = _swap.filesystem_of(directory, read("/proc/self/mountinfo"))
        disk = os.statvfs(directory) if there else None
        return _swap.Host(
            **{name: self._file(path, swaps) for name, path in self.names.items()},
            memory=memory.get("MemTotal", 0), available=memory.get("MemAvailable", 0),
            other_swap=sum(swap.size for swap in other), other_free=sum(swap.size - swap.used for swap in other),
            disk_free=disk.f_bavail * disk.f_frsize if disk else 0, filesystem=kind, read_only=read_only,
            container=self._container(), directory=there,
        )

    def _container(self) -> str:
        told = read("/run/systemd/container").strip()
        if told:
            return told
        _code, out, _err = self.module.run_command(["systemd-detect-virt", "--container"])
        return out.strip() if out.strip() != "none" else ""

    def fstab(self) -> tuple[str, str]:
        """(as it is, as it should be)."""
        before = read(FSTAB)
        return before, _swap.edit_fstab(before, self.wanted.path, self.wanted.state == "enabled", self.wanted.priority)

    def write_fstab(self, text: str) -> None:
        """In one go, with the mode and the owner that it has; through a link, if it is one."""
        path = os.path.realpath(FSTAB)
        found = os.stat(path) if os.path.exists(path) else None
        descriptor, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".fstab.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), stat.S_IMODE(found.st_mode) if found else 0o644)
                if found:
                    os.fchown(stream.fileno(), found.st_uid, found.st_gid)
                os.fsync(stream.fileno())
            os.replace(new, path)
        except BaseException:
            os.unlink(new)
            raise
        sync_directory(path)

    def _call(self, *words: str) -> None:
        code, out, error = self.module.run_command(list(words), environ_update={"LC_ALL": "C"})
        if code:
            self.module.fail_json(msg=f"{' '.join(words)}: {(error or out).strip() or f'exit code {code}'}")

    def _make(self, path: str) -> None:
        """The signature comes last, after all else is on the disk: a file of the right size that has it is complete."""
        size = self.wanted.size or 0
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as stream:
                if self.observe().filesystem == "btrfs":
                    flags = bytearray(struct.pack("l", 0))
                    fcntl.ioctl(stream, GET_FLAGS, flags)
                    fcntl.ioctl(stream, SET_FLAGS, struct.pack("l", struct.unpack("l", flags)[0] | NO_COPY_ON_WRITE))
                zeros = bytes(CHUNK)
                left = size
                while left:
                    left -= stream.write(zeros[:min(left, CHUNK)])
                os.fsync(stream.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(path)
            self.module.fail_json(msg=f"{path}: {_swap.megabytes(size)} MiB cannot be written: {error.strerror}; it is removed again")
        self._call("mkswap", path)
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
        sync_directory(path)

    def _off(self, name: str, host: _swap.Host) -> None:
        instead = host.bridge if name == "file" else host.file
        room = (instead.size or 0) - instead.used if instead.active else 0
        why = _swap.cannot_do_without(host, getattr(host, name), room)
        if why:
            self.module.fail_json(msg=f"{self.names[name]} cannot be switched off: {why}; free memory and run again")
        self._call("swapoff", self.names[name])

    def do(self, step: str, host: _swap.Host) -> None:
        verb, name = step.split()
        path = self.names[name]
        if verb == "make":
            self._make(path)
        elif verb == "name":
            os.replace(path, self.wanted.path)
            sync_directory(path)
        elif verb == "remove":
            os.unlink(path)
            sync_directory(path)
        elif verb == "off":
            self._off(name, host)
        else:
            priority = self.wanted.priority
            self._call("swapon", *([] if priority is None or name == "bridge" else ["--priority", str(priority)]), path)
