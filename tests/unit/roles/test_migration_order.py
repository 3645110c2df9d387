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


def test_no_older_release_follows_one_that_has_taken_something_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, minor, migration in (("old", 4, "20250101000000_first.rb"), ("new", 5, "20250911000000_remove_a_column.rb")):
        release = tmp_path / "releases" / name
        (release / "db/post_migrate").mkdir(parents=True)
        (release / "db/post_migrate" / migration).touch()
        (release / "lib/mastodon").mkdir(parents=True)
        (release / "lib/mastodon/version.rb").write_text(f"def major\n 4\nend\ndef minor\n {minor}\nend\ndef patch\n 1\nend\n")
    (tmp_path / "current").symlink_to("releases/new")
    (tmp_path / "shared").mkdir()
    psql = tmp_path / "bin" / "psql"
    psql.parent.mkdir()
    psql.write_text("""#!/bin/sh
case "$*" in
  *"SELECT 'version '"*) printf 'version 20250101000000\\nversion 20250911000000\\n' ;;
  *) printf 'tables 90\\nserver 170005\\nrecorded in schema_migrations\\n' ;;
esac
""")
    psql.chmod(0o755)
    monkeypatch.setenv("PATH", str(psql.parent), prepend=":")
    variables = {"mastodon_home": str(tmp_path), "mastodon_user": "root", "__mastodon_release": {"commit": "old"}}
    migrate = {"ansible.builtin.include_role": {"name": str(ROLES / "mastodon"), "tasks_from": "migrate"}}
    code, output = play(tmp_path, "mastodon", [migrate], variables)
    assert code != 0 and "does not know: 20250911000000." in output, output
    code, output = play(tmp_path, "mastodon", [migrate], {**variables, "mastodon_go_back": True})
    assert code == 0, output
