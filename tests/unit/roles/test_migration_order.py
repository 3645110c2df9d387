# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which code a host runs over which schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from role_run import ROLES, play


def test_no_host_gets_the_new_code_where_its_migrations_have_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One host migrates for all; the others would go on without it, and serve the new code over the former schema."""
    for host in ("app-01", "app-02"):
        (tmp_path / host / "shared").mkdir(parents=True)
        (tmp_path / host / "releases" / "new").mkdir(parents=True)
    psql = tmp_path / "bin" / "psql"
    psql.parent.mkdir()
    psql.write_text("#!/bin/sh\necho 'the database is starting up' >&2; exit 2\n")
    psql.chmod(0o755)
    monkeypatch.setenv("PATH", str(psql.parent), prepend=":")
    variables = {
        "mastodon_home": f"{tmp_path}/{{{{ inventory_hostname }}}}", "mastodon_user": "root",
        "mastodon_migrator": "{{ inventory_hostname == 'app-01' }}", "mastodon_builder": "app-01",
        "__mastodon_release": {"commit": "new", "complete": True, "removable": []},
    }
    run = {"ansible.builtin.include_role": {"name": str(ROLES / "mastodon"), "tasks_from": "run"}}
    code, output = play(tmp_path, "mastodon", [run], variables, hosts=("app-01", "app-02"))
    assert code != 0 and "the database is starting up" in output, output
    assert not (tmp_path / "app-02" / "current").is_symlink()
