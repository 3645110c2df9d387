# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release on a host and what its database says, as far as the migrations look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from role_run import ROLES
from test_power_cut import shims

MIGRATE: dict[str, Any] = {"ansible.builtin.include_role": {"name": str(ROLES / "mastodon"), "tasks_from": "migrate"}}


def put_release(home: Path, name: str, minor: int, *migrations: str) -> None:
    """A Mastodon 4.MINOR.1 below `releases`; migrations are paths in it."""
    release = home / "releases" / name
    for path in (*migrations, "lib/mastodon/version.rb"):
        (release / path).parent.mkdir(parents=True, exist_ok=True)
        (release / path).touch()
    (release / "lib/mastodon/version.rb").write_text(f"def major\n 4\nend\ndef minor\n {minor}\nend\ndef patch\n 1\nend\n")


def psql_tells(directory: Path, *versions: str) -> str:
    """A directory for the search path, with a psql that knows a database of these migrations."""
    shims(directory, psql=f"""case "$*" in
  *"SELECT 'version '"*) printf 'version %s\\n' {' '.join(versions)} ;;
  *) printf 'tables 90\\nserver 170005\\nrecorded in schema_migrations\\n' ;;
esac""")
    return f"{directory}/bin"
