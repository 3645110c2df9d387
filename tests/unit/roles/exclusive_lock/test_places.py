# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_exclusive.lock import container
from sabakan_exclusive.places import Mount, parse_mountinfo, refusal

MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:52 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
31 22 0:60 / /var/lib/ceph\040osd rw,nosuid - tmpfs tmpfs rw,size=65536k
32 22 0:61 /x /srv/nfs rw master:3 - nfs4 10.0.0.1:/x rw,vers=4.2,local_lock=none
33 22 0:62 /x /srv/old rw - nfs 10.0.0.1:/x rw,nolock,local_lock=all
a line of no form
"""


def mount(kind: str, *options: str) -> Mount:
    return Mount(1, "0:1", "/data", kind, frozenset(options))


def test_mountinfo_is_read_by_mount_id_with_escapes_and_optional_fields() -> None:
    mounts = parse_mountinfo(MOUNTINFO.splitlines())
    assert {number: (found.kind, found.point) for number, found in mounts.items()} == {
        22: ("ext4", "/"), 30: ("overlay", "/"), 31: ("tmpfs", "/var/lib/ceph osd"), 32: ("nfs4", "/srv/nfs"), 33: ("nfs", "/srv/old"),
    }
    assert refusal(mounts[33]) == "nfs at /srv/old is mounted with local_lock=all: locks stay on this host"


@pytest.mark.parametrize("found", [mount("ext4"), mount("xfs"), mount("btrfs"), mount("ceph"), mount("nfs4", "local_lock=none")])
def test_a_lock_on_a_shared_file_system_protects(found: Mount) -> None:
    assert refusal(found) == ""


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (mount("overlay"), "overlay at /data is the private layer of one container"),
        (mount("tmpfs"), "private to one container as an emptyDir is"),
        (mount("ramfs"), "ramfs at /data is memory"),
        (mount("nfs", "nolock"), "mounted with nolock"),
        (mount("nfs4", "local_lock=flock"), "mounted with local_lock=flock"),
        (mount("fuse.s3fs"), "--allow-filesystem fuse.s3fs"),
        (mount("9p"), "nothing is known of locks on 9p"),
        (None, "not in /proc/self/mountinfo"),
    ],
)
def test_a_lock_elsewhere_is_refused_with_the_reason(found: Mount | None, reason: str) -> None:
    assert reason in refusal(found)


def test_an_unknown_file_system_can_be_allowed_by_name_alone() -> None:
    assert refusal(mount("fuse.s3fs"), frozenset({"fuse.s3fs"})) == ""
    assert refusal(mount("fuse.rclone"), frozenset({"fuse.s3fs"})) != ""


WORD = st.text(st.characters(blacklist_categories=("Z", "C")), min_size=1, max_size=12)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading_of_mountinfo(text: str) -> None:
    assert all(found.identifier == number for number, found in parse_mountinfo(text.splitlines()).items())
    assert isinstance(container(text), str)


@given(st.integers(1, 10**9), WORD, st.lists(st.sampled_from(["shared:1", "master:3", "unbindable"]), max_size=3), st.lists(WORD, min_size=1, max_size=3))
def test_a_mount_is_read_with_any_number_of_optional_fields(number: int, name: str, optional: list[str], options: list[str]) -> None:
    """The kernel writes a space in a path as \\040, and a backslash as \\134."""
    point = f"/srv/{name} x"
    escaped = point.replace("\\", "\\134").replace(" ", "\\040")
    line = " ".join([str(number), "1", "0:7", "/", escaped, "rw", *optional, "-", "nfs", "server:/x", ",".join(options)])
    assert parse_mountinfo([line]) == {number: Mount(number, "0:7", point, "nfs", frozenset(["rw", *",".join(options).split(",")]))}
