# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository that the tests deploy from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

STAND_IN = Path(__file__).resolve().parents[1] / "mastodon"

# config/sidekiq.yml of Mastodon 4.5; a queue without a weight counts once.
QUEUES_4_5 = {"default": 8, "push": 6, "ingress": 4, "mailers": 2, "pull": 1, "scheduler": 1, "fasp": 1}


def make(output: Path) -> str:
    command = [sys.executable, STAND_IN / "make_repository.py", output]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module", name="repository")
def fixture_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("standin") / "app.git"
    make(output)
    return output


def test_main_is_v1_and_v2_follows_it(repository):
    assert git(repository, "rev-parse", "HEAD", "main", "v2^") == git(repository, "rev-parse", "v1", "v1", "v1")
    assert git(repository, "rev-parse", "v1") != git(repository, "rev-parse", "v2")


def test_commit_ids_are_the_same_elsewhere(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody else")
    make(tmp_path / "again.git")
    assert git(tmp_path / "again.git", "for-each-ref") == git(repository, "for-each-ref")


def test_an_up_to_date_repository_is_left_alone(repository):
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    assert "up to date" in make(repository)
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_a_repository_that_differs_is_brought_up_to_date(repository, tmp_path):
    output = tmp_path / "old.git"
    make(output)
    git(output, "update-ref", "refs/tags/v2", git(output, "rev-parse", "v1").strip())
    assert "changed" in make(output)
    assert git(output, "for-each-ref") == git(repository, "for-each-ref")


def test_a_directory_that_is_no_repository_is_refused(tmp_path):
    (tmp_path / "letter").write_text("precious")
    with pytest.raises(subprocess.CalledProcessError):
        make(tmp_path)
    assert (tmp_path / "letter").read_text() == "precious"


@pytest.mark.parametrize("phase", ["migrate", "post_migrate"])
def test_v2_adds_one_migration_of_each_phase(repository, phase):
    added = git(repository, "diff", "--name-only", "--diff-filter=A", "v1", "v2", "--", f"db/{phase}/*.rb")
    assert len(added.splitlines()) == 1


def test_v2_says_that_it_is_newer(repository):
    changed = git(repository, "diff", "-U0", "v1", "v2", "--", "lib/mastodon/version.rb").splitlines()
    assert [line for line in changed if line[0] in "-+" and line.split()[-1].isdigit()] == ["-      14", "+      15"]


def test_the_commands_can_be_run(repository):
    modes = {line.split()[3]: line.split()[0] for line in git(repository, "ls-tree", "v1", "bin/").splitlines()}
    assert modes == {"bin/rails": "100755", "bin/tootctl": "100755"}


def test_the_queues_are_those_of_4_5(repository):
    # The keys of this file are Ruby symbols, which YAML reads as strings with a colon before.
    queues = yaml.safe_load(git(repository, "show", "v1:config/sidekiq.yml"))[":queues"]
    assert {name: weight[0] if weight else 1 for name, *weight in queues} == QUEUES_4_5
