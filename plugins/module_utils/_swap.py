# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Swap files: the next step from what is there to what is wanted, and what must be refused, with its figures.

A resize has three names: the file, FILE.new that is being made and never in use, and FILE.bridge that carries the swap
where memory alone cannot while the file is replaced. (A file in use can neither be renamed nor removed.) Each step is
chosen anew from what is seen, so that a run after an interruption goes on from wherever that was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ansible_collections.sabakan.vps.plugins.module_utils._swap_text import MIB, SMALLEST, megabytes

LEAST_AUTOMATIC = 64 * MIB
FILESYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs")
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "virtiofs", "glusterfs", "lustre", "afs")
MEMORY = ("tmpfs", "ramfs", "devtmpfs")


@dataclass(frozen=True)
class File:
    """One of the three names; `size` None where there is none."""

    size: int | None = None
    regular: bool = True
    swap: bool = False  # has the signature
    blank: bool = False  # begins with zeros: what an interrupted run leaves
    whole: bool = False  # without holes
    private: bool = True  # root alone can read it
    active: bool = False
    elsewhere: str = ""  # another name under which it is in use
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
    other_swap: int = 0  # of all swap that is neither the file nor the bridge, nor replaced by it
    other_free: int = 0  # of that on disks: what goes to zram stays in the memory
    disk_free: int = 0
    filesystem: str = "ext4"
    read_only: bool = False
    container: str = ""
    directory: bool = True

    @property
    def margin(self) -> int:
        """What must stay free of the memory when swap is taken away."""
        return max(64 * MIB, self.memory // 20)

    @property
    def room(self) -> int:
        """Of the disk; what is left of an earlier run gives its part back first."""
        return self.disk_free + (self.new.size or 0) + (0 if self.bridge.active else self.bridge.size or 0)


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


def paths(path: str) -> Iterable[tuple[str, str]]:
    """(name, path) of the three."""
    return (("file", path), ("new", f"{path}.new"), ("bridge", f"{path}.bridge"))


def automatic(host: Host, limit: int) -> tuple[int, str]:
    """(bytes, "") of a file of the size of the memory within its bounds, or (0, why there is none)."""
    if host.file.swap and (host.file.size or 0) >= SMALLEST:
        return host.file.size or 0, ""
    lacking = min(host.memory, limit) - host.other_swap
    if lacking < LEAST_AUTOMATIC:
        return 0, f"the host has {megabytes(host.other_swap)} MiB of swap elsewhere, with {megabytes(host.memory)} MiB of memory"
    size = min(lacking, host.room // 4) // MIB * MIB
    if size < LEAST_AUTOMATIC:
        return 0, f"only {megabytes(host.room)} MiB are free, of which a quarter is less than {megabytes(LEAST_AUTOMATIC)}"
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


def _not_ours(host: Host, wanted: Wanted) -> str:
    """Why one of the three names must not be touched."""
    for name, path in paths(wanted.path):
        file = getattr(host, name)
        if file.size is None:
            continue
        if not file.regular or not (file.swap or file.blank and name != "file"):
            return f"{path} exists and is no swap file; it is left alone"
        if file.elsewhere:
            return f"{path} is in use as {file.elsewhere}; it is left alone"
        if file.active and name == "new":
            return f"{path} is in use as swap, and the name is needed for making {wanted.path}; switch it off and remove it"
    return ""


def refusal(host: Host, wanted: Wanted) -> str:
    """Why what is wanted must not be begun; empty where it may."""
    file, path = host.file, wanted.path
    why = _not_ours(host, wanted)
    if why:
        return why
    if wanted.state == "absent" or wanted.state == "disabled" and wanted.good(file):
        used = (file.used if file.active else 0) + (host.bridge.used if host.bridge.active else 0)
        why = cannot_do_without(host, replace(file, active=True, used=used))
        return f"{path} cannot be switched off: {why}; free memory, or add other swap first" if why else ""
    if wanted.size is None:
        return ""
    if not wanted.good(file):
        return _no_room(host, wanted) or _no_way(host, wanted)
    if file.active and not wanted.right_priority(file):
        why = cannot_do_without(host, file)
        return f"{path} cannot change its priority: {why}" if why else ""
    return ""


def _no_room(host: Host, wanted: Wanted) -> str:
    """Why the disk cannot hold the new file."""
    size = wanted.size or 0
    carried = host.bridge.active  # a replacement was interrupted: the file goes before the new one comes, and the end frees most
    free = host.room + (host.file.size or 0 if carried else 0)
    if free >= size + (0 if carried else wanted.keep_free):
        return ""
    return (f"only {megabytes(free)} MiB are free for {wanted.path}, and its {megabytes(size)} MiB (made beside the old file) "
            f"+ {megabytes(wanted.keep_free)} are needed")


def _no_way(host: Host, wanted: Wanted) -> str:
    """Why a file in use cannot be replaced by one of another size."""
    file, path, size = host.file, wanted.path, wanted.size or 0
    if not cannot_do_without(host, file, _bridge_free(host)):
        return ""
    why = cannot_do_without(host, file, size + _bridge_free(host))
    if why:
        return f"{path} cannot become {megabytes(size)} MiB: {why}; free memory, or choose a larger size"
    after = host.room - size + (file.size or 0)
    if after < size + wanted.keep_free:
        return (f"{path} can only be replaced by way of a second file, as {megabytes(file.used)} MiB are swapped out, and of the disk "
                f"{megabytes(after)} MiB would then be free where {megabytes(size)} + {megabytes(wanted.keep_free)} are needed")
    return ""


def _away(host: Host) -> str:
    """The next step where the bridge is no longer needed."""
    if host.bridge.active:
        return "off bridge"
    return "remove bridge" if host.bridge.size is not None else ""


def _finish(host: Host, wanted: Wanted) -> str:
    """The next step where the file is as it should be."""
    file, bridge = host.file, host.bridge
    if bridge.size is not None and not bridge.active:
        return "remove bridge"
    if not file.private:
        return "close file"
    if wanted.state == "disabled":
        return "off file" if file.active else _away(host)
    if not file.active:
        return "on file"
    return _away(host) if wanted.right_priority(file) else "off file"


def next_step(host: Host, wanted: Wanted) -> str:
    """One of: make, remove new; name new; make, on, off, remove bridge; close, on, off, remove file; empty when all is done."""
    file, bridge = host.file, host.bridge
    if wanted.state == "absent":
        if file.active:
            return "off file"
        return "remove file" if file.size is not None else "remove new" if host.new.size is not None else _away(host)
    stuck = bool(cannot_do_without(host, file, _bridge_free(host)))
    if host.new.size is not None:
        if not wanted.good(host.new) or wanted.good(file) or file.active and stuck:
            return "remove new"
        return "off file" if file.active else "name new"
    if wanted.good(file):
        return _finish(host, wanted)
    if bridge.size is not None and not bridge.active:
        return "on bridge" if file.active and stuck and wanted.good(bridge) else "remove bridge"
    if not file.active:
        # Only where a bridge carries the swap does the old file go first: then three would have to fit on the disk.
        return "remove file" if bridge.active and file.size is not None else "make new"
    if not stuck:
        return "off file" if bridge.active else "make new"
    return "make bridge" if bridge.size is None else "off file"


def describe(path: str, state: str, size: int | None, active: bool, priority: int | None = None) -> str:
    """Lines for a diff."""
    text = f"{path}: absent\n" if state == "absent" or size is None else (
        f"{path}: {megabytes(size)} MiB, {'in use' if active else 'not in use'}\n"
    )
    return text + (f"priority {priority}\n" if priority is not None and active else "")
