# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate runs and asks: blockers, and hooks that hang."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sabakan_reboot import programs
from sabakan_reboot.decide import HOLD, PASS, UNKNOWN
from sabakan_reboot.settings import Hook


@pytest.mark.parametrize(("script", "verdict", "figure"), [
    ("exit 0", PASS, "no objection"), ("echo a backup runs; exit 1", HOLD, "a backup runs"), ("exit 1", HOLD, "objects"),
    ("echo broken; exit 2", UNKNOWN, "exit code 2 broken"), ("kill -9 $$", UNKNOWN, "exit code -9"),
    ("sleep 60", UNKNOWN, "it did not end within 1 s and was killed"),
    # A child that holds the output open is no reason to wait for it.
    ("sleep 60 & echo fine", PASS, "fine"), ("trap '' TERM; sleep 60", UNKNOWN, "it did not end within 1 s and was killed"),
])
def test_blockers(script, verdict, figure):
    began = time.monotonic()
    found = programs.ask(Hook("x", ["/bin/sh", "-c", script], 1))
    assert (found.verdict, found.figure) == (verdict, figure) and time.monotonic() - began < 10


def test_a_blocker_that_is_not_there_is_not_known():
    assert programs.ask(Hook("x", ["/no/such/program"])).verdict == UNKNOWN


def test_a_hook_runs_where_no_file_can_be_made(monkeypatch):
    """As on a disk that was remounted read-only: it is then that the administrator has to be told."""
    monkeypatch.setattr("tempfile.tempdir", "/no/such/directory")
    assert programs.run(["/bin/cat"], 5, "given") == programs.Ended(0, "given")


def test_a_hook_that_hangs_takes_its_children_with_it(tmp_path):
    programs.run(["/bin/sh", "-c", f"sleep 61 & echo $! > {tmp_path}/pid; wait"], 1)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
