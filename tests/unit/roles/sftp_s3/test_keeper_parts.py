# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from sabakan_sftp import accounts, config, kernel, probe, settle, status, uploads

MOUNT = {"name": "partners", "path": "/srv/s3/partners", "command": ["rclone"], "s3": {"bucket": "b", "prefix": "p/"}}
USER = {"name": "store1", "uid": 5001, "gid": 5001, "groups": [900], "mount": "partners", "directory": "data"}


def document(**changes: Any) -> bytes:
    return json.dumps({"version": 1, "mounts": [MOUNT], "users": [USER], **changes}).encode()


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
    (document(users=["store1"]), "users 0: is not an object"),
])
def test_a_wrong_configuration_is_refused(content, message):
    with pytest.raises(config.Refused, match=message.replace("(", r"\(")):
        config.parse(content)


def users() -> list[config.User]:
    return list(config.parse(document(users=[USER, {**USER, "name": "store2", "uid": 5002, "gid": 5002, "password_hash": "$y$x"}])).users.values())


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


def thing(key: str, size: int, kind: str = "") -> dict[str, Any]:
    return {"key": key, "size": size, "class": kind}


@pytest.mark.parametrize(("objects", "sample"), [
    ([], ""), ([thing("p/", 0), thing("p/a", 10), thing("p/b", 5)], "p/b"), ([thing("p/a", 2**30)], ""),
    ([thing("p/a", 10, "GLACIER")], ""), ([thing("p/d/", 3)], ""), ([thing("p/a//b", 3), thing("p/../x", 3)], ""),
])
def test_the_object_that_a_probe_reads(objects, sample):
    assert probe.choose(objects, "p/") == sample


@pytest.mark.parametrize(("start", "path", "key"), [
    ("/", "/data/x", "p/x"), ("/", "data/x", "p/x"), ("/data", "x/y", "p/x/y"), ("/", "/data/../data/./x", "p/x"),
    ("/", "/data", ""), ("/", "/dev/log", ""), ("/", "/data/../../../etc/passwd", ""), ("/", "/database/x", ""),
])
def test_which_object_a_path_stands_for(start, path, key):
    user = config.parse(document(users=[{**USER, "start": start}])).users["store1"]
    assert uploads.locate(user, "p/", path) == key


def opened(book: uploads.Uploads, pid: int = 7, path: str = "/data/x", flags: tuple[str, ...] = ("WRITE", "CREATE", "TRUNCATE"), now: float = 100.0):
    return book.opened(pid, users()[0], "partners", f"p/{path[6:]}", path, list(flags), now)


def test_an_upload_that_was_closed_is_whole():
    book = uploads.Uploads()
    opened(book)
    assert book.closed(7, "/data/x", 10, False, 101.0) is None
    assert not book.open and not book.unsettled()


@pytest.mark.parametrize(("event", "reason", "written"), [
    (lambda book: book.closed(7, "/data/x", 10, True, 101.0), "the session ended with the file open", 10),
    (lambda book: book.ended(7, 101.0), "the session's process was killed", None),
    (lambda book: book.lost("partners", 101.0), "the mount died", None),
])
def test_an_upload_that_was_not_closed_is_truncated(event, reason, written):
    book = uploads.Uploads()
    opened(book)
    event(book)
    assert [(one["reason"], one["written"], one["key"]) for one in book.unsettled()] == [(reason, written, "p/x")]


def test_others_uploads_are_not_touched():
    book = uploads.Uploads()
    opened(book)
    book.ended(8, 1.0), book.lost("other", 1.0), book.closed(8, "/data/x", 1, True, 1.0), book.closed(7, "/data/y", 1, True, 1.0)
    assert len(book.open) == 1 and not book.truncated


@pytest.mark.parametrize("cut", range(0, 700, 60))
def test_a_journal_that_was_cut_anywhere_forgets_no_upload_that_it_knew(tmp_path, cut):
    book, journal = uploads.Uploads(), uploads.Journal(tmp_path / "uploads.jsonl")
    opened(book)
    opened(book, path="/data/y")
    book.closed(7, "/data/y", 5, False, 101.0)
    journal.append(book.fresh)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:cut])
    again = uploads.Uploads()
    again.restore(journal.load(), 200.0)
    lines = whole[:cut].count(b"\n")
    assert {one["key"] for one in again.unsettled()} >= {"p/x"} if lines else True
    if cut >= len(whole):
        assert [(one["key"], one["reason"]) for one in again.unsettled()] == [("p/x", "the keeper or its container ended")]
    journal.replace(again.snapshot())
    third = uploads.Uploads()
    third.restore(journal.load(), 300.0)
    assert {one["key"] for one in third.unsettled()} == {one["key"] for one in again.unsettled()} and not third.fresh


