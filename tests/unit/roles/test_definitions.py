# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That what is defined in the inventory with passwords in its environment keeps these, also when a task fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from role_run import ROLES, play

ENGINE = "unix:///nonexistent/docker.sock"
DEFINITION = {"name": "db", "image": "postgres:17", "env": {"POSTGRES_PASSWORD": "hunter2"}, "docker_host": ENGINE}
CONTAINER = {"name": "db", "data": "/var/lib/postgresql/data", "command": ["postgres"], "definition": DEFINITION}


@pytest.mark.parametrize(
    ("role", "file", "title", "variables"),
    [
        ("exclusive_lock", "run.yml", "Run the containers as they are wrapped", {"exclusive_lock_containers": [CONTAINER]}),
        ("exclusive_lock", "verify.yml", "Try to start a second one in the containers", {"exclusive_lock_containers": [CONTAINER]}),
        ("descriptor_limits", "run.yml", "Make the containers that are defined here with their limits",
         {"__descriptor_limits_plan": {"defined": [DEFINITION]}}),
    ],
)
def test_a_container_that_fails_shows_no_password(tmp_path: Path, role: str, file: str, title: str, variables: dict[str, Any]) -> None:
    task = next(task for task in yaml.safe_load((ROLES / role / "tasks" / file).read_text()) if task["name"] == title)
    task |= {"environment": {"DOCKER_HOST": ENGINE}} | ({"retries": 0} if "retries" in task else {})
    code, output = play(tmp_path, role, [task], variables)
    assert code != 0 and "item=db" in output
    assert "hunter2" not in output


def test_settings_of_supervisord_are_roots_alone(tmp_path: Path) -> None:
    """Its environment is every program's, and holds tokens as theirs do; a hand-written file may have been 0600."""
    (tmp_path / "templates").symlink_to(ROLES / "supervisor" / "templates")
    tasks = yaml.safe_load((ROLES / "supervisor" / "tasks" / "configure.yml").read_text())
    variables = {
        "__supervisor_directory": str(tmp_path), "__supervisor_there": {"managed": True, "include": []},
        "supervisor_settings": {"environment": 'TOKEN="hunter2"'}, "supervisor_minfds": 1024, "supervisor_limit_nofile": 1024,
    }
    code, output = play(tmp_path, "supervisor", [task for task in tasks if task["name"] == "Configure supervisord"], variables)
    written = tmp_path / "supervisord.conf"
    assert code == 0 and "hunter2" in written.read_text(), output
    assert written.stat().st_mode & 0o777 == 0o600
