# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which code a host runs over which schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from mastodon_release import MIGRATE, psql_tells, put_release
from role_run import ROLES, play
from test_power_cut import shims


def test_no_host_gets_the_new_code_where_its_migrations_have_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One host migrates for all; the others would go on without it, and serve the new code over the former schema."""
    for host in ("app-01", "app-02"):
        (tmp_path / host / "shared").mkdir(parents=True)
        (tmp_path / host / "releases" / "new").mkdir(parents=True)
    shims(tmp_path, psql="echo 'the database is starting up' >&2; exit 2")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    variables = {
        "mastodon_home": f"{tmp_path}/{{{{ inventory_hostname }}}}", "mastodon_user": "root",
        "mastodon_migrator": "{{ inventory_hostname == 'app-01' }}", "mastodon_builder": "app-01",
        "__mastodon_release": {"commit": "new", "complete": True, "removable": []},
    }
    run = {"ansible.builtin.include_role": {"name": str(ROLES / "mastodon"), "tasks_from": "run"}}
    code, output = play(tmp_path, "mastodon", [run], variables, hosts=("app-01", "app-02"))
    assert code != 0 and "the database is starting up" in output, output
    assert not (tmp_path / "app-02" / "current").is_symlink()


def test_no_older_release_follows_one_that_has_taken_something_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_release(tmp_path, "old", 4, "db/post_migrate/20250101000000_first.rb")
    put_release(tmp_path, "new", 5, "db/post_migrate/20250911000000_remove_a_column.rb")
    (tmp_path / "current").symlink_to("releases/new")
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("PATH", psql_tells(tmp_path, "20250101000000", "20250911000000"), prepend=":")
    variables = {"mastodon_home": str(tmp_path), "mastodon_user": "root", "__mastodon_release": {"commit": "old"}}
    code, output = play(tmp_path, "mastodon", [MIGRATE], variables)
    assert code != 0 and "does not know: 20250911000000." in output, output
    code, output = play(tmp_path, "mastodon", [MIGRATE], {**variables, "mastodon_go_back": True})
    assert code == 0, output
