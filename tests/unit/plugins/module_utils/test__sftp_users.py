# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._sftp_users import key, prefix, read_users
from hypothesis import given
from hypothesis import strategies as st

BLOB = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(32)
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()} partner"
CAN = {"name": "mount-s3", "can": {"forbid_delete": True, "forbid_overwrite": True}}
CANNOT = {"name": "rclone", "can": {"forbid_delete": False, "forbid_overwrite": False}}
SETTINGS = {"access_key": "", "secret_key": ""}
USER = {"name": "store1", "uid": 5001, "keys": [KEY], "bucket": "deliveries", "prefix": "in/"}


def errors(*users: Any, driver: Any = None, settings: Any = None) -> list[str]:
    return read_users(list(users), driver or CAN, settings or SETTINGS)[1]


def test_a_user_is_read_with_what_is_left_out():
    (user,), found = read_users([USER], CAN, SETTINGS)
    assert found == []
    assert (user.directory, user.read_only, user.delete, user.overwrite, user.password_hash) == ("data", False, False, False, "")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "Store1"}, "a small letter"),
        ({"name": "a" * 33}, "32 at most"),
        ({"name": "../x"}, "a small letter"),
        ({"name": "root"}, "exists in the system"),
        ({"name": None}, "non-empty"),
        ({"uid": 0}, "outside of 1000"),
        ({"uid": 65534}, "outside of 1000"),
        ({"uid": "many"}, "whole number"),
        ({"keys": []}, "neither keys nor a password_hash"),
        ({"keys": ["ssh-dss AAAA"]}, "expected a public key"),
        ({"keys": [f'command="sh" {KEY}']}, "without options"),
        ({"keys": [KEY[:-20]]}, "damaged"),
        ({"keys": [f"{KEY}\nssh-ed25519 x"]}, "one line"),
        ({"keys": KEY}, "a list"),
        ({"password_hash": "secret"}, "not a password"),
        ({"password_hash": "$6$salt$abcdefgh:0:0"}, "not a password"),
        ({"bucket": "Not_A_Bucket"}, "the name of a bucket"),
        ({"bucket": None}, "bucket"),
        ({"prefix": "in"}, "must end with a slash ('in/')"),
        ({"prefix": "/in/"}, "must not begin with a slash"),
        ({"prefix": "a/../b/"}, "'..' parts"),
        ({"prefix": "a//b/"}, "empty"),
        ({"prefix": "a\nb/"}, "control characters"),
        ({"directory": "a/b"}, "the name of a directory"),
        ({"directory": "dev"}, "other than dev"),
        ({"directory": ".."}, "the name of a directory"),
        ({"read_only": True, "delete": True}, "is read_only"),
        ({"read_only": "perhaps"}, "true or false"),
        ({"access_key": "one"}, "go together"),
        ({"access_key": "one", "secret_key": "a\nb"}, "control character"),
        ({"password": "x"}, "unknown field 'password'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(change, word):
    (error,) = errors({**USER, **change})
    assert word in error and error.startswith("sftp_s3_users[0]")


@pytest.mark.parametrize("given", [" in/", "a b/c d/", "日本 語/", "50%+/", "in/ x/"])
def test_a_prefix_is_taken_as_it_is(given):
    # Without its space it is the prefix of somebody else.
    assert read_users([{**USER, "prefix": given}], CAN, SETTINGS)[0][0].prefix == given


def test_a_uid_and_a_name_are_of_one_user():
    told = errors(USER, {**USER, "name": "other"}, {**USER, "uid": 5002})
    assert "other and store1" in " ".join(told) or "store1 and other" in " ".join(told)
    assert any("one name, store1" in error for error in told)


def test_all_that_is_wrong_is_told_at_once():
    assert len(errors({**USER, "uid": 1}, {**USER, "prefix": "x"}, {**USER, "name": "A"}, "no mapping")) == 4


@pytest.mark.parametrize(("rights", "refused"), [({}, True), ({"overwrite": True}, False), ({"read_only": True}, False)])
def test_what_a_driver_cannot_forbid_has_to_be_allowed(rights, refused):
    assert bool(errors({**USER, **rights}, driver=CANNOT)) is refused
    assert not errors({**USER, **rights}, driver=CAN)


def test_one_access_key_has_one_secret():
    pair = {"access_key": "key", "secret_key": "one"}
    assert "more than one secret_key" in errors({**USER, **pair}, {**USER, "name": "b", "uid": 5002, **pair, "secret_key": "two"})[0]


@given(st.text(max_size=40))
def test_no_prefix_that_is_accepted_leads_elsewhere(text):
    try:
        found = prefix(text, "p")
    except ValueError:
        return
    assert found == "" or (found.endswith("/") and not found.startswith("/") and ".." not in found.split("/") and "\n" not in found)


@given(st.text(max_size=80))
def test_no_text_but_a_key_is_a_key(text):
    with pytest.raises(ValueError):
        key(text, "k")
