# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That root does nothing for Mastodon's user which that user could turn against the host."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from role_run import ROLES, play

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
NOBODY = pwd.getpwnam("nobody")
COMMIT = "4be8a1d0" * 5


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody reaches, with a home of nobody's and one of root's."""
    path = Path(tempfile.mkdtemp(prefix="sabakan-test-"))
    path.chmod(0o755)
    for name in ("home", "controller", "roots", "roots/system", f"roots/{COMMIT}"):
        (path / name).mkdir(mode=0o755)
    os.chown(path / "home", NOBODY.pw_uid, NOBODY.pw_gid)
    yield path
    shutil.rmtree(path)


def tasks_of(name: str) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = yaml.safe_load((ROLES / "mastodon" / "tasks" / name).read_text())
    return tasks


def task_of(name: str, title: str) -> list[dict[str, Any]]:
    return [task for task in tasks_of(name) if task["name"] == title]


def variables(place: Path) -> dict[str, Any]:
    return {
        "mastodon_home": str(place / "home"), "mastodon_user": "nobody", "mastodon_controller_directory": str(place / "controller"),
        "__mastodon_passage": str(place / "passage"), "__mastodon_archive": "release.tar.gz",
        "__mastodon_release": {"commit": COMMIT, "present": False},
    }


def owners(path: Path) -> set[int]:
    return {one.lstat().st_uid for one in (path, *path.rglob("*"))}


@pytest.mark.parametrize("planted", [False, True])
def test_root_gives_none_of_its_directories_away(place: Path, planted: bool) -> None:
    if planted:
        (place / "home" / "shared").symlink_to(place / "roots")
    directories = task_of("install.yml", "Create the directories of the releases and of what outlives them")
    code, output = play(place, "mastodon", directories, variables(place))
    assert code == 0 and owners(place / "roots") == {0}, output
    assert (place / "home" / "releases").stat().st_uid == NOBODY.pw_uid
    assert planted or owners(place / "home") == {NOBODY.pw_uid}


@pytest.mark.parametrize("planted", [False, True])
def test_root_unpacks_nothing_where_the_user_points_to(place: Path, planted: bool) -> None:
    releases = place / "home" / "releases"
    if planted:
        releases.symlink_to(place / "roots")
    else:
        releases.mkdir()
        os.chown(releases, NOBODY.pw_uid, NOBODY.pw_gid)
    (place / "version.rb").write_text("4.5\n")
    with tarfile.open(place / "controller" / "release.tar.gz", "w:gz") as archive:
        archive.add(place / "version.rb", "lib/version.rb")
    code, output = play(place, "mastodon", tasks_of("unpack.yml"), variables(place))
    assert owners(place / "roots") == {0} and not (place / "roots" / COMMIT / "lib").exists()
    assert (code == 0) is not planted, output
    assert planted or owners(releases / COMMIT) == {NOBODY.pw_uid}
    assert not (place / "passage" / "release.tar.gz").exists()


def test_root_takes_no_program_from_the_users_path(tmp_path: Path) -> None:
    shims = tmp_path / "home" / ".rbenv" / "shims"
    shims.mkdir(parents=True)
    (shims / "runuser").write_text(f"#!/bin/sh\nid -u > {tmp_path}/who\n")
    (shims / "runuser").chmod(0o755)
    task = {
        "ansible.builtin.command": {"argv": "{{ __mastodon_as_user + ['true'] }}"},
        "environment": "{{ __mastodon_build_environment }}",
    }
    variables = {"mastodon_home": str(tmp_path / "home"), "mastodon_user": "nobody", "mastodon_ruby": "rbenv"}
    code, output = play(tmp_path, "mastodon", [task], variables)
    assert code == 0, output
    assert not (tmp_path / "who").exists()


@pytest.mark.parametrize("planted", [False, True])
def test_root_writes_no_settings_of_bundler_where_the_user_points_to(place: Path, planted: bool) -> None:
    (place / "templates").symlink_to(ROLES / "mastodon" / "templates")
    release = place / "home" / "releases" / COMMIT
    release.mkdir(parents=True)
    if planted:
        (release / ".bundle").symlink_to(place / "roots")
    else:
        (release / ".bundle").mkdir()
        os.chown(release / ".bundle", NOBODY.pw_uid, NOBODY.pw_gid)
    code, output = play(place, "mastodon", task_of("build.yml", "Configure bundler"), variables(place))
    assert owners(place / "roots") == {0} and not (place / "roots" / "config").exists()
    assert (code == 0) is not planted, output
    if not planted:
        written = release / ".bundle" / "config"
        assert written.read_text() == '---\nBUNDLE_DEPLOYMENT: "true"\nBUNDLE_WITHOUT: "development:test"\n'
        assert (written.stat().st_mode & 0o777, written.stat().st_uid) == (0o640, NOBODY.pw_uid)


def test_a_release_gets_its_name_on_the_controller_without_its_sudo(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inventory's ansible_become is for the hosts, and a task's own `become` does not win over it."""
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "true")
    (place / "controller" / "release.tar.gz.part").touch()
    block = tasks_of("receive.yml")[0]
    naming = [task for task in block["block"] if task["name"] == "Give it its name"]
    access = {"ansible_become": True, "ansible_become_exe": "/nonexistent/sudo"}
    code, output = play(place, "mastodon", [{"block": naming, "vars": block["vars"]}], variables(place), inventory=access)
    assert code == 0 and (place / "controller" / "release.tar.gz").exists(), output


def test_a_release_is_fetched_by_who_logs_in_at_the_builder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through sudo, fetch would hold the whole release in memory, twice and a third: it reads what the login may not by slurp."""
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "true")
    (place / "passage").mkdir()
    (place / "passage" / "release.tar.gz").write_text("packed")
    block = tasks_of("receive.yml")[0]
    steps = [task for task in block["block"] if task["name"] in ("See who logs in there", "Fetch it to the controller")]
    access = {"ansible_become": True, "ansible_become_exe": "/nonexistent/sudo"}
    code, output = play(place, "mastodon", [{"block": steps, "vars": block["vars"]}], {**variables(place), "mastodon_builder": "localhost"}, inventory=access)
    assert code == 0 and (place / "controller" / "release.tar.gz.part").read_text() == "packed", output
    assert len(steps) == 2


def test_a_packed_release_is_for_that_login_alone(place: Path) -> None:
    block = tasks_of("receive.yml")[0]
    release = place / "home" / "releases" / COMMIT
    release.mkdir(parents=True)
    (release / ".sabakan-complete").touch()
    (release / "Gemfile").touch()
    for path in (place / "home", place / "home" / "releases", release):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    pack = [task for task in block["block"] if task["name"].startswith("Pack")]
    platform = subprocess.run(["sh", "-c", '. /etc/os-release; echo "$VERSION_ID-$(uname -m)"'], capture_output=True, text=True, check=True).stdout.strip()
    more = {"mastodon_builder": "localhost", "__mastodon_login": {"stdout": str(NOBODY.pw_uid)}, "__mastodon_platform": platform}
    code, output = play(place, "mastodon", [{"block": pack, "vars": block["vars"]}], {**variables(place), **more})
    assert code == 0, output
    archive = place / "passage" / "release.tar.gz"
    assert (archive.stat().st_uid, archive.stat().st_mode & 0o777) == (NOBODY.pw_uid, 0o400)
    assert (archive.parent.stat().st_uid, archive.parent.stat().st_mode & 0o777) == (0, 0o711)
    with tarfile.open(archive) as packed:
        assert "./Gemfile" in packed.getnames()
