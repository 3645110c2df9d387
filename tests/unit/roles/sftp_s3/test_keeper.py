# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a keeper makes of what an earlier one left."""

from __future__ import annotations

import errno
import importlib
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import sabakan_sftp
from sabakan_sftp import accounts, config, status, uploads

from .documents import document, users
from .test_loop import turn_until


@pytest.fixture
def keeper(tmp_path, monkeypatch):
    # The role puts _oom.py of the modules beside the keeper's own files.
    monkeypatch.setattr(sabakan_sftp, "__path__", [*sabakan_sftp.__path__, str(Path(__file__).parents[4] / "plugins" / "module_utils")])
    made = importlib.import_module("sabakan_sftp.keeper").Keeper(tmp_path / "config.json", tmp_path / "state", tmp_path / "run")
    made.homes = accounts.Accounts(tmp_path / "etc", tmp_path / "keys", tmp_path / "home")
    for name in ("state", "home"):
        (tmp_path / name).mkdir()
    return made


def test_a_full_disk_keeps_no_keeper_from_its_work_and_forgets_no_upload(keeper, monkeypatch, capsys):
    """The mounts need no disk, and who is to be told of a truncated upload is told by the next that finds room."""
    before = uploads.Uploads()
    before.opened(7, users()[0], "partners", "p/x", "/data/x", ["WRITE"], 100.0)
    keeper.journal.append(before.fresh)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        keeper._restore()
    assert "journal-failed" in capsys.readouterr().out
    keeper.settling.write()
    again = uploads.Uploads()
    again.restore(keeper.journal.load(), 300.0)
    assert [(one["key"], one["reason"]) for one in again.unsettled()] == [("p/x", "the keeper or its container ended")] and not again.fresh


def test_a_session_that_cannot_be_watched_for_want_of_descriptors_has_not_ended(keeper, monkeypatch):
    """Its uploads would count as truncated while it writes them."""
    def none_left(pid):
        raise OSError(errno.EMFILE, "Too many open files")

    process, ended = subprocess.Popen(["sleep", "600"]), []
    monkeypatch.setattr(keeper.sessions, "ended", lambda pid, wall: ended.append(pid))
    with monkeypatch.context() as patched:
        patched.setattr("os.pidfd_open", none_left)
        assert keeper._watch(process.pid)
        assert keeper._tick(time.monotonic()) <= 1
    assert not ended and not keeper.vanished
    keeper._tick(time.monotonic())
    process.kill()
    turn_until(keeper.loop, lambda: ended)
    process.wait()
    assert ended == [process.pid] and not keeper.unwatched


def test_an_upload_is_judged_later_where_the_kernel_has_no_process_for_it(keeper):
    tries = []

    def run(*dummy, **more):
        tries.append(1)
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    keeper.settling.run = run
    keeper.takeover.config = SimpleNamespace(mounts={"partners": config.Mount("partners", "/srv", ("mount",), config.Bucket("b", "p/"))})
    keeper.book.opened(7, users()[0], "partners", "p/x", "/data/x", ["WRITE"], 100.0)
    keeper.book.restore(keeper.book.snapshot(), 200.0)
    for now in (1000.0, 1003.0, 1004.0, 1009.0):
        keeper.settling.tick(keeper.takeover.config, keeper.sessions, now, 200.0)
    assert len(tries) == 2 and keeper.book.unsettled()


@pytest.mark.parametrize(("asked", "in_force", "told"), [
    (464, 464 * 2**20, ""),
    (464, 512 * 2**20, '{"event": "limit-differs", "asked": 486539264, "in_force": 536870912}'),
    # A kernel that does not account memory, or an engine that was told of no limit.
    (464, None, '{"event": "limit-differs", "asked": 486539264, "in_force": null}'),
    (0, None, ""),
])
def test_each_start_reads_back_the_limit_that_its_mounts_were_planned_for(keeper, monkeypatch, capsys, asked, in_force, told):
    """The engine starts the container again without the role, under another kernel too."""
    monkeypatch.setattr(status, "memory", lambda: {"limit": in_force, "usage": None, "peak": None})
    monkeypatch.setattr(keeper.takeover, "config", config.parse(document(memory=asked)))
    keeper._read_back()
    assert capsys.readouterr().out.strip() == told
