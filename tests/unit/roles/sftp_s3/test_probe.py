# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from sabakan_sftp import kernel, probe


@pytest.fixture
def mount(tmp_path, monkeypatch):
    """A directory that passes for a mount."""
    there = kernel.Mounted("0:99", "/", str(tmp_path), frozenset(), "fuse", "fuse")
    monkeypatch.setattr(kernel, "at", lambda path, table=None: [there])
    (tmp_path / "file").write_text("content")
    (tmp_path / "reports").mkdir()
    return str(tmp_path)


@pytest.mark.parametrize("sample", [
    "p/file", "p/gone",
    "p/reports",  # there are objects p/reports and p/reports/2024.csv: a directory hides the one
    "p/file/below",  # or the one hides what is below it
    "p/" + "x" * 300,  # a longer name than a file can have
])
def test_an_object_that_no_file_can_show_is_no_failure_of_the_mount(mount, sample):
    assert probe.through(mount, "p/", sample)


@pytest.mark.parametrize("target", ["link", "/"])
def test_a_link_that_a_partner_made_is_no_failure_of_the_mount_and_leads_nowhere(mount, monkeypatch, target):
    """s3fs has links, an object each that is small enough to be chosen; the keeper is outside of the partner's root."""
    (Path(mount) / "link").symlink_to(target)
    monkeypatch.setattr(probe.os, "pread", lambda *dummy: pytest.fail("the link was followed"))
    assert probe.through(mount, "p/", "p/link")


def test_a_read_that_fails_is_one(mount, monkeypatch):
    def pread(*dummy):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(probe.os, "pread", pread)
    with pytest.raises(OSError, match="Input/output"):
        probe.through(mount, "p/", "p/file")
