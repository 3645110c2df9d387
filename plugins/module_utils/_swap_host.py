# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host has of a swap file, and the single steps that change it; which step comes next is decided in _swap."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Collection
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils import _swap
from ansible_collections.sabakan.vps.plugins.module_utils._files import replace_file, sync_directory
from ansible_collections.sabakan.vps.plugins.module_utils._swap_text import (
    MIB,
    Swap,
    edit_fstab,
    filesystem_of,
    fstab_priority,
    megabytes,
    parse_meminfo,
    parse_swaps,
)

FSTAB = "/etc/fstab"
LOCK = "/run/sabakan-swapfile.lock"
ZRAM = "/run/sabakan-zram"  # in which role swap notes the device that it has made
PAGE = os.sysconf("SC_PAGE_SIZE")
CHUNK = 4 * MIB


def read(path: str) -> str:
    """Byte for byte; empty where there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def beginning(path: str) -> tuple[bool, bool]:
    """Whether a file has the signature of swap, and whether it begins with zeros or is empty."""
    try:
        with open(path, "rb") as stream:
            page = stream.read(PAGE)
    except OSError:
        return False, False
    return page[PAGE - 10:] == b"SWAPSPACE2", not any(page)


def look(path: str, swaps: Collection[Swap]) -> _swap.File:
    try:
        found = os.lstat(path)
    except OSError:
        return _swap.ABSENT
    if not stat.S_ISREG(found.st_mode):
        return _swap.File(size=found.st_size, regular=False)
    files = [swap for swap in swaps if swap.kind == "file"]
    active = next((swap for swap in files if swap.path == path), None)
    elsewhere = "" if active else next((swap.path for swap in files if os.path.exists(swap.path) and os.path.samefile(swap.path, path)), "")
    swap, blank = beginning(path)
    return _swap.File(
        size=found.st_size, swap=swap or active is not None, blank=blank, whole=found.st_blocks * 512 >= found.st_size,
        private=(found.st_uid, stat.S_IMODE(found.st_mode) & 0o177) == (0, 0), active=active is not None, elsewhere=elsewhere,
        used=active.used if active else 0, priority=active.priority if active else 0,
    )


class SwapHost:
    """`module` is an AnsibleModule: it runs mkswap, swapon and swapoff, and fails for this class."""

    def __init__(self, module: Any, path: str, also: Collection[str] = (), replaces: Collection[str] = ()) -> None:
        """`also`: the path as it was given. `replaces`: swap files that are to go, or ZRAM for what that names."""
        self.module, self.path, self.also, self.replaces = module, path, also, replaces
        self.names = dict(_swap.paths(path))
        self.container = self._container()
        self.held: list[int] = []

    def observe(self) -> _swap.Host:
        swaps, memory = parse_swaps(read("/proc/swaps")), parse_meminfo(read("/proc/meminfo"))
        other = [swap for swap in swaps if swap.path not in self.names.values()]
        going = {*self.replaces, read(ZRAM).strip() if ZRAM in self.replaces else ""}
        directory = os.path.dirname(self.path)
        there = os.path.isdir(directory)
        kind, read_only = filesystem_of(directory, read("/proc/self/mountinfo"))
        disk = os.statvfs(directory) if there else None
        return _swap.Host(
            **{name: look(path, swaps) for name, path in self.names.items()},
            memory=memory.get("MemTotal", 0), available=memory.get("MemAvailable", 0),
            other_swap=sum(swap.size for swap in other if swap.path not in going),
            other_free=sum(swap.size - swap.used for swap in other if not swap.in_memory),
            disk_free=disk.f_bavail * disk.f_frsize if disk else 0, filesystem=kind, read_only=read_only,
            container=self.container, directory=there,
        )

    def _container(self) -> str:
        told = read("/run/systemd/container").strip()
        program = self.module.get_bin_path("systemd-detect-virt")
        if told or not program:
            return told
        _code, out, _err = self.module.run_command([program, "--container"])
        return out.strip() if out.strip() != "none" else ""

    def fstab(self, wanted: _swap.Wanted) -> tuple[str, str]:
        """(as it is, as it should be)."""
        before = read(FSTAB)
        return before, edit_fstab(before, self.path, wanted.state == "enabled", wanted.priority, self.also)

    def write_fstab(self, text: str) -> None:
        try:
            replace_file(FSTAB, text)
        except OSError as error:
            self.module.fail_json(msg=f"{FSTAB} cannot be written: {error.strerror}")

    def lock(self) -> None:
        """One at a time on a host: two runs would take each other's files for leftovers.

        Held until the module ends, and a swapoff that outlives it.
        """
        self.held = [os.open(LOCK, os.O_WRONLY | os.O_CREAT, 0o600)]
        fcntl.flock(self.held[0], fcntl.LOCK_EX)

    def _call(self, *words: str) -> None:
        code, out, error = self.module.run_command(
            list(words), environ_update={"LC_ALL": "C"}, expand_user_and_vars=False, pass_fds=self.held,
        )
        if code:
            self.module.fail_json(msg=f"{' '.join(words)}: {(error or out).strip() or f'exit code {code}'}")

    def _make(self, path: str, size: int, filesystem: str) -> None:
        """The signature comes last, after all else is on the disk: a file of the right size that has it is complete."""
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as stream:
            try:
                if filesystem == "btrfs":
                    self._call("chattr", "+C", path)  # no copy-on-write, which an empty file alone can be told
                zeros, left = bytes(CHUNK), size
                while left:
                    left -= stream.write(zeros[:min(left, CHUNK)])
                os.fsync(stream.fileno())
            except OSError as error:
                os.unlink(path)
                self.module.fail_json(msg=f"{path}: {megabytes(size)} MiB cannot be written: {error.strerror}; it is removed again")
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

    def _on(self, name: str, priority: int | None) -> None:
        if priority is None and name == "file":
            priority = fstab_priority(read(FSTAB), {self.path, *self.also})
        self._call("swapon", *([] if priority is None or name == "bridge" else ["--priority", str(priority)]), self.names[name])

    def do(self, step: str, host: _swap.Host, wanted: _swap.Wanted) -> None:
        try:
            self._do(step, host, wanted)
        except OSError as error:
            self.module.fail_json(msg=f"{self.path}: {step}: {error.strerror}")

    def _do(self, step: str, host: _swap.Host, wanted: _swap.Wanted) -> None:
        verb, name = step.split()
        path = self.names[name]
        if verb == "make":
            self._make(path, wanted.size or 0, host.filesystem)
        elif verb == "name":
            os.replace(path, self.path)
            sync_directory(path)
        elif verb == "remove":
            os.unlink(path)
            sync_directory(path)
        elif verb == "close":
            os.chown(path, 0, 0)
            os.chmod(path, 0o600)
        elif verb == "off":
            self._off(name, host)
        else:
            self._on(name, wanted.priority)
