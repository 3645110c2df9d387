# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A step by its tag alone: what it would do wrong, and not fail at, without what another step has found out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from role_run import ROLES, play, rendered

# With another hash path nothing that is stored can be found; another name of the image makes the container anew, with
# its sessions; of no known memory zram has no size.
NEEDS = [
    ("object_storage", "object_storage_configure", ["Read the hash path", "Refuse data whose hash path is lost"]),
    ("sftp_s3", "sftp_s3_configure", ["Fetch the driver as its vendor signed it"]),
    ("sftp_s3", "sftp_s3_run", ["Fetch the driver as its vendor signed it"]),
    ("swap", "swap_configure", ["See what the swap would be"]),
]


@pytest.mark.parametrize(("role", "tag", "needed"), NEEDS)
def test_a_step_alone_asks_for_what_it_needs(tmp_path: Path, role: str, tag: str, needed: list[str]) -> None:
    tasks = [{"ansible.builtin.import_role": {"name": str(ROLES / role)}}]
    code, output = play(tmp_path, role, tasks, {}, "--list-tasks", "--tags", tag)
    assert code == 0, output
    assert [task for task in needed if task not in output] == []


def test_a_hash_path_that_was_not_asked_for_is_not_made_anew(tmp_path: Path) -> None:
    configure = ROLES / "object_storage" / "tasks" / "configure.yml"
    template = next(task for task in yaml.safe_load(configure.read_text()) if task["name"] == "Configure Swift")
    task = {
        "ansible.builtin.template": {"src": str(ROLES / "object_storage/templates/swift.conf.j2"), "dest": str(tmp_path / "swift.conf")},
        "vars": template["vars"],
    }
    code, output = play(tmp_path, "object_storage", [task], {})
    assert code != 0, (tmp_path / "swift.conf").read_text()
    assert "__object_storage_hash_path" in output


def test_a_hash_path_that_is_there_stays_and_what_is_missing_is_made(tmp_path: Path) -> None:
    text = rendered(tmp_path, "object_storage", "swift.conf.j2", {"__object_storage_hash_path_parts": {"prefix": "0" * 32}})
    assert f"swift_hash_path_prefix = {'0' * 32}\n" in text
    assert re.search(r"^swift_hash_path_suffix = [0-9a-f]{32}$", text, re.MULTILINE)
