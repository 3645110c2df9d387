# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is found out of the host itself."""

from __future__ import annotations

import multiprocessing
import os

import pytest
from sabakan_reboot import host


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "VOLATILE", ())  # where the tests run is not where a journal is kept
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return tmp_path


def look_often(directory: str) -> None:
    for _dummy in range(300):
        host.storage(directory)


def test_a_check_beside_a_run_takes_nothing_from_it(state):
    """An administrator may ask at any time, without the lock of the runs."""
    others = [multiprocessing.get_context("fork").Process(target=look_often, args=(str(state),)) for dummy in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0, 0, 0] and not list(state.iterdir())


def test_a_full_disk_leaves_nothing_of_the_look(state, monkeypatch):
    def full(*dummy):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        host.storage(str(state))
    assert not list(state.iterdir())


@pytest.mark.parametrize("ends", [1, 2, 3])
def test_a_session_that_ends_while_they_are_looked_at_is_not_in_the_way(monkeypatch, ends):
    asked = []

    def output(argv):
        asked.append(argv[1])
        if argv[1] == "list-sessions":
            return "1 0 root\n7 1000 deploy\n"
        if asked.count("show-session") <= ends:
            raise OSError("loginctl: exit code 1, Failed to get path for session '7': No session '7' known")
        return ""

    monkeypatch.setattr(host.programs, "output", output)
    if ends < 3:
        assert host.logged_in() == []
    else:
        with pytest.raises(OSError, match="No session"):
            host.logged_in()
    assert asked.count("list-sessions") == asked.count("show-session") == min(ends + 1, 3)
