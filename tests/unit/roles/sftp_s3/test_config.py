# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_sftp import config

from .documents import MOUNT, USER, document


def test_a_configuration_is_read():
    found = config.parse(document(sshd={"config_digest": "x"}))
    assert found.users["store1"].groups == (900,) and found.mounts["partners"].s3.prefix == "p/"
    assert found.sshd_command[0] == "/usr/sbin/sshd" and found.sshd_digest == "x" and len(found.digest) == 64


@pytest.mark.parametrize(("content", "message"), [
    (b"{", "is no JSON"),
    (b"[]", "version is not 1"),
    (document(version=2), "version is not 1"),
    (document(mounts=[{**MOUNT, "s3": {"bucket": "b", "prefix": "p"}}]), "mounts partners: s3.prefix 'p' does not end with a slash"),
    (document(mounts=[{**MOUNT, "s3": {}}]), "s3.bucket is missing"),
    (document(mounts=[{**MOUNT, "command": []}]), "command is empty"),
    (document(mounts=[{**MOUNT, "path": "../x"}]), "is not absolute"),
    (document(mounts=[{**MOUNT, "on_truncated": "forget"}]), "on_truncated: 'forget' is none of"),
    (document(mounts=[{**MOUNT, "on_truncated": "remove", "quarantine_prefix": "p/"}]), "must end with a slash and not be"),
    (document(mounts=[{**MOUNT, "probe_timeout": 0}]), "probe_timeout: 0 is not above 0"),
    (document(mounts=[MOUNT, MOUNT]), "mount name given twice: partners"),
    (document(mounts=[MOUNT, {**MOUNT, "name": "b", "path": "/srv/s3/partners/x"}]), "one path holds the other"),
    (document(users=[USER, {**USER, "name": "store2"}]), "uid given twice: 5001"),
    (document(users=[USER, {**USER, "uid": 5002}]), "user name given twice: store1"),
    (document(users=[{**USER, "mount": "none"}]), "user store1: there is no mount 'none'"),
    (document(users=[{**USER, "uid": 0}]), "users store1: uid 0 is not between"),
    (document(users=[{**USER, "name": "a:b"}]), "is no login name"),
    (document(users=[{**USER, "directory": "../etc"}]), "is not one plain name"),
    (document(users=[{**USER, "password_hash": "x:y"}]), "password_hash has a colon"),
    (document(users=[{**USER, "keys": ["a\nb"]}]), "a key has more than one line"),
    (document(users={"a": 1}), "users is not a list"),
    (document(memory="512m"), "memory: '512m' is no number of MiB"),
    (document(users=["store1"]), "users 0: is not an object"),
])
def test_a_wrong_configuration_is_refused(content, message):
    with pytest.raises(config.Refused, match=message.replace("(", r"\(")):
        config.parse(content)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)
MOUNT_FIELDS = ["name", "path", "command", "s3", "environment", "environment_file", "unmount", "probe_timeout", "on_truncated", "quarantine_prefix"]
USER_FIELDS = ["name", "uid", "gid", "groups", "mount", "directory", "password_hash", "keys", "start"]


@given(st.dictionaries(st.sampled_from(MOUNT_FIELDS), JSON, max_size=2), st.dictionaries(st.sampled_from(USER_FIELDS), JSON, max_size=2),
       st.dictionaries(st.sampled_from(["sshd", "users", "mounts", "version", "memory"]), JSON, max_size=1))
def test_no_configuration_breaks_the_reading(mount, user, others):
    """A keeper that ended by one would take every session along."""
    try:
        found = config.parse(document(**{"mounts": [{**MOUNT, **mount}], "users": [{**USER, **user}], **others}))
    except config.Refused:
        return
    assert all(one.mount in found.mounts for one in found.users.values())
