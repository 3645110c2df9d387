# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown while a playbook runs: who fails in a demo reads nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CALLBACKS = Path(__file__).resolve().parents[3] / "tools" / "callback"


@pytest.fixture
def shown(tmp_path):
    """The lines of a play of one task over two hosts, and its statistics."""
    def play(**task):
        playbook = [{"name": "App", "hosts": "all", "gather_facts": False, "connection": "local", "tasks": [{"name": "Build", **task}]}]
        (tmp_path / "playbook.yml").write_text(json.dumps(playbook))
        done = subprocess.run(
            ["ansible-playbook", "-i", "app-01,app-02,", str(tmp_path / "playbook.yml")], capture_output=True, text=True, check=False,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS), "ANSIBLE_STDOUT_CALLBACK": "sabakan_progress",
                 "SABAKAN_STATISTICS": str(tmp_path / "statistics.json")})
        return [line.strip() for line in done.stdout.splitlines()], json.loads((tmp_path / "statistics.json").read_text())

    return play


def test_a_task_is_a_line_with_its_hosts_and_changes(shown):
    lines, statistics = shown(**{"ansible.builtin.debug": {"msg": "fine"}, "changed_when": "inventory_hostname == 'app-01'"})
    assert any(line.endswith("] App · Build (2 hosts, 1 changed)") for line in lines), lines
    assert statistics["changed"] == 1 and statistics["failures"] == []


def test_a_failure_names_host_task_and_reason(shown):
    lines, statistics = shown(**{"ansible.builtin.fail": {"msg": "raise app_limit"}, "when": "inventory_hostname == 'app-02'"})
    assert "FAILED on app-02: Build (App)" in lines and "raise app_limit" in lines
    assert statistics["failures"] == [{"host": "app-02", "task": "Build", "msg": "raise app_limit"}]


def test_every_item_that_fails_is_told(shown):
    lines, dummy = shown(**{"ansible.builtin.fail": {"msg": "{{ item }} is wrong"}, "loop": ["one", "two"]})
    assert {"one is wrong", "two is wrong"} <= set(lines)


def test_a_command_that_says_what_is_wrong_on_its_standard_output_is_heard(shown):
    """Yarn does, with the reason at the end."""
    lines, dummy = shown(**{"ansible.builtin.command": {"argv": ["sh", "-c", "seq 100; echo YN0028: the lockfile would have been modified; exit 1"]}})
    assert "YN0028: the lockfile would have been modified" in lines and "5" not in lines
