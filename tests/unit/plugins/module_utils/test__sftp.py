# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sabakan.vps.plugins.module_utils._sftp import sftp_plan, words

FOLDER = Path(__file__).resolve().parents[4] / "roles" / "sftp_s3" / "vars" / "drivers"
DRIVERS = [yaml.safe_load(path.read_text())["__sftp_s3_driver"] for path in sorted(FOLDER.glob("*.yml"))]
KEY = "ssh-ed25519 " + base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(32)).decode()
NAMES = [driver["name"] for driver in DRIVERS]
SETTINGS: dict[str, Any] = {
    "endpoint": "", "region": "us-east-1", "path_style": False, "ca_certificate": "", "access_key": "", "secret_key": "", "memory": 4096,
    "memory_swap": 4096, "memory_target": 0, "readers": 4, "writers": 4, "mounts": 1, "host_memory": 8000, "host_reserve": 192, "host_swap": 0,
    "swappiness": -1, "cgroup": 2, "probe_interval": 2, "probe_timeout": 5, "backoff_max": 30, "on_truncated": "record",
    "quarantine_prefix": "quarantine/", "driver_version": "", "driver_url": "", "driver_signers": [], "driver_options": [], "architecture": "x86_64",
}
HASH = "$6$salt$abcdefghijkl"
WRITER = {"name": "writer", "uid": 5001, "keys": [KEY], "bucket": "films", "prefix": "in/", "overwrite": True, "password_hash": HASH}
READER = {"name": "reader", "uid": 5002, "keys": [KEY], "bucket": "films", "prefix": "in/", "read_only": True}


def plan(*users: Any, driver: str = "mount-s3", **settings: Any) -> Any:
    return sftp_plan(list(users), driver, DRIVERS, {**SETTINGS, **settings})


def command(*users: Any, driver: str = "mount-s3", **settings: Any) -> str:
    found = plan(*users, driver=driver, **settings)
    assert not found.errors
    return " ".join(found.config["mounts"][0]["command"])


def test_mount_s3_is_called_as_it_documents():
    said = command(READER, endpoint="https://s3.example:8080", path_style=True, ca_certificate="PEM", region="ap-northeast-1")
    assert said.startswith("mount-s3 films /srv/s3/films-")
    for part in (
        "--foreground", "--prefix=in/", "--region ap-northeast-1", "--endpoint-url https://s3.example:8080", "--force-path-style",
        "--ca-bundle /etc/sabakan-sftp/ca.crt", "--read-only", "--allow-other", "--uid 900", "--gid 900", "--memory-target ",
        "--read-part-size 8388608", "--write-part-size 8388608",
    ):
        assert f" {part}" in said
    assert "--allow-delete" not in said and "--allow-overwrite" not in said


def test_amazons_own_store_and_a_whole_bucket_need_no_options():
    said = command({**WRITER, "prefix": "", "delete": True})
    assert "--prefix" not in said and "--endpoint-url" not in said and "--force-path-style" not in said
    assert "--allow-delete" in said and "--allow-overwrite" in said and "--read-only" not in said
    assert plan(WRITER).config["mounts"][0]["environment_file"] == ""


def test_further_options_come_last():
    assert command(WRITER, driver_options=["--upload-checksums", "off"]).endswith(" --upload-checksums off")
    assert command(WRITER, driver="s3fs", driver_options=["-o", "nocopyapi"]).endswith(" -o nocopyapi")


def test_only_without_keys_is_an_instance_asked_for_them():
    assert plan(WRITER).config["mounts"][0]["environment"] == {}
    found = plan(WRITER, access_key="k", secret_key="s").config["mounts"][0]
    assert found["environment"] == {"AWS_EC2_METADATA_DISABLED": "true"}


@pytest.mark.parametrize("driver", NAMES)
def test_a_driver_leaves_no_field_unfilled(driver):
    for settings in ({}, {"endpoint": "http://s3:1", "path_style": True, "ca_certificate": "P", "access_key": "k", "secret_key": "s"}):
        found = plan(WRITER, READER, driver=driver, **settings)
        text = json.dumps(found.config["mounts"])
        assert "{" + "bucket" not in text and "None" not in text and "True" not in text
        assert all(word for mount in found.config["mounts"] for word in mount["command"])


@pytest.mark.parametrize("driver", NAMES)
def test_no_secret_is_in_a_command_or_the_configuration(driver):
    found = plan(WRITER, driver=driver, access_key="the-access-key", secret_key="the-secret-key")
    assert "the-secret-key" not in json.dumps(found.config) and "the-access-key" not in json.dumps(found.config)
    name, secrets = next(iter(found.secrets.items()))
    assert sorted(secrets.values()) == ["the-access-key", "the-secret-key"]
    assert found.config["mounts"][0]["environment_file"] == f"/etc/sabakan-sftp/secrets/{name}.env"


def test_another_secret_changes_the_mount_and_not_its_name():
    one, other = (plan(WRITER, access_key="key", secret_key=secret).config["mounts"][0] for secret in ("one", "other"))
    assert one["name"] == other["name"] and one["secrets_digest"] != other["secrets_digest"]


def test_users_of_the_same_objects_with_the_same_rights_share_a_mount():
    found = plan(WRITER, READER, {**READER, "name": "second", "uid": 5003}, {**READER, "name": "third", "uid": 5004, "prefix": "other/"})
    assert len(found.config["mounts"]) == 3
    by_user = {user["name"]: user["mount"] for user in found.config["users"]}
    assert by_user["reader"] == by_user["second"] and len(set(by_user.values())) == 3


