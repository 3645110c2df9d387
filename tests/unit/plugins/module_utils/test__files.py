# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import re

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._files import replace_file


@pytest.fixture
def link(tmp_path):
    """To a file of mode 0640 and without a valid encoding, beside what a run that was killed has left."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old\r\n")
    real.chmod(0o640)
    link.symlink_to(real)
    for name in ("real", "link"):
        (tmp_path / f".{name}.sabakan-new").write_text("half")
    return link


def mode(path):
    return path.stat().st_mode & 0o7777


def test_somebodys_file_keeps_its_mode_and_its_link(link, tmp_path):
    replace_file(str(link), "caf\udce9\r\n")
    assert link.is_symlink() and (tmp_path / "real").read_bytes() == b"caf\xe9\r\n" and mode(tmp_path / "real") == 0o640
    assert not (tmp_path / ".real.sabakan-new").exists()


def test_the_callers_own_file_has_the_callers_mode_and_takes_the_place_of_a_link(link, tmp_path):
    replace_file(str(link), "new\n", 0o4755)
    assert not link.is_symlink() and link.read_text() == "new\n" and mode(link) == 0o4755
    assert (tmp_path / "real").read_bytes() == b"old\r\n" and not (tmp_path / ".link.sabakan-new").exists()


@pytest.mark.parametrize("asked, found", [(None, 0o644), (0o600, 0o600), (0o755, 0o755)])
def test_a_new_file_has_its_mode_whatever_the_umask(tmp_path, asked, found):
    before = os.umask(0o077)
    try:
        replace_file(str(tmp_path / "file"), "text", asked)
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_text() == "text" and mode(tmp_path / "file") == found


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_failure_leaves_the_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_names):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="Read-only"):
        replace_file(str(path), "new")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file", "old")]


def test_a_file_in_no_directory_is_written_where_the_program_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    replace_file("file", "text", 0o644)
    assert (tmp_path / "file").read_text() == "text"


def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    """The kernel's error of a write or an fsync names none."""
    def full(dummy):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{tmp_path / 'x'}'")):
        replace_file(str(tmp_path / "x"), "text", 0o644)
