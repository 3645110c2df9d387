# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions as internal-sftp tells of them: it logs an open before it tries, and a status alone when that failed."""

from __future__ import annotations

import pytest
from sabakan_sftp import config, sessions, uploads

from .documents import MOUNT, USER, document

OPEN = 'open "/data/x" flags WRITE,CREATE,TRUNCATE mode 0666'
END = "session closed for local user store1 from [192.0.2.1]"


@pytest.fixture
def heard():
    """What these lines of one session make of the book of uploads."""
    def hear(*lines: str) -> uploads.Uploads:
        book, found = uploads.Uploads(), config.parse(document())
        made = sessions.Sessions(lambda: found, book, lambda kind, **values: None, lambda pid: True)
        for text in lines:
            made.sftp("store1", 7, f"<86>internal-sftp[7]: {text}".encode(), 100.0)
        return book
    return hear


@pytest.mark.parametrize("lines", [
    [OPEN, "sent status Permission denied"], [OPEN, "sent status No such file"],
    [OPEN, "Refusing open request in read-only mode", "sent status Permission denied"],
])
def test_an_open_that_was_refused_is_no_upload(heard, lines):
    book = heard(*lines)
    book.lost("partners", 101.0)
    assert not book.open and not book.truncated
    again = uploads.Uploads()
    again.restore(book.fresh, 200.0)
    assert not again.truncated


@pytest.mark.parametrize("lines", [[OPEN], [OPEN, "sent status Failure"], [OPEN, 'stat name "/data/y"', "sent status No such file"]])
def test_an_open_that_may_have_worked_is_one(heard, lines):
    assert len(heard(*lines).open) == 1


def test_what_is_open_at_the_end_is_told_before_it_and_the_rest_was_never_open(heard):
    book = heard(OPEN, "sent status Failure", OPEN.replace("/x", "/y"), 'forced close "/data/y" bytes read 0 written 5', END)
    assert not book.open
    assert [record["key"] for record in book.unsettled()] == ["p/y"]


@pytest.mark.parametrize(("after", "superseded"), [([], True), (["sent status Permission denied"], False), (["sent status Failure", END], False)])
def test_only_an_open_that_worked_takes_the_place_of_a_truncated_upload(after, superseded):
    book, found, now = uploads.Uploads(), config.parse(document()), iter(range(100, 200))
    made = sessions.Sessions(lambda: found, book, lambda kind, **values: None, lambda pid: True)
    for pid, text in [(7, OPEN), (7, OPEN.replace("open", "forced close").replace("flags WRITE,CREATE,TRUNCATE mode 0666", "bytes read 0 written 5")),
                      *((8, text) for text in (OPEN, *after))]:
        made.sftp("store1", pid, f"<86>internal-sftp[{pid}]: {text}".encode(), float(next(now)))
    record = book.unsettled()[0]
    assert book.superseded(record, made.last_open) is superseded


def test_a_status_after_the_mount_was_lost_changes_nothing(heard):
    book, found = uploads.Uploads(), config.parse(document())
    made = sessions.Sessions(lambda: found, book, lambda kind, **values: None, lambda pid: True)
    made.sftp("store1", 7, f"<86>internal-sftp[7]: {OPEN}".encode(), 100.0)
    made.lost("partners", 101.0)
    made.sftp("store1", 7, b"<86>internal-sftp[7]: sent status No such file", 102.0)
    assert len(book.unsettled()) == 1


@pytest.mark.parametrize("first", [OPEN, OPEN.replace("TRUNCATE", "EXCL")])
def test_an_upload_that_was_opened_at_the_second_try_is_whole_once_it_is_closed(heard, first):
    """WinSCP asks for a name that must not be there, and again when its user has said that it may be; others try again in the session."""
    book = heard(first, "sent status Failure", 'stat name "/data/x"', OPEN, 'close "/data/x" bytes read 0 written 5')
    assert not book.open
    book.lost("partners", 200.0)
    assert not book.truncated


def test_an_upload_whose_write_failed_and_that_was_closed_leaves_the_next_one_open(heard):
    book = heard(OPEN, "sent status Failure", 'close "/data/x" bytes read 0 written 0', OPEN)
    assert len(book.open) == 1


CLOSE = 'close "/data/x" bytes read 0 written 5'
MOUNTS = [MOUNT, {**MOUNT, "name": "deleters", "path": "/srv/s3/deleters"}]
USERS = [USER, {**USER, "name": "store2", "uid": 5002, "gid": 5002, "mount": "deleters"}]


