# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap files: the next step from what is there to what is wanted, and what must be refused, with its figures.

A resize has three names: the file, FILE.new that is being made and never in use, and FILE.bridge that carries the swap
where memory alone cannot while the file is replaced. (A file in use can neither be renamed nor removed.) Each step is
chosen anew from what is seen, so that a run after an interruption goes on from wherever that was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MIB = 1 << 20
SMALLEST = 8 * MIB
LEAST_AUTOMATIC = 64 * MIB
UNITS = {"M": MIB, "G": 1 << 30, "T": 1 << 40}
FILESYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs")
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "virtiofs", "glusterfs", "lustre", "afs")
MEMORY = ("tmpfs", "ramfs", "devtmpfs")


def megabytes(size: float) -> int:
    return int(size // MIB)


def parse_size(text: str) -> int:
    """Bytes of 512M, 1.5G, 2GiB or 1T, rounded down to whole MiB; ValueError says what is wrong."""
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([MGT])(?:i?B)?\s*", str(text), re.IGNORECASE | re.ASCII)
    if not match:
        hint = f": say {text}M or {text}G" if re.fullmatch(r"\d+", str(text)) else ""
        raise ValueError(f"{text!r} is no size; a number and M, G or T is, such as 512M or 2G{hint}")
    size = int(float(match[1]) * UNITS[match[2].upper()]) // MIB * MIB
    if size < SMALLEST:
        raise ValueError(f"{text} is less than the least, {megabytes(SMALLEST)}M")
    return size


@dataclass(frozen=True)
class Swap:
    """A line of /proc/swaps, in bytes."""

    path: str
    kind: str
    size: int
    used: int
    priority: int


def unescape(text: str) -> str:
    r"""\040 and the like, as in /proc/swaps, mountinfo and fstab."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8) & 0xFF), text)


def escape(text: str) -> str:
    return re.sub(r"[\s\\#]", lambda match: f"\\{ord(match[0]):03o}", text)


def parse_swaps(text: str) -> list[Swap]:
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) == 5 and all(re.fullmatch(r"-?\d+", word, re.ASCII) for word in words[2:]):
            size, used, priority = (int(word) for word in words[2:])
            found.append(Swap(unescape(words[0]), words[1], size * 1024, used * 1024, priority))
    return found


def parse_meminfo(text: str) -> dict[str, int]:
    """Bytes by name."""
    found = re.findall(r"^(\w+(?:\(\w+\))?):\s+(\d+) kB$", text, re.MULTILINE | re.ASCII)
    return {name: int(value) * 1024 for name, value in found}


def filesystem_of(path: str, mountinfo: str) -> tuple[str, bool]:
    """(type of the file system that a resolved path is on, whether it is mounted read-only)."""
    best, found = -1, ("", False)
    for line in mountinfo.splitlines():
        left, _dash, right = line.partition(" - ")
        words, kind = left.split(), right.split()
        if len(words) < 6 or len(kind) < 1:
            continue
        point = unescape(words[4])
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= best:  # the last mount wins
            options = words[5].split(",") + (kind[2].split(",") if len(kind) > 2 else [])
            best, found = len(point), (kind[0], "ro" in options)
    return found


def edit_fstab(text: str, path: str, wanted: bool, priority: int | None = None) -> str:
    """fstab with one line for a swap file, or none; every other line stays as it is, byte for byte."""
    lines, kept, done = text.splitlines(keepends=True), [], False
    for line in lines:
        words = line.split()
        if len(words) < 3 or words[0].startswith("#") or unescape(words[0]) != path or words[2] != "swap":
            kept.append(line)
            continue
        if not wanted or done:
            continue
        done = True
        options = [word for word in (words[3].split(",") if len(words) > 3 else ["sw"]) if word != "noauto"] or ["sw"]
        if priority is not None and f"pri={priority}" not in options:
            options = [word for word in options if not word.startswith("pri=")] + [f"pri={priority}"]
        same = len(words) > 3 and ",".join(options) == words[3]
        kept.append(line if same else f"{words[0]} {words[1]} swap {','.join(options)} 0 0\n")
    if wanted and not done:
        if kept and not kept[-1].endswith("\n"):
            kept[-1] += "\n"
        kept.append(f"{escape(path)} none swap sw{'' if priority is None else f',pri={priority}'} 0 0\n")
    return "".join(kept)


@dataclass(frozen=True)
class File:
    """One of the three names; `size` None where there is none."""

    size: int | None = None
    regular: bool = True
    swap: bool = False  # has the signature
    whole: bool = False  # without holes
    active: bool = False
    used: int = 0
    priority: int = 0


ABSENT = File()


@dataclass(frozen=True)
class Host:
    file: File = ABSENT
    new: File = ABSENT
    bridge: File = ABSENT
    memory: int = 0
    available: int = 0  # MemAvailable
    other_swap: int = 0  # of all swap that is neither the file nor the bridge
    other_free: int = 0
    disk_free: int = 0
    filesystem: str = "ext4"
    read_only: bool = False
    container: str = ""
    directory: bool = True

    @property
    def margin(self) -> int:
        """What must stay free of the memory when swap is taken away."""
        return max(64 * MIB, self.memory // 20)


@dataclass(frozen=True)
class Wanted:
    path: str
    state: str = "enabled"  # enabled, disabled, absent
    size: int | None = None
    priority: int | None = None
    keep_free: int = 512 * MIB  # of the disk

    def good(self, file: File) -> bool:
        return file.size == self.size and file.swap and file.whole

    def right_priority(self, file: File) -> bool:
        return self.priority is None or file.priority == self.priority


def automatic(host: Host, limit: int) -> tuple[int, str]:
    """(bytes, "") of a file of the size of the memory within its bounds, or (0, why there is none)."""
    if host.file.swap and (host.file.size or 0) >= SMALLEST:
        return host.file.size or 0, ""
    lacking = min(host.memory, limit) - host.other_swap
    if lacking < LEAST_AUTOMATIC:
        return 0, f"the host has {megabytes(host.other_swap)} MiB of swap elsewhere, with {megabytes(host.memory)} MiB of memory"
    size = min(lacking, host.disk_free // 4) // MIB * MIB
    if size < LEAST_AUTOMATIC:
        return 0, f"only {megabytes(host.disk_free)} MiB are free, of which a quarter is less than {megabytes(LEAST_AUTOMATIC)}"
    return size, ""


def obstacle(host: Host, path: str) -> str:
    """Why no swap file can be there at all; empty where one can."""
    if host.container and host.container != "none":
        return f"a container ({host.container}) has the swap of its host and none of its own"
    if not host.directory:
        return f"the directory of {path} is not there"
    if host.filesystem not in FILESYSTEMS:
        kind = "network" if host.filesystem in NETWORK or host.filesystem.startswith("fuse") else "memory" if host.filesystem in MEMORY else ""
        return (f"{path} would be on {host.filesystem or 'an unknown file system'}{f', a {kind} file system' if kind else ''}; "
                "a swap file needs ext4, xfs or btrfs")
    if host.read_only:
        return f"the file system of {path} is read-only"
    return ""


def cannot_do_without(host: Host, file: File, instead: int = 0) -> str:
    """Why a file in use cannot be switched off: what is swapped out must go to memory, to other swap, or `instead`."""
    room = max(host.available - host.margin, 0) + host.other_free + instead
    if not file.active or file.used <= room:
        return ""
    return (
        f"{megabytes(file.used)} MiB are swapped out and there is room for {megabytes(room)} MiB: {megabytes(host.available)} MiB of "
        f"memory available less {megabytes(host.margin)} MiB to spare, {megabytes(host.other_free)} MiB of other swap"
        + (f", {megabytes(instead)} MiB of the new file" if instead else "")
    )


def _bridge_free(host: Host) -> int:
    return (host.bridge.size or 0) - host.bridge.used if host.bridge.active else 0


def refusal(host: Host, wanted: Wanted) -> str:
    """Why what is wanted must not be begun; empty where it may."""
    file, path = host.file, wanted.path
    if file.size is not None and (not file.regular or not file.swap and file.size):
        return f"{path} exists and is no swap file; it is left alone"
    if wanted.state == "absent" or wanted.state == "disabled" and wanted.good(file):
        why = cannot_do_without(host, file)
        return f"{path} cannot be switched off: {why}; free memory, or add other swap first" if why else ""
    if wanted.size is None:
        return ""
    if not wanted.good(file):
        # What is left of an earlier run gives its room back first.
        free = host.disk_free + (host.new.size or 0) + (0 if host.bridge.active else host.bridge.size or 0)
        if free < wanted.size + wanted.keep_free and not (host.bridge.active and not file.active):
            return (f"only {megabytes(free)} MiB are free for {path}, and its {megabytes(wanted.size)} MiB (made beside the old file) "
                    f"+ {megabytes(wanted.keep_free)} are needed")
        if not cannot_do_without(host, file, _bridge_free(host)):
            return ""
        why = cannot_do_without(host, file, wanted.size + _bridge_free(host))
        if why:
            return f"{path} cannot become {megabytes(wanted.size)} MiB: {why}; free memory, or choose a larger size"
        after = free - wanted.size + (file.size or 0)
        if after < wanted.size + wanted.keep_free:
            return (f"{path} can only be replaced by way of a second file, as {megabytes(file.used)} MiB are swapped out, and of the disk "
                    f"{megabytes(after)} MiB would then be free where {megabytes(wanted.size)} + {megabytes(wanted.keep_free)} are needed")
    elif file.active and not wanted.right_priority(file):
        why = cannot_do_without(host, file)
        return f"{path} cannot change its priority: {why}" if why else ""
    return ""


def _away(host: Host) -> str:
    """The next step where the bridge is no longer needed."""
    if host.bridge.active:
        return "off bridge"
    return "remove bridge" if host.bridge.size is not None else ""


def next_step(host: Host, wanted: Wanted) -> str:
    """One of: remove new, make new, name new, make bridge, on/off/remove file or bridge; empty when all is as wanted."""
    file, bridge = host.file, host.bridge
    if wanted.state == "absent":
        if file.active:
            return "off file"
        return "remove file" if file.size is not None else "remove new" if host.new.size is not None else _away(host)
    stuck = bool(cannot_do_without(host, file, _bridge_free(host)))
    if host.new.size is not None:
        if not wanted.good(host.new) or file.active and stuck:
            return "remove new"
        return "off file" if file.active else "name new"
    if wanted.good(file):
        if bridge.size is not None and not bridge.active:
            return "remove bridge"
        if wanted.state == "disabled":
            return "off file" if file.active else _away(host)
        if not file.active:
            return "on file"
        return _away(host) if wanted.right_priority(file) else "off file"
    if not file.active:
        # Only where a bridge carries the swap does the old file go first: then three would have to fit on the disk.
        return "remove file" if bridge.active and file.size is not None else "make new"
    if bridge.size is not None and not bridge.active:
        return "on bridge" if stuck and wanted.good(bridge) else "remove bridge"
    if not stuck:
        return "off file" if bridge.active else "make new"
    return "make bridge" if bridge.size is None else "off file"


def describe(path: str, state: str, size: int | None, active: bool, priority: int | None = None) -> str:
    """Lines for a diff."""
    text = f"{path}: absent\n" if state == "absent" or size is None else (
        f"{path}: {megabytes(size)} MiB, {'in use' if active else 'not in use'}\n"
    )
    return text + (f"priority {priority}\n" if priority is not None and active else "")


def paths(path: str) -> Iterable[tuple[str, str]]:
    """(name, path) of the three."""
    return (("file", path), ("new", f"{path}.new"), ("bridge", f"{path}.bridge"))
