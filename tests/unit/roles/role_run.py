# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role's variables, templates and refusals as ansible-playbook evaluates them, on no other host than this one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROLES = Path(__file__).parents[3] / "roles"
# What the host and the inventory give every role; the values are nobody's.
STACK = {
    "ansible_facts": {"distribution_major_version": "13", "architecture": "x86_64"},
    "stack_domain": "friends.cafe",
    "stack_network": "10.91.0.0/24",
    "stack_address": "10.91.0.21",
    "stack_postgresql_primary": "10.91.0.21",
    "stack_postgresql_standbys": [],
    "stack_database": {"name": "mastodon_production", "user": "mastodon", "host": "10.91.0.21", "port": 6432},
    "stack_redis_address": "10.91.0.31",
    "stack_app_servers": [{"name": "app-01", "address": "10.91.0.11"}],
    "stack_frontends": ["10.91.0.41"],
    "stack_object_storage": {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "media"},
    "stack_release": {"repository": "https://example.org/mastodon.git", "ref": "v4.5.15", "version": "4.5"},
    "stack_secrets": dict.fromkeys(
        ("postgresql_password", "postgresql_replication_password", "pgbouncer_stats_password", "redis_password",
         "secret_key_base", "vapid_private_key", "vapid_public_key", "active_record_encryption_primary_key",
         "active_record_encryption_deterministic_key", "active_record_encryption_key_derivation_salt",
         "object_storage_secret_key", "haproxy_stats_password"),
        "long-enough-to-be-one",
    ) | {"object_storage_access_key": "mastodon:media"},
}


def play(directory: Path, role: str, tasks: list[dict[str, Any]], variables: dict[str, Any], *arguments: str,
         inventory: dict[str, Any] | None = None, hosts: Sequence[str] = ("localhost",)) -> tuple[int, str]:
    """Run tasks with the role's defaults and vars beneath these variables; the exit code and the output as one line."""
    (directory / "inventory.json").write_text(json.dumps({"all": {"hosts": {host: {} for host in hosts}, "vars": inventory or {}}}))
    files = [ROLES / role / "defaults" / "main.yml", ROLES / role / "vars" / "main.yml"]
    (directory / "playbook.yml").write_text(json.dumps([{
        "hosts": "all", "connection": "local", "gather_facts": False,
        "vars_files": [str(path) for path in files if path.exists()], "tasks": tasks,
    }]))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(directory / "inventory.json"), str(directory / "playbook.yml"), "-e", json.dumps({**STACK, **variables}), *arguments],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, timeout=120, check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def rendered(directory: Path, role: str, template: str, variables: dict[str, Any]) -> str:
    """The file that the role would write."""
    source = str(ROLES / role / "templates" / template)
    task = {"ansible.builtin.template": {"src": source, "dest": str(directory / "rendered")}}
    code, output = play(directory, role, [task], variables)
    assert code == 0, output
    return (directory / "rendered").read_text()
