# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks under settings of Ansible's that a user has in an ansible.cfg of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "unit" / "fixtures" / "plan"
# The fixture's hosts are this one, of which facts are read and nothing else.
HERE = ["-i", str(FIXTURE / "inventory.yml"), "-e", f"ansible_python_interpreter={sys.executable}", "-e", "ansible_remote_tmp=/tmp"]


def run(*words: str, **settings: str) -> tuple[int, str]:
    environment = {**os.environ, "ANSIBLE_ROLES_PATH": str(FIXTURE / "roles"), "ANSIBLE_NOCOLOR": "1", **settings}
    done = subprocess.run([words[0], *HERE, *words[1:]], env=environment, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_plan_awaits_every_host_whatever_the_strategy() -> None:
    code, output = run("ansible-playbook", "sabakan.vps.plan", ANSIBLE_STRATEGY="free")
    assert code == 0 and "dam on rdb-01 (10.91.0.21:6432): 60 of 200 connections" in output, output


# PostgreSQL: a standby clones what its primary has made. The others: one host builds for all, and restarts come one by one.
@pytest.mark.parametrize(("playbook", "roles"), [("data", {"postgresql"}), ("app", {"mastodon", "puma", "streaming"})])
def test_hosts_that_await_each_other_do_so_whatever_the_strategy(playbook: str, roles: set[str]) -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
    free = [play["name"] for play in plays if play.get("hosts") in roles and play.get("strategy") != "ansible.builtin.linear"]
    assert not free


@pytest.mark.parametrize("playbook", ["plan", "facts"])
def test_facts_of_another_playbooks_choice_are_not_taken_for_all(tmp_path: Path, playbook: str) -> None:
    cache = {"ANSIBLE_GATHERING": "smart", "ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "cache")}
    (tmp_path / "another.yml").write_text("[{hosts: rdb-01, gather_facts: true, gather_subset: ['!all']}]")
    code, output = run("ansible-playbook", str(tmp_path / "another.yml"), **cache)
    assert code == 0 and "Gathering Facts" in output, output
    code, output = run("ansible-playbook", f"sabakan.vps.{playbook}", "--limit", "rdb-01", "-e", "stack_allow_partial_plan=true", **cache)
    assert code == 0, output
    code, output = run("ansible", "rdb-01", "-m", "ansible.builtin.debug", "-a", "msg={{ ansible_facts.memtotal_mb is defined }}", **cache)
    assert '"msg": true' in output.lower(), output


def test_the_plan_of_the_mounts_knows_the_swap_that_was_just_made() -> None:
    """Else its first run warns of a host without swap, and tells to make what it has made."""
    plays = yaml.safe_load((ROOT / "playbooks" / "sftp.yml").read_text())
    steps = [step for play in plays for step in [*(name for task in play.get("pre_tasks", []) for name in task), *play.get("roles", [])]]
    assert "ansible.builtin.setup" in steps[steps.index("sabakan.vps.swap"):steps.index("sabakan.vps.sftp_s3")]


# Address of the database and of its replica, and what the bouncer there calls the replica's database.
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("lankiq-01", ["127.0.0.1", "127.0.0.1", "mastodon_production_replica"]),
        ("rdb-01", ["10.91.0.21", "10.91.0.22", "mastodon_production"]),
        ("rdb-02", ["10.91.0.21", "10.91.0.22", "mastodon_production"]),
    ],
)
def test_sidekiq_beside_a_database_does_not_take_its_bouncer_for_the_second_layer(tmp_path: Path, host: str, expected: list[str]) -> None:
    """That one has the database beside it alone: no replica on the primary's host, nothing to write to on the standby's."""
    (tmp_path / "more.yml").write_text(f"sidekiq: {{hosts: {{{host}: }}}}\n")
    values = "{{ [stack_database.host, stack_database.replica_host, mastodon_replica_db_name] | to_json }}"
    done = subprocess.run(
        ["ansible", host, "-i", str(ROOT / "inventories" / "friends_cafe"), "-i", str(tmp_path / "more.yml"), "-m", "ansible.builtin.debug",
         "-a", f"msg='is {values}'"],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, timeout=120, check=False,
    )
    assert json.dumps(expected) in done.stdout.replace('\\"', '"'), done.stdout + done.stderr
