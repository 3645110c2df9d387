# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made once, by runs that begin together and after one that was killed."""

from __future__ import annotations

import os
import threading
import time

import pytest

from tools import engine, environment, machine_images


@pytest.fixture()
def place(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(environment, "CACHE", tmp_path)
    monkeypatch.setattr(engine, "ensure_packages", lambda: None)
    return tmp_path


def test_two_first_runs_make_one_environment(monkeypatch, place):
    """The second emptied, under the first's hands, what that was installing."""
    made = []

    def slow(command, **words):
        made.append(command)
        time.sleep(0.2)
        command[-1].mkdir(exist_ok=True)

    monkeypatch.setattr(environment, "run", slow)
    monkeypatch.setattr(environment, "_install", lambda venv: None)
    runs = [threading.Thread(target=environment.ensure) for dummy in range(2)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert len(made) == 1 and (environment.directory() / ".complete").exists()


def test_a_killed_build_of_a_machine_leaves_nothing_for_good(monkeypatch, tmp_path):
    monkeypatch.setattr(machine_images, "PLACE", tmp_path)
    monkeypatch.setattr(engine, "ensure_commands", lambda commands: None)
    monkeypatch.setattr(machine_images, "_build", lambda debian, keys, made: (made / "disk.img").touch())
    (tmp_path / "making-13-abcd" / "image").mkdir(parents=True)
    (tmp_path / "making-12-abcd" / "image").mkdir(parents=True)  # of the other release: perhaps under way
    (tmp_path / "keys").touch()
    machine_images.ensure("13", tmp_path / "keys")
    assert [path.name for path in tmp_path.glob("making-*")] == ["making-12-abcd"]
    assert (machine_images.directory("13", tmp_path / "keys") / "disk.img").exists()