@pytest.mark.parametrize("driver", NAMES)
def test_who_comes_or_goes_changes_no_mount_of_another(driver):
    def mounts(*users: Any) -> list[Any]:
        return plan(*users, driver=driver, mounts=2).config["mounts"]

    both = mounts(WRITER, READER)
    assert mounts(WRITER)[0] in both and mounts(READER)[0] in both
    assert mounts({**READER, "name": "aaa", "uid": 5009}, WRITER, READER) == both


def test_what_a_driver_cannot_forbid_sshd_does():
    found = plan(WRITER, READER, {**WRITER, "name": "free", "uid": 5003, "delete": True}, driver="rclone")
    assert found.restricted == {"-R": ["reader"], "-P remove,rmdir,rename,posix-rename": ["writer"]}


@pytest.mark.parametrize(
    ("user", "settings", "actions"),
    [
        (READER, {}, {"s3:ListBucket", "s3:GetObject"}),
        (READER, {"on_truncated": "remove"}, {"s3:ListBucket", "s3:GetObject"}),
        (WRITER, {}, {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}),
        (WRITER, {"on_truncated": "remove"},
         {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion"}),
        ({**WRITER, "delete": True}, {}, {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"}),
    ],
)
def test_the_policy_is_the_least(user, settings, actions):
    policy = next(iter(plan(user, **settings).policies.values()))
    assert {action for statement in policy["Statement"] for action in statement["Action"]} == actions
    assert policy["Statement"][0]["Condition"]["StringLike"]["s3:prefix"][:2] == ["in", "in/*"]
    assert policy["Statement"][1]["Resource"] == ["arn:aws:s3:::films/in/*"]


@pytest.mark.parametrize("on_truncated", ["quarantine", "remove"])
def test_what_is_put_aside_can_be_looked_at_there_and_deleted_here(on_truncated):
    # Also where truncated uploads are removed: one that is not proven to be such is put aside.
    policy = plan(WRITER, on_truncated=on_truncated).policies["writer"]
    assert policy["Statement"][2] == {
        "Sid": "Quarantine", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
        "Resource": ["arn:aws:s3:::films/quarantine/in/*"]}
    assert policy["Statement"][0]["Condition"] == {"StringLike": {"s3:prefix": ["in", "in/*", "quarantine/in/*"]}}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"driver": "geesefs"}, "mount-s3, rclone, s3fs are"),
        ({"endpoint": "s3.example"}, "sftp_s3_endpoint"),
        ({"endpoint": "https://s3.example/path"}, "sftp_s3_endpoint"),
        ({"region": ""}, "sftp_s3_region"),
        ({"swappiness": 100}, "swap_swappiness"),
        ({"swappiness": 101, "cgroup": 1}, "0 to 100"),
        ({"quarantine_prefix": "q"}, "must end with a slash"),
        ({"quarantine_prefix": "", "on_truncated": "quarantine"}, "is empty"),
        ({"quarantine_prefix": "in/bad/", "on_truncated": "quarantine"}, "lies within the prefix in/"),
        ({"quarantine_prefix": "in/bad/", "on_truncated": "remove"}, "lies within the prefix in/"),
        ({"quarantine_prefix": "", "on_truncated": "remove"}, "is empty"),
        ({"memory": 512, "memory_swap": 512}, "cannot carry mount-s3"),
        ({"driver_version": "1.10.0"}, "older than 1.24.0"),
        ({"architecture": "armv7l"}, "armv7l"),
        ({"driver_options": ["--memory-target", "600"]}, "--memory-target is set by the role itself"),
        ({"driver_options": ["--prefix=x/"]}, "--prefix=x/ is set by the role itself"),
        ({"driver": "rclone", "driver_options": ["--timeout=9s", "--uid=0"]}, "driver_options: --uid=0 is set by the role itself"),
        ({"driver_options": [""]}, "one of the words is empty"),
    ],
)
def test_a_plan_that_cannot_be_kept_is_refused(settings, word):
    found = plan(WRITER, **settings)
    assert word in " ".join(found.errors) and not found.config


def test_swappiness_is_for_version_1():
    assert not plan(WRITER, swappiness=100, cgroup=1).errors


def test_numbers_may_come_as_text():
    found = plan(WRITER, memory="4096", path_style="true", swappiness="-1")
    assert found.errors == [] and found.config["memory"] == 4096
    with pytest.raises(ValueError, match="sftp_s3_memory"):
        plan(WRITER, memory="1g")


def test_the_summary_tells_a_new_hash_and_not_which():
    one, other = (plan({**WRITER, "password_hash": value}).summary for value in (HASH, HASH + "x"))
    assert one != other and HASH not in json.dumps([one, other])


def test_words_stand_where_their_field_does():
    template = ["a", {"if": "x", "words": ["{x}"]}, {"unless": "x", "words": ["none"]}]
    assert (words(template, {"x": "b"}), words(template, {"x": ""})) == (["a", "b"], ["a", "none"])


@pytest.mark.parametrize("signers", [True, "A", [None], [{"since": "1.0"}], [{"fingerprint": "A"}]])
def test_signers_without_version_or_fingerprint_are_refused(signers):
    with pytest.raises(ValueError, match="sftp_s3_driver_signers"):
        plan(WRITER, driver_signers=signers)


@pytest.mark.parametrize("settings", [None, "", []])
def test_settings_that_are_no_mapping_are_refused(settings):
    with pytest.raises(ValueError, match="must be a mapping"):
        sftp_plan([WRITER], "mount-s3", DRIVERS, settings)


@pytest.mark.parametrize("driver", NAMES)
def test_a_right_that_goes_ends_the_sessions_that_have_it(driver):
    """The keeper ends those of a user who is another one to it, or whose mount is."""
    before, after = (plan({**WRITER, "delete": delete}, driver=driver).config["users"] for delete in (True, False))
    assert before != after
