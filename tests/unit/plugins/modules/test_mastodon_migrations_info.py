# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How mastodon_migrations_info asks psql, and what it says when that cannot connect."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from ansible_collections.sabakan.vps.plugins.modules import mastodon_migrations_info
from ansible_collections.sabakan.vps.plugins.modules.mastodon_migrations_info import FACTS, UNKNOWN, VERSIONS


class Module:
    def __init__(self, check_mode: bool, *ended: Any) -> None:
        self.params = {"host": "10.91.0.21", "port": 5432, "database": "mastodon_production", "user": "mastodon", "password": "secret"}
        self.check_mode = check_mode
        self.ended = ended
        self.words: list[str] = []
        self.options: dict[str, Any] = {}

    def run_command(self, words: list[str], **options: Any) -> Any:
        self.words, self.options = words, options
        return self.ended

    def fail_json(self, msg: str) -> NoReturn:
        raise RuntimeError(msg)

    def exit_json(self, **result: Any) -> NoReturn:
        raise SystemExit(str(result))


def test_facts_are_read_and_nothing_is_written_to_a_psql_that_may_have_ended() -> None:
    module = Module(False, 0, "tables 90\nserver 170005\n\nrecorded in schema_migrations\n", "")
    assert dict(mastodon_migrations_info.rows(module, "/usr/bin/psql", FACTS)) == {
        "tables": "90", "server": "170005", "recorded": "in schema_migrations",
    }
    assert [word for word in module.words if word in FACTS] == list(FACTS)
    assert "data" not in module.options
    assert "secret" not in module.words


def test_a_database_that_cannot_be_reached_is_named_with_what_psql_said() -> None:
    module = Module(False, 2, "", "connection refused\n")
    with pytest.raises(RuntimeError, match=r"10\.91\.0\.21:5432, database mastodon_production, .* as mastodon: connection refused$"):
        mastodon_migrations_info.rows(module, "/usr/bin/psql", VERSIONS)


def test_in_check_mode_nothing_is_known_of_it() -> None:
    with pytest.raises(SystemExit) as ended:
        mastodon_migrations_info.rows(Module(True, 2, "", "connection refused\n"), "/usr/bin/psql", FACTS)
    assert str(ended.value) == str(UNKNOWN)
