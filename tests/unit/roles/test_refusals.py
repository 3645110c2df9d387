# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles refuse before they change a host, because a daemon would read something else than was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mastodon_release import MIGRATE, psql_tells, put_release
from role_run import ROLES, STACK, play

# As `echo ... | ansible-vault encrypt_string` leaves it.
LINE = "long-enough-to-be-one\n"
USER = {"account": "mastodon", "user": "media", "key": "long-enough-to-be-one", "groups": [".admin"]}
PEM = {"name": "front", "pem": "BEGIN CERTIFICATE, PRIVATE KEY"}


@pytest.mark.parametrize(
    ("role", "variables", "says"),
    [
        pytest.param(
            "postgresql", {"postgresql_password": LINE, "__postgresql_version": "0", "__postgresql_data": "/nonexistent/0/main"},
            "postgresql_password has 22", id="postgresql, line break",
        ),
        pytest.param("pgbouncer", {"pgbouncer_stats_password": LINE}, "pgbouncer_stats_password 22", id="pgbouncer, line break"),
        pytest.param("object_storage", {"object_storage_users": [{**USER, "key": LINE}]}, "each of object_storage_users", id="object_storage"),
        pytest.param(
            "object_storage", {"stack_secrets": {**STACK["stack_secrets"], "object_storage_access_key": "mastodon"}},
            "each of object_storage_users", id="object_storage, access key without a user",
        ),
        pytest.param(
            "object_storage", {"object_storage_users": [{name: value for name, value in USER.items() if name != "groups"}]},
            "the first one needs the group .admin", id="object_storage, no groups",
        ),
        pytest.param(
            "object_storage",
            {"object_storage_certificate": "BEGIN CERTIFICATE", "object_storage_key": "PRIVATE KEY", "object_storage_workers": 9},
            "object_storage_max_clients 256 and object_storage_workers 9 need 4672 descriptors", id="object_storage, workers",
        ),
        pytest.param("redis", {"redis_password": r"long\enough-to-be-one"}, "redis_password has 21", id="redis, backslash"),
        pytest.param("redis", {"redis_password": "long'enough-to-be-one"}, "redis_password has 21", id="redis, quote"),
        pytest.param(
            "haproxy", {"haproxy_certificates": [PEM], "haproxy_stats_password": "long'enough-to-be-one"},
            "haproxy_stats_password has 21", id="haproxy, quote",
        ),
    ],
)
def test_a_value_that_a_daemon_would_misread_is_refused(tmp_path: Path, role: str, variables: dict[str, Any], says: str) -> None:
    preflight = {"ansible.builtin.include_role": {"name": str(ROLES / role), "tasks_from": "preflight"}}
    code, output = play(tmp_path, role, [preflight], variables)
    assert code != 0
    assert says in output


VAULTED = "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6161\n"


@pytest.mark.parametrize(("more", "says"), [(f"smtp_password: {VAULTED}", "holds smtp_password too"), ("", "")])
def test_a_file_of_secrets_that_holds_more_is_not_written_over(tmp_path: Path, more: str, says: str) -> None:
    path = tmp_path / "secrets.yml"
    path.write_text(f"stack_secrets: {{redis_password: kept}}\n{more}")
    variables = {"secrets_file": str(path), "stack_secrets": {"redis_password": "kept"}}
    role = {"ansible.builtin.include_role": {"name": str(ROLES / "secrets"), "rolespec_validate": False}}
    code, output = play(tmp_path, "secrets", [role], variables)
    assert (code == 0) == (not says), output
    assert says in output
    assert more in path.read_text() and "redis_password: kept" in path.read_text()
    assert ("secret_key_base" in path.read_text()) == (not says)


def test_a_database_from_before_4_3_is_not_brought_to_a_later_one_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_release(tmp_path, "abc", 5, "db/migrate/20230907150100_old.rb", "db/migrate/20250101000000_new.rb",
                "db/post_migrate/20240307180905_second_factors.rb")
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("PATH", psql_tells(tmp_path, "20230907150100"), prepend=":")
    variables = {"mastodon_home": str(tmp_path), "mastodon_user": "root", "__mastodon_release": {"commit": "abc"}}
    code, output = play(tmp_path, "mastodon", [MIGRATE], variables)
    assert code != 0
    assert "from before Mastodon 4.3" in output
    assert "Run the migrations" not in output
