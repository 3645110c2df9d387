# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A power cut takes the content of files whose names stay. What says that something is complete comes after its content."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from role_run import ROLES, play
from test_interrupted_release import git

BOOT = Path("/proc/sys/kernel/random/boot_id")


def task(role: str, step: str, name: str) -> dict[str, Any]:
    return next(one for one in yaml.safe_load((ROLES / role / "tasks" / f"{step}.yml").read_text()) if one.get("name") == name)


def shims(directory: Path, **programs: str) -> dict[str, str]:
    """A search path on which these tell the log that they ran, in their order."""
    (directory / "bin").mkdir()
    for name, script in programs.items():
        (directory / "bin" / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {directory}/log\n{script}\n')
        (directory / "bin" / name).chmod(0o755)
    return {"PATH": f"{directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def test_host_keys_are_on_the_disk_before_they_have_their_names(tmp_path: Path) -> None:
    script = task("sftp_s3", "configure", "Make the host keys")["ansible.builtin.shell"]
    script = script.replace("{{ item }}", "ed25519").replace("{{ '-b 3072' if item == 'rsa' else '' }}", "")
    environment = shims(tmp_path, **{"ssh-keygen": "touch new new.pub", "sync": "", "mv": 'exec /bin/mv "$@"'})
    subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, check=True)
    assert [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()] == ["ssh-keygen", "sync", "mv", "mv"]
    assert "sync new new.pub" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("found", "told"), [
    ({"installed": False, "present": False}, True), ({"installed": True, "present": False}, True), ({"installed": True, "present": True}, False),
], ids=["new", "unpacked", "in use"])
def test_the_package_is_kept_from_making_a_cluster_until_there_is_one(tmp_path: Path, found: dict[str, bool], told: bool) -> None:
    tell = task("postgresql", "install", "Keep the package from making a cluster")
    code, output = play(tmp_path, "postgresql", [tell], {"__postgresql_cluster": found}, "--check", "--diff")
    assert code == 0, output
    assert ("create_main_cluster = false" in output) == told


@pytest.fixture
def release(tmp_path: Path) -> dict[str, Any]:
    """What the fetch of a release is told; some of its gems are there."""
    repository, home = tmp_path / "repository", tmp_path / "home"
    repository.mkdir()
    (repository / "Gemfile").write_text("# ours\n")
    git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=one")
    commit = git(repository, "rev-parse", "HEAD").strip()
    (home / "releases" / commit / "vendor/bundle").mkdir(parents=True)
    return {
        "mastodon_repository": str(repository), "mastodon_ref": "main", "mastodon_home": str(home), "mastodon_user": "root",
        "mastodon_build_memory": 0, "__mastodon_release": {"commit": commit, "digest": "digest", "present": True},
    }


@pytest.mark.parametrize(("boot", "kept"), [("another\n", False), ("", False), (None, True), (BOOT.read_text(), True)],
                         ids=["cut", "cut at once", "complete", "interrupted"])
def test_what_was_installed_before_a_power_cut_is_installed_anew(tmp_path: Path, release: dict[str, Any], boot: str | None, kept: bool) -> None:
    target = Path(release["mastodon_home"]) / "releases" / release["__mastodon_release"]["commit"]
    (target / "vendor/bundle/gem.rb").touch()
    if boot is not None:
        (target / ".sabakan-building").write_text(boot)
    fetch = task("mastodon", "fetch", "Fetch the release's files")
    code, output = play(tmp_path, "mastodon", [fetch], release)
    assert code == 0, output
    assert (target / "vendor/bundle/gem.rb").exists() is kept
    assert (target / "Gemfile").read_text() == "# ours\n"
    assert (target / ".sabakan-building").read_text() == BOOT.read_text()


def test_a_release_is_complete_when_it_is_on_the_disk(tmp_path: Path, release: dict[str, Any]) -> None:
    target = Path(release["mastodon_home"]) / "releases" / release["__mastodon_release"]["commit"]
    (target / ".sabakan-building").write_text(BOOT.read_text())
    environment = shims(tmp_path, sync=f"ls -A {target} >> {tmp_path}/log")
    tasks = yaml.safe_load((ROLES / "mastodon/tasks/complete.yml").read_text())
    code, output = play(tmp_path, "mastodon", [{**one, "environment": environment} for one in tasks], release)
    assert code == 0, output
    assert (tmp_path / "log").read_text().splitlines() == [f"sync --file-system {target}", ".sabakan-building", "vendor"]
    assert sorted(path.name for path in target.iterdir()) == [".sabakan-complete", "vendor"]


@pytest.mark.parametrize("lock", [".git/index.lock", "plugins/ruby-build/.git/index.lock"])
def test_rbenv_is_had_again_and_its_ruby_complete_when_it_is_on_the_disk(tmp_path: Path, release: dict[str, Any], lock: str) -> None:
    home, repository = Path(release["mastodon_home"]), Path(release["mastodon_repository"])
    (home / "releases" / release["__mastodon_release"]["commit"] / ".ruby-version").write_text("3.4.7\n")
    (home / ".rbenv/plugins").mkdir(parents=True)
    for place in (".rbenv", ".rbenv/plugins/ruby-build"):
        git(home, "clone", "--quiet", str(repository), f"{home}/cloned")
        subprocess.run(["cp", "-a", f"{home}/cloned/.", str(home / place)], check=True)
        subprocess.run(["rm", "-r", f"{home}/cloned"], check=True)
    (home / ".rbenv/Gemfile").write_text("")
    (home / ".rbenv" / lock).write_text("")
    environment = shims(tmp_path, rbenv=f'[ "$1" != install ] || mkdir -p {home}/.rbenv/versions/3.4.7', sync="", touch='exec /usr/bin/touch "$@"')
    variables = {
        **release, "mastodon_rbenv_repository": str(repository), "mastodon_rbenv_ref": "main",
        "mastodon_ruby_build_repository": str(repository), "mastodon_ruby_build_ref": git(repository, "rev-parse", "HEAD").strip(),
        "__mastodon_build_environment": {**environment, "HOME": str(home)},
    }
    code, output = play(tmp_path, "mastodon", [task("mastodon", "rbenv", "Install rbenv and the Ruby that the release names")], variables)
    assert code == 0, output
    assert (home / ".rbenv/Gemfile").read_text() == "# ours\n"
    log = [line.split()[:2] for line in (tmp_path / "log").read_text().splitlines()]
    assert log[:3] == [["rbenv", "install"], ["sync", "--file-system"], ["touch", ".rbenv/versions/3.4.7/.sabakan-complete"]]
