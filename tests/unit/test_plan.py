# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role stack as ansible-playbook runs it, over hosts that cannot be reached.

The fixture's hosts have an interpreter that does not exist: a task that went to one of
them would fail, and the play after the plan would print "touched".
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

FIXTURE = Path(__file__).parent / "fixtures" / "plan"


def plan(*arguments: str, **variables: Any) -> tuple[int, str]:
    """Run the plan; returns the exit code and the output as one line."""
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            str(FIXTURE / "inventory.yml"),
            str(FIXTURE / "playbook.yml"),
            "-e",
            json.dumps(variables),
            *arguments,
        ],
        env={**os.environ, "ANSIBLE_ROLES_PATH": str(FIXTURE / "roles"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_plan_that_fits_is_shown_and_changes_nothing_whatever_the_tags() -> None:
    code, output = plan("--check", "--tags", "puma")
    assert code == 0, output
    assert "dam on rdb-01 (10.91.0.21:6432): 60 of 200 connections" in output
    assert "tap.service on app-01: 500 of 1024 descriptors" in output
    assert "queue scheduler: all on lankiq-01" in output
    assert "changed=1" not in output


SECOND = {"name": "second", "queues": ["scheduler,1", "mailer"], "concurrency": 5}
ALL = {"name": "all", "queues": [], "concurrency": 25}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        pytest.param(
            {"tap_count": 110, "tap_limit_nofile": 64, "dam_pool_size": 98, "swarm_processes": [ALL, SECOND]},
            [
                "- dam on rdb-01 (10.91.0.21:6432) is asked for 220 connections but takes 200",
                "app-01 tap 2x110 = 220",
                "raise dam_max_client_conn to at least 220, or lower tap_count",
                "- lake on rdb-01 (10.91.0.21:5432) is asked for 98 connections but takes 97",
                "tap.service needs 500 descriptors (400 + 100) but its limit is 64: raise tap_limit_nofile",
                "Queue scheduler is consumed by 2 processes, all on lankiq-01",
                "consumes 'mailer'",
            ],
            id="every budget at once",
        ),
        pytest.param(
            {
                "stack_services": ["puma", "redis"],
                "stack_secrets": {"redis_password": "hunter2", "secret_key_base": " "},
            },
            [
                "rdb-02 (puma, redis) lacks the variables stack_database, stack_redis_address, stack_object_storage",
                "the keys postgresql_password, secret_key_base, vapid_private_key, vapid_public_key",
                "active_record_encryption_primary_key",
            ],
            id="variables and secrets",
        ),
        pytest.param(
            {
                "stack_services": ["object_storage", "media_proxy"],
                "stack_object_storage": {"endpoint": "https://s3.example.org", "region": "eu", "bucket": "media"},
            },
            ["stack_object_storage.public_url and the keys", "object_storage_key, ca_certificate of stack_secrets"],
            id="a store without the address that its media are read from",
        ),
        pytest.param(
            {"stack_frontends": "10.91.0.41", "stack_services": "tap"},
            ["app-01: stack_services and stack_frontends must be lists", "in INI as stack_services=['...']"],
            id="a list as INI has it",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_before_any_host_is_touched(
    variables: dict[str, Any], says: list[str]
) -> None:
    code, output = plan(**variables)
    assert code != 0
    for sentence in says:
        assert sentence in output
    assert "touched" not in output
    assert "hunter2" not in output


OBJECT_STORAGE = {
    "stack_services": ["object_storage"],
    "stack_object_storage": {"endpoint": "https://10.91.0.22", "bucket": "media", "region": "us-east-1"},
    "stack_secrets": {"ca_certificate": "x", **{f"object_storage_{name}": "x" for name in ("access_key", "secret_key", "certificate", "key")}},
}


@pytest.mark.parametrize(
    ("debian", "version", "refused"),
    [("12", "v4.10.1", True), ("12", "4.5", False), ("13", "4.6", False)],
)
def test_the_swift_of_debian_12_is_refused_where_the_release_deletes_in_batches(
    debian: str, version: str, refused: bool
) -> None:
    release = {"repository": "file:///nonexistent", "ref": "main", "version": version}
    code, output = plan("--limit", "rdb-02", **OBJECT_STORAGE, fixture_debian=debian, stack_release=release)
    told = "deletes media in batches that the Swift of Debian 12 refuses: make it a host of Debian 13" in output
    assert told is refused
    assert code != 0 if refused else "(object_storage) lacks" not in output


@pytest.mark.parametrize("version", ["v4.5.15", "v4.5.0-rc.1+glitch", "main", ""])
def test_a_version_in_any_notation_does_not_hide_what_a_host_lacks(version: str) -> None:
    release = {"repository": "file:///nonexistent", "ref": "main", "version": version}
    code, output = plan(stack_services=["puma", "object_storage"], stack_release=release)
    assert code != 0
    assert "bystander (puma, object_storage) lacks the variables" in output
    assert ("active_record_encryption_primary_key" in output, "otp_secret" in output) == (version[:1] == "v", False)


def test_a_limit_is_refused_with_the_hosts_that_it_leaves_out_and_all_else_that_is_wrong() -> None:
    variables = {"stack_address": "10.91.0.11", "dam_address": "10.91.0.21", "dam_pool_size": "much"}
    code, output = plan("--limit", "rdb-01,rdb-02,app-01", **variables)
    assert code != 0
    assert "over 3 of 5 hosts: app-02, lankiq-01 left out" in output
    assert "app-01 and rdb-01 and rdb-02 have one address, 10.91.0.11" in output
    assert "connections[0].count: expected a whole number, got 'much'" in output
    assert "touched" not in output


def test_a_limit_is_not_accepted_by_the_word_false() -> None:
    """As -e and INI give it."""
    code, output = plan("--limit", "app-01", "-e", "stack_allow_partial_plan=false")
    assert code != 0 and "over 1 of 5 hosts" in output


def test_a_limit_is_accepted_when_asked_and_said_aloud() -> None:
    code, output = plan("--limit", "app-01", stack_allow_partial_plan=True)
    assert code == 0, output
    assert "Warning: The plan is over 1 of 5 hosts" in output
