# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the development entry."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import bench, checks, cli, ground


@pytest.mark.parametrize("words, release", [
    (["test", "cluster"], "13"), (["--debian", "12", "test", "cluster"], "12"), (["test", "cluster", "--debian", "12"], "12"),
    (["test", "--debian", "12", "cluster"], "12"), (["demo", "--debian", "12", "--down"], "12"), (["--debian", "12", "demo"], "12"),
    (["bench", "--debian=12", "sftp"], "12"), (["lint", "--debian", "12"], "12"),
])
def test_the_release_may_stand_before_the_command_or_after_it(monkeypatch, words, release):
    monkeypatch.delenv("SABAKAN_DEBIAN", raising=False)
    assert cli.parser().parse_args(words).debian == release


@pytest.mark.parametrize("words, release", [(["test"], "12"), (["test", "--debian", "13"], "13")])
def test_the_environment_gives_it_where_no_word_does(monkeypatch, words, release):
    monkeypatch.setenv("SABAKAN_DEBIAN", "12")
    assert cli.parser().parse_args(words).debian == release


@pytest.mark.parametrize("release", ["11", "trixie"])
def test_a_release_of_the_environment_that_there_is_not_is_refused_like_the_words(monkeypatch, capsys, release):
    monkeypatch.setenv("SABAKAN_DEBIAN", release)
    with pytest.raises(SystemExit):
        cli.main(["test", "--list"])
    assert "SABAKAN_DEBIAN" in capsys.readouterr().err
    assert cli.main(["test", "--list", "--debian", "12"]) == 0


@pytest.mark.parametrize("version, release", [((3, 9, 2), "3.9"), ((3, 10, 12), "3.10")])
def test_a_python_that_the_lock_has_no_tools_for_is_told_of_before_anything_is_done(monkeypatch, capsys, version, release):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(checks, "main", lambda *words: pytest.fail("it went on"))
    assert cli.main(["test", "unit"]) == 1
    assert f"Python 3.11 or newer is needed, this is {release}" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_a_line_and_not_a_traceback(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(ground, "LOGS", tmp_path / "file" / "logs")
    monkeypatch.setattr(checks, "main", lambda *words: pytest.fail("it went on"))
    assert cli.main(["test", "unit"]) == 1
    told = capsys.readouterr().err
    assert str(tmp_path / "file" / "logs") in told and "SABAKAN_CACHE" in told


@pytest.mark.parametrize("given", ["cache", "./cache", "~/cache"])
def test_a_cache_is_one_place_whatever_the_directory_of_a_command(tmp_path, given):
    """The environment is made in the checkout, its log and its mark where sabakan was called."""
    code = "from tools.ground import CACHE; print(CACHE)"
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ground.ROOT), "HOME": str(tmp_path), "SABAKAN_CACHE": given},
                          capture_output=True, text=True, check=True).stdout.strip()
    assert told == str(tmp_path / "cache")


@pytest.mark.parametrize("output", ["none/bench.json", "."])
def test_figures_that_could_not_be_written_are_not_measured(monkeypatch, capsys, tmp_path, output):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "measure", lambda debian: pytest.fail("it measured"))
    assert cli.main(["bench", "--output", output]) == 1
    assert f"--output {output}" in capsys.readouterr().err


def await_that(question):
    end = time.monotonic() + 60
    while not question():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_a_runner_ends_does_not_go_on_beside_the_next_run(tmp_path):
    """It sends one signal to one process; molecule and its playbook are others."""
    code = """
import sys
from tools import checks, cli
from tools.ground import run
checks.main = lambda *words: run(["sh", "-c", "sleep 600 & echo $! > $1/started; mv $1/started $1/pid; wait", "sh", sys.argv[1]])
sys.exit(cli.main(["test", "unit"]))
"""
    sabakan = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ground.ROOT, env={**os.environ, "SABAKAN_CACHE": str(tmp_path / "cache")},
                               stderr=subprocess.PIPE, text=True)
    await_that((tmp_path / "pid").exists)
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "cmdline")
    assert b"sleep" in child.read_bytes()
    sabakan.terminate()
    assert "interrupted" in sabakan.communicate(timeout=60)[1]
    assert sabakan.returncode == 130
    await_that(lambda: not child.exists() or not child.read_bytes())
