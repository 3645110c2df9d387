# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release of which an interrupted run has brought only a part."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
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


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_schema_is_loaded_by_one_run_at_a_time(tmp_path: Path, release: dict[str, Any], goes_on: bool) -> None:
    """What was ended at the controller goes on here, and two drop each other's tables."""
    home = Path(release["mastodon_home"])
    target = next((home / "releases").iterdir())
    (home / "shared").mkdir()
    (target / ".env.production").write_text("DB_PASS='secret'\n")
    (tmp_path / "bin").mkdir()
    for name in ("bundle", "psql"):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/log\n')
        (tmp_path / "bin" / name).chmod(0o755)
    tasks = yaml.safe_load((ROLES / "mastodon/tasks/migrate.yml").read_text())
    first, load = (next(task for task in tasks if task["name"].startswith(name)) for name in ("Await what", "Load the schema"))
    variables = {
        **release, "__mastodon_release": {"commit": target.name}, "__mastodon_migrations": {"state": "initialising", "loaded": False},
        "__mastodon_direct_environment": {"PATH": f"{tmp_path}/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    }
    with (home / "shared/.migrating").open("w") as lock:
        if goes_on:
            fcntl.flock(lock, fcntl.LOCK_EX)
        code, output = play(tmp_path, "mastodon", [load], variables)
        alone = ["flock", "--verbose", "--timeout", "1", str(home / "shared/.migrating")]
        waited, told = play(tmp_path, "mastodon", [first], {**variables, "__mastodon_alone": alone})
    assert (code != 0) == (waited != 0) == goes_on, output + told
    assert ("flock: timeout while waiting to get lock" in told) == goes_on
    assert ("another run has begun to load the schema" in output) == goes_on
    assert (tmp_path / "log").exists() == (not goes_on)