RECORD = {"id": "0123456789abcdef", "key": "p/x", "time": 1000.0, "ended": 1010.0, "written": 50, "whole": True, "mount": "m"}


@pytest.mark.parametrize(("record", "found", "judged"), [
    ({}, {"size": 50, "age": 5.0}, "proven"),
    ({}, {"size": 51, "age": 5.0}, "other"),
    ({}, {"size": 50, "age": 500.0}, "other"),
    ({}, {"size": 50, "age": None}, "other"),
    ({"whole": False}, {"size": 50, "age": 5.0}, "other"),
    ({"written": None}, {"size": 7, "age": 5.0}, "likely"),
    ({"written": None}, {"size": 7, "age": 50.0}, "other"),
])
def test_whether_an_object_is_what_the_upload_left(record, found, judged):
    assert uploads.verdict({**RECORD, **record}, found, 1012.0) == judged


@pytest.mark.parametrize(("policy", "judged", "done"), [
    ("record", "proven", "record"), ("quarantine", "proven", "quarantine"), ("quarantine", "likely", "quarantine"), ("quarantine", "other", "record"),
    ("remove", "proven", "remove"), ("remove", "likely", "quarantine"), ("remove", "other", "record"),
])
def test_nothing_is_removed_without_proof(policy, judged, done):
    assert uploads.action(policy, judged) == done


class Store:
    def __init__(self, **objects: dict[str, Any]) -> None:
        self.objects = {f"p/{name}": found for name, found in objects.items()}
        self.after_copy: dict[str, Any] | None = None

    def head(self, key):
        return self.objects.get(key)

    def copy(self, source, target, found):
        self.objects[target] = dict(self.objects[source])
        if self.after_copy:
            self.objects[source] = self.after_copy

    def delete(self, key, found):
        del self.objects[key]
        return True


FOUND = {"size": 50, "age": 5.0, "etag": '"a"', "version": ""}


def settled(store: Store, policy: str, **changes: Any) -> dict[str, str]:
    return settle.settle(store, {**RECORD, **changes}, policy, "quarantine/", 0, lambda: 1012.0, lambda seconds: None)


@pytest.mark.parametrize(("store", "policy", "changes", "outcome", "keys"), [
    (Store(), "quarantine", {}, "absent", []),
    (Store(x=FOUND), "record", {}, "recorded", ["p/x"]),
    (Store(x=FOUND), "quarantine", {}, "quarantined", ["quarantine/p/x.19700101T001650Z-01234567"]),
    (Store(x=FOUND), "remove", {}, "removed", []),
    (Store(x=FOUND), "remove", {"written": None}, "quarantined", ["quarantine/p/x.19700101T001650Z-01234567"]),
    (Store(x={**FOUND, "size": 99}), "remove", {}, "other", ["p/x"]),
])
def test_what_becomes_of_a_truncated_upload(store, policy, changes, outcome, keys):
    assert settled(store, policy, **changes)["outcome"] == outcome
    assert sorted(store.objects) == keys


def test_an_object_that_was_replaced_meanwhile_stays():
    store = Store(x=FOUND)
    store.after_copy = {**FOUND, "etag": '"b"'}
    assert settled(store, "quarantine")["outcome"] == "replaced"
    assert store.objects["p/x"]["etag"] == '"b"'


def test_a_quarantine_that_was_interrupted_after_its_end_is_told_as_done():
    store = Store(x=FOUND)
    settled(store, "quarantine")
    assert settled(store, "quarantine")["outcome"] == "quarantined"


def test_memory_is_read_from_either_cgroup(tmp_path):
    new, old = tmp_path / "new", tmp_path / "old"
    new.mkdir(), old.mkdir()
    (old / "memory.limit_in_bytes").write_text("157286400\n")
    (old / "memory.oom_control").write_text("oom_kill 3\n")
    assert status.memory(new, old)["limit"] == 157286400 and status.events(new, old) == "oom_kill 3\n"
    (new / "memory.max").write_text("max\n")
    (new / "memory.events").write_text("oom_kill 1\n")
    assert status.memory(new, old)["limit"] is None and status.events(new, old) == "oom_kill 1\n"


def test_a_mount_that_does_not_serve_makes_the_container_unhealthy():
    live, dead = {"state": "live", "error": ""}, {"state": "dead", "error": "bucket b does not exist"}
    assert not status.reasons({"a": live}, "")
    assert status.reasons({"a": live, "b": dead}, "sshd ended") == ["mount b: bucket b does not exist", "sshd: sshd ended"]
