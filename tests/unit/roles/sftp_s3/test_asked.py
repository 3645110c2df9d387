# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import yaml
from role_run import ROLES, play


def test_a_container_that_does_not_answer_is_no_end_of_the_run(tmp_path: Path) -> None:
    """In check mode there is none yet; docker_container_exec then fails without an exit code."""
    tasks = yaml.safe_load((ROLES / "sftp_s3/tasks/run.yml").read_text())
    ask = next(task for task in tasks if task["name"] == "Ask the keeper what is in force")
    del ask["community.docker.docker_container_exec"]
    ask["ansible.builtin.fail"] = {"msg": 'Could not find container "sabakan-sftp"'}
    variables = {"__sftp_s3_engine": True, "__sftp_s3_run": {"changed": False}}
    code, output = play(tmp_path, "sftp_s3", [{**ask, "delay": 0}], variables, "--check")
    assert code == 0, output
