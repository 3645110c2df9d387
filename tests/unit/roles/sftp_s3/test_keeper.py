# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a keeper makes of what an earlier one left."""

from __future__ import annotations

import errno
import importlib
from pathlib import Path

import pytest
import sabakan_sftp
from sabakan_sftp import accounts, uploads

from .documents import users


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
