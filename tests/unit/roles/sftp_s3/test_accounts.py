# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from sabakan_sftp import accounts, kernel

from .documents import users


def test_the_account_files_keep_what_is_the_images():
    image = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
    once = accounts.passwd(image + "old:x:5009:5009::/home/old:/usr/sbin/nologin\n", users())
    assert once == image + ("store1:x:5001:5001::/home/store1:/usr/sbin/nologin\n"
                            "store2:x:5002:5002::/home/store2:/usr/sbin/nologin\n")
    assert accounts.passwd(once, users()) == once
    shadow = accounts.shadow("root:*:1::::::\nold:x:1::::::\n", {"root", "nobody"}, users())
    assert [line.split(":")[:2] for line in shadow.splitlines()] == [["root", "*"], ["store1", "*"], ["store2", "$y$x"]]


def test_a_user_who_is_gone_is_gone_from_the_groups():
    image = "root:x:0:\nsabakan-sftp:x:900:admin\n"
    both = accounts.group(image, {"root", "admin"}, users())
    assert "sabakan-sftp:x:900:admin,store1,store2\n" in both and "store1:x:5001:\n" in both
    assert accounts.group(both, {"root", "admin"}, []) == image


@pytest.mark.parametrize(("cmdline", "user"), [
    (b"sshd-session: store1@internal-sftp\0\0", "store1"), (b"sshd-session: store1 [priv]\0", "store1"), (b"sshd: store1@notty", "store1"),
    (b"sshd-session: store10@internal-sftp", "store10"), (b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", ""),
    (b"rclone\0mount\0store1@x", ""), (b"", ""),
])
def test_whose_session_a_process_is(cmdline, user):
    assert accounts.title(cmdline) == user


def test_mounts_are_read_from_the_kernels_table():
    table = kernel.parse(
        "36 35 0:9 / / rw,relatime - overlay overlay rw\n"
        "40 36 0:50 / /srv/s3/a\\040b rw,nosuid - fuse.rclone x:b/p rw,user_id=0\n"
        "41 36 0:50 / /home/u/data ro,nosuid shared:5 master:1 - fuse.rclone x rw\nrubbish\n")
    assert [(one.device, one.path, one.kind, one.read_only) for one in table] == [
        ("0:9", "/", "overlay", False), ("0:50", "/srv/s3/a b", "fuse.rclone", False), ("0:50", "/home/u/data", "fuse.rclone", True)]
    assert kernel.at("/srv/s3/a b", table) == [table[1]]
