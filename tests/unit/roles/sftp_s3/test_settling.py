# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When something is done about a truncated upload: not while it is still being made, nor once it is being put again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sabakan_sftp import config, sessions, settling, uploads

from .documents import document

OPEN = 'open "/data/x" flags WRITE,CREATE,TRUNCATE mode 0666'
FORCED = 'forced close "/data/x" bytes read 0 written 5'
CLOSED = "session closed for local user store1 from [192.0.2.1]"


class Place:
    """A book, its sessions and what is begun about truncated uploads; jobs end when they are cancelled."""

    def __init__(self) -> None:
        self.found, self.book, self.begun = config.parse(document()), uploads.Uploads(), []
        self.sessions = sessions.Sessions(lambda: self.found, self.book, lambda kind, **values: None, lambda pid: True)
        self.settling = settling.Settling(self.book, None, self.run, lambda kind, **values: None)

    def run(self, *words: Any, **more: Any) -> Any:
        job = SimpleNamespace(done=False, error="", value=None)

        def cancel() -> None:
            job.done, job.error = True, "no answer"

        job.cancel = cancel
        self.begun.append(job)
        return job

    def hear(self, pid: int, now: float, *lines: str) -> None:
        for text in lines:
            self.sessions.sftp("store1", pid, f"<86>internal-sftp[{pid}]: {text}".encode(), now)

    def tick(self, now: float) -> int:
        """How many were begun so far."""
        self.settling.tick(self.found, self.sessions, now, now)
        return len(self.begun)


@pytest.fixture
def place() -> Place:
    return Place()


def test_an_upload_that_the_mount_still_finishes_is_awaited(place):
    """s3fs sends what it has when the file is closed, which a session that was cut off does at its end and waits for: gigabytes take minutes."""
    place.hear(7, 100.0, OPEN)
    place.hear(7, 110.0, FORCED, CLOSED)
    assert [place.tick(now) for now in (110.0, 115.0, 400.0)] == [0, 0, 0]
    place.sessions.ended(7, 400.0)
    assert [place.tick(now) for now in (400.1, 403.0)] == [0, 1]


def test_an_upload_of_a_mount_that_died_does_not_wait_for_the_session(place):
    place.hear(7, 100.0, OPEN)
    place.sessions.lost("partners", 110.0)
    assert [place.tick(now) for now in (110.0, 113.0)] == [0, 1]


def test_what_is_put_again_while_the_first_upload_is_looked_for_is_left_alone(place):
    place.hear(7, 100.0, OPEN)
    place.sessions.ended(7, 110.0)
    assert [place.tick(now) for now in (110.0, 113.0)] == [0, 1] and not place.begun[0].done
    place.hear(8, 114.0, OPEN)
    for now in (114.1, 114.2, 120.0):
        place.tick(now)
    assert place.begun[0].done and len(place.begun) == 1
    assert [record["outcome"] for record in place.book.truncated.values()] == ["superseded"]


def test_an_upload_of_which_a_write_failed_does_not_wait_for_the_session_that_closed_it(place):
    place.hear(7, 100.0, OPEN, 'process_write: write "/data/x": No space left on device', "sent status Failure", FORCED.removeprefix("forced "))
    assert [place.tick(now) for now in (100.0, 103.0)] == [0, 1]
