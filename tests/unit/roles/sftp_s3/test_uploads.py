# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from sabakan_sftp import config, probe, uploads

from .documents import USER, document, users


def thing(key: str, size: int, kind: str = "") -> dict[str, Any]:
    return {"key": key, "size": size, "class": kind}


@pytest.mark.parametrize(("objects", "sample"), [
    ([], ""), ([thing("p/", 0), thing("p/a", 10), thing("p/b", 5)], "p/b"), ([thing("p/a", 2**30)], ""),
    ([thing("p/a", 10, "GLACIER")], ""), ([thing("p/d/", 3)], ""), ([thing("p/a//b", 3), thing("p/../x", 3)], ""),
    ([thing("p/\0", 3), thing("p/a\x01", 3), thing("p/b", 9)], "p/b"),
])
def test_the_object_that_a_probe_reads(objects, sample):
    assert probe.choose(objects, "p/") == sample


@pytest.mark.parametrize(("start", "path", "key"), [
    ("/", "/data/x", "p/x"), ("/", "data/x", "p/x"), ("/data", "x/y", "p/x/y"), ("/", "/data/../data/./x", "p/x"),
    ("/", "//data/x", "p/x"), ("//", "data//x/", "p/x"),
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


@pytest.mark.parametrize("room", [0, 1, 40, 150])
def test_a_disk_that_is_full_for_a_while_loses_no_line(tmp_path, monkeypatch, room):
    """The kernel takes the part of a line that there is room for."""
    book, journal = uploads.Uploads(), uploads.Journal(tmp_path / "uploads.jsonl")
    opened(book)

    def full(descriptor):
        os.truncate(journal.path, room)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append(book.fresh)
    journal.append(book.fresh)
    again = uploads.Uploads()
    again.restore(journal.load(), 200.0)
    assert [one["key"] for one in again.unsettled()] == ["p/x"]


def test_a_line_that_a_crash_cut_takes_no_other_with_it(tmp_path):
    journal, book = uploads.Journal(tmp_path / "uploads.jsonl"), uploads.Uploads()
    journal.path.write_bytes(b'{"event": "clo')
    assert journal.load() == []
    opened(book)
    journal.append(book.fresh)
    assert [one["event"] for one in journal.load()] == ["open"]


@pytest.mark.parametrize(("flags", "whole"), [
    (("WRITE", "CREATE", "TRUNCATE"), True),  # sftp, rclone, paramiko, lftp, curl
    (("WRITE", "CREATE", "EXCL"), True),  # WinSCP that asks before it overwrites
    (("WRITE", "CREATE"), False),  # scp, Cyberduck
    (("WRITE", "APPEND"), False),
])
def test_whether_all_of_an_object_is_of_an_upload(flags, whole):
    assert opened(uploads.Uploads(), flags=flags)["whole"] is whole
