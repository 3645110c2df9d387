# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release of which an interrupted run has brought only a part."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from role_run import ROLES, play

VERSION = "def major\n4\nend\ndef minor\n5\nend\ndef patch\n0\nend\n"
VARIABLES = {"ansible_facts": {"distribution_major_version": "13", "architecture": "x86_64"}}


def git(directory: Path, *words: str) -> str:
    author = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(["git", "-C", str(directory), *words], env={**os.environ, **author}, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def release(tmp_path: Path) -> dict[str, Any]:
    """A repository, and a release of it that has its version and not yet its queues."""
    repository, home = tmp_path / "repository", tmp_path / "home"
    (repository / "lib/mastodon").mkdir(parents=True)
    (repository / "lib/mastodon/version.rb").write_text(VERSION)
    git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=one")
    target = home / "releases" / git(repository, "rev-parse", "HEAD").strip() / "lib/mastodon"
    target.mkdir(parents=True)
    (target / "version.rb").write_text(VERSION)
    return {
        **VARIABLES, "mastodon_repository": str(repository), "mastodon_ref": "main", "mastodon_home": str(home), "mastodon_user": "root",
        "mastodon_git_config": {"safe.directory": "*"},
    }


@pytest.mark.parametrize(
    ("more", "arguments", "refused"), [({}, [], False), ({"__mastodon_runtimes_installed": True}, ["--check"], False),
                                       ({"__mastodon_runtimes_installed": True}, [], True)],
    ids=["before it is fetched anew", "where it is not, in check mode", "after"],
)
def test_it_is_judged_when_it_is_whole(tmp_path: Path, release: dict[str, Any], more: dict[str, bool], arguments: list[str], refused: bool) -> None:
    tasks = [{"ansible.builtin.import_tasks": str(ROLES / "mastodon/tasks/resolve.yml")}]
    code, output = play(tmp_path, "mastodon", tasks, {**release, **more}, *arguments)
    assert ("config/sidekiq.yml has the queues" in output) == refused, output
    assert (code != 0) == refused, output