def two_users(*lines: tuple[str, int, str]) -> tuple[uploads.Uploads, sessions.Sessions]:
    """Two with other rights, hence on two mounts, on the objects of one bucket; (user, process, line) of each second."""
    book, found = uploads.Uploads(), config.parse(document(mounts=MOUNTS, users=USERS))
    made = sessions.Sessions(lambda: found, book, lambda kind, **values: None, lambda pid: True)
    for now, (user, pid, text) in enumerate(lines, 100):
        made.sftp(user, pid, f"<86>internal-sftp[{pid}]: {text}".encode(), float(now))
    return book, made


def test_an_upload_through_another_mount_takes_the_place_of_a_truncated_one_too():
    book, made = two_users(("store1", 7, OPEN), ("store2", 8, OPEN), ("store2", 8, CLOSE))
    made.ended(7, 110.0)
    assert book.superseded(book.unsettled()[0], made.last_open)


@pytest.mark.parametrize(("lines", "superseded"), [
    ([("store1", 8, OPEN), ("store1", 8, CLOSE)], True),
    ([("store2", 8, OPEN), ("store2", 8, CLOSE)], True),
    ([("store1", 8, OPEN), ("store1", 8, "sent status Permission denied")], False),
    ([("store1", 8, OPEN.replace("/x", "/y")), ("store1", 8, CLOSE.replace("/x", "/y"))], False),
])
def test_what_took_the_place_of_an_upload_is_known_after_a_restart(lines, superseded):
    """A client is cut off, comes back and puts its file whole, and the container ends before the server missed the first session."""
    book, _made = two_users(("store1", 7, OPEN), *lines)
    again = uploads.Uploads()
    last = again.restore(book.fresh, 200.0)
    assert [again.superseded(record, last) for record in again.unsettled()] == [superseded]


@pytest.mark.parametrize(("read_only", "uploads_open"), [(True, 0), (False, 1)])
def test_a_download_of_a_long_name_by_one_who_only_reads_is_no_upload(read_only, uploads_open):
    """Of its line the end is missing, and with it the flags."""
    book, found = uploads.Uploads(), config.parse(document(users=[{**USER, "read_only": read_only}]))
    made = sessions.Sessions(lambda: found, book, lambda kind, **values: None, lambda pid: True)
    made.sftp("store1", 7, b"<86>internal-sftp[7]: " + ('open "/data/' + "\\343\\202\\253" * 90).encode()[:1023], 100.0)
    assert len(book.open) == uploads_open


WRITE_FAILED = 'process_write: write "/data/x": Invalid argument'


@pytest.mark.parametrize(("lines", "failed"), [
    ([WRITE_FAILED, "sent status Bad message"], True),
    ([WRITE_FAILED.replace("Invalid argument", "Input/output error"), "sent status Failure"], True),
    (['mkdir name "/data/d" mode 0777', "sent status Failure"], False),
    (['open "/data/y" flags READ mode 0666', "sent status Failure"], False),
    ([], False),
])
def test_a_close_tells_of_a_write_that_failed_and_of_nothing_else_that_did(lines, failed):
    """Of a client that has more than one thing under way in its session."""
    told, found = [], config.parse(document())
    made = sessions.Sessions(lambda: found, uploads.Uploads(), lambda kind, **values: told.append({"event": kind, **values}), lambda pid: True)
    for text in (OPEN, *lines, CLOSE):
        made.sftp("store1", 7, f"<86>internal-sftp[7]: {text}".encode(), 100.0)
    assert [event.get("failed", False) for event in told if event["event"] == "close"] == [failed]


LONG = "/data/" + "鯖" * 60
VIS = "".join(f"\\{byte:03o}" if byte > 126 else chr(byte) for byte in LONG.encode())
CUT = "".join(f"\\{byte:03o}" if byte > 126 else chr(byte) for byte in LONG.encode()[:100])


@pytest.mark.parametrize(("path", "told_path", "failing", "truncated"), [
    ("/data/x", "/data/x", 'process_write: write "/data/x": No space left on device', True),
    (LONG, VIS, f'process_write: write "{CUT}": No space left on device', True),
    ("/data/x", "/data/x", 'process_write: write "/data/y": No space left on device', False),
])
def test_an_upload_of_which_a_write_failed_is_truncated_although_it_was_closed(path, told_path, failing, truncated):
    """s3fs makes an object of what it has: of a full disk's share of it, say."""
    told, found, book = [], config.parse(document()), uploads.Uploads()
    made = sessions.Sessions(lambda: found, book, lambda kind, **values: told.append(kind), lambda pid: True)
    for text in (f'open "{told_path}" flags WRITE,CREATE,TRUNCATE mode 0666', failing, "sent status Failure",
                 f'close "{told_path}" bytes read 0 written 5'):
        made.sftp("store1", 7, f"<86>internal-sftp[7]: {text}".encode(), 100.0)
    assert [(record["path"], record["written"], record["reason"]) for record in book.unsettled()] == (
        [(path, 5, "a write of it failed")] if truncated else [])
    assert ("upload-truncated" in told) is truncated and not book.open
