# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a lock means something: the mount of an open descriptor, and whether locks on it reach every other user of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

# Locks of one host on these are seen by all its processes that open the same inode.
LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "jfs", "reiserfs", "ntfs3", "exfat", "vfat"})
# These pass locks on to a server or to the cluster.
NETWORK = frozenset({"nfs", "nfs4", "ceph", "gfs2", "ocfs2", "gpfs", "lustre", "beegfs"})
# Each container has its own: the lock would be taken by both sides.
PRIVATE = {
    "overlay": "is the private layer of one container",
    "aufs": "is the private layer of one container",
    "tmpfs": "is memory, private to one container as an emptyDir is, and gone with it",
    "ramfs": "is memory, private to one container and gone with it",
    "rootfs": "is memory",
    "devtmpfs": "is memory",
}


@dataclass(frozen=True)
class Mount:
    identifier: int
    device: str
    point: str
    kind: str
    options: frozenset[str]


def parse_mountinfo(lines: Iterable[str]) -> dict[int, Mount]:
    """/proc/PID/mountinfo by mount ID; lines that are not of its form are left out."""
    mounts = {}
    for line in lines:
        before, dash, after = line.partition(" - ")
        left, right = before.split(), after.split()
        if not dash or len(left) < 6 or len(right) < 2 or not left[0].isdecimal():
            continue
        options = frozenset((left[5] + "," + (right[2] if len(right) > 2 else "")).split(","))
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), left[4])
        mounts[int(left[0])] = Mount(int(left[0]), left[2], point, right[0], options)
    return mounts


def refusal(mount: Mount | None, allowed: frozenset[str] = frozenset()) -> str:
    """Why a lock on this mount protects nothing; empty if it does protect."""
    if mount is None:
        return "its mount is not in /proc/self/mountinfo, so nothing says whether others see a lock on it"
    if mount.kind in allowed:
        return ""
    if mount.kind in PRIVATE:
        return f"{mount.kind} at {mount.point} {PRIVATE[mount.kind]}"
    if mount.kind in ("nfs", "nfs4"):
        local = sorted(mount.options & {"nolock", "local_lock=all", "local_lock=flock"})
        return f"{mount.kind} at {mount.point} is mounted with {local[0]}: locks stay on this host" if local else ""
    if mount.kind in LOCAL or mount.kind in NETWORK:
        return ""
    return (f"nothing is known of locks on {mount.kind} at {mount.point}; "
            f"if others do see them, allow it by --allow-filesystem {mount.kind}")


def mount_of(descriptor: int) -> Mount | None:
    """The mount that an open descriptor came through, by the kernel's own mount ID."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        found = re.search(r"^mnt_id:\s*(\d+)", file.read(), re.MULTILINE)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return parse_mountinfo(file).get(int(found.group(1))) if found else None


def identity(descriptor: int) -> str:
    """Device and inode: the same text on every side that sees the same file, whatever its path there."""
    status = os.fstat(descriptor)
    return f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}:{status.st_ino}"
