# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.modules import text_files

FILES = {"tool": "#!/bin/sh\n", "lib/a.py": "a = 'ä'\r\n", "lib/deep/b.py": ""}


def run(path: Path, check: bool = False, **more: Any) -> dict[str, Any]:
    arguments = {"path": str(path), "files": FILES, "executables": ["tool"], "only": ["lib"], "_ansible_check_mode": check, **more}
    done = subprocess.run([sys.executable, text_files.__file__], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), capture_output=True,
                          text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    return json.loads(done.stdout)


def there(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_bytes().decode() for path in root.rglob("*") if path.is_file()}


def test_files_are_as_given_and_the_second_run_changes_nothing(tmp_path):
    root = tmp_path / "made" / "here"
    foretold = run(root, check=True)
    assert foretold["changed"] and foretold["written"] == list(FILES) and not root.exists()
    assert run(root)["written"] == list(FILES) and there(root) == FILES
    assert [oct((root / name).stat().st_mode & 0o777) for name in FILES] == ["0o755", "0o644", "0o644"]
    again = run(root)
    assert not again["changed"] and again["diff"] == []


def test_a_hardened_hosts_umask_leaves_the_directories_readable(tmp_path):
    """As pam_umask gives it to root's session; a service's own user reads the program there."""
    root = tmp_path / "made" / "here"
    before = os.umask(0o077)
    try:
        run(root)
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in (root.parent, root, root / "lib", root / "lib/deep")} == {"0o755"}


@pytest.mark.parametrize("damage", [
    lambda root: (root / "lib/a.py").write_text("other"),
    lambda root: (root / "lib/a.py").chmod(0o666),
    lambda root: (root / "lib/a.py").unlink(),
    lambda root: ((root / "lib/a.py").unlink(), (root / "lib/a.py").symlink_to("/etc/hostname")),
    lambda root: ((root / "lib/a.py").unlink(), (root / "lib/a.py").mkdir()),
])
def test_what_differs_is_put_right(tmp_path, damage):
    run(tmp_path)
    damage(tmp_path)
    foretold, done = run(tmp_path, check=True), run(tmp_path)
    assert foretold["written"] == done["written"] == ["lib/a.py"]
    assert there(tmp_path) == FILES and not (tmp_path / "lib/a.py").is_symlink() and not run(tmp_path)["changed"]


@pytest.mark.parametrize(("damage", "shown"), [
    (lambda path: path.chmod(0o666), [("lib/deep/b.py (mode)", "0666\n", "0644\n")]),
    (lambda path: path.unlink(), [("lib/deep/b.py (mode)", "no file of this user\n", "0644\n")]),
    (lambda path: path.write_text("x"), [("lib/deep/b.py", "x", "")]),
])
def test_the_diff_shows_what_differs(tmp_path, damage, shown):
    run(tmp_path)
    damage(tmp_path / "lib/deep/b.py")
    assert [(one["after_header"], one["before"], one["after"]) for one in run(tmp_path, check=True)["diff"]] == shown


def test_only_what_is_in_directories_of_its_own_is_removed(tmp_path):
    run(tmp_path)
    (tmp_path / "stays").write_text("")
    for name in ("lib/old.py", "lib/deep/old.py", "lib/gone/x/y.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    (tmp_path / "lib/link").symlink_to(tmp_path / "stays")
    wanted = {str(tmp_path / "lib" / name) for name in ("old.py", "deep/old.py", "gone", "link")}
    assert set(run(tmp_path, check=True)["removed"]) == wanted and (tmp_path / "lib/old.py").exists()
    assert set(run(tmp_path)["removed"]) == wanted
    assert there(tmp_path) == {**FILES, "stays": ""} and not run(tmp_path)["changed"]


@pytest.mark.parametrize("more", [{"files": {"../x": ""}}, {"files": {"/etc/x": ""}}, {"only": [".."]}, {"executables": ["none"]}])
def test_what_is_not_below_the_directory_is_refused(tmp_path, more):
    assert run(tmp_path / "root", **{"executables": [], **more})["failed"] and not (tmp_path / "root").exists()
