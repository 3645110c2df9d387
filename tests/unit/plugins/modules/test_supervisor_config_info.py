# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken over from a hand-written configuration in a directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.modules import supervisor_config_info as config_info

MAIN = """[supervisord]
[include]
files = {directory}/extra/*.conf
[program:web]
command = %(ENV_HOME)s/bin/web
user = %(ENV_RUNS)s
[program:worker]
command = worker
[group:both]
programs = web,worker
"""


class Ended(Exception):
    """What the module returns."""


class Module:
    """Stands in for AnsibleModule."""

    params: dict[str, Any]

    def __init__(self, **dummy: Any) -> None:
        pass

    def exit_json(self, **values: Any) -> None:
        raise Ended(values)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    monkeypatch.setattr(config_info, "runs_as", lambda path: ("app", {"HOME": "/home/app", "RUNS": "taro"}))
    (tmp_path / "extra").mkdir()
    (tmp_path / "hand.conf").write_text(MAIN.format(directory=tmp_path))
    monkeypatch.setattr(config_info, "AnsibleModule", Module)

    def run(*programs: str, users: tuple[str, ...] = (), logs: tuple[str, ...] = ()) -> dict[str, Any]:
        Module.params = {
            "path": str(tmp_path / "supervisord.conf"), "previous": str(tmp_path / "hand.conf"), "programs": list(programs), "user": "",
            "minfds": 1024, "settings": [], "users": users, "logs": logs,
        }
        with pytest.raises(Ended) as ended:
            config_info.main()
        return dict(ended.value.args[0])

    return run


def test_the_previous_environment_is_written_out(found: Callable[..., dict[str, Any]]) -> None:
    kept = found("worker")["kept"]
    assert "command = /home/app/bin/web\nuser = taro\n" in kept
    assert "programs = web\n" in kept


def test_a_group_in_another_file_that_holds_one_of_the_programs_is_a_conflict(found: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "extra" / "group.conf").write_text("[group:jobs]\nprograms = crawler, mailer\n")
    assert found("crawler")["conflicts"] == [f"crawler stands in [group:jobs] of {tmp_path}/extra/group.conf"]
    assert found("worker")["conflicts"] == []


def test_what_supervisord_would_not_start_without_is_told_before(found: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """One such program, and none of the others runs after a restart."""
    told = found("web", users=("root", "0", "nobody-has-this-name", "4294000"), logs=(f"{tmp_path}/web.log", f"{tmp_path}/none/web.log"))
    assert told["missing"] == ["user 4294000", "user nobody-has-this-name", f"directory {tmp_path}/none"]
    assert found("web", logs=("/var/log/supervisor/web.log", "NONE", "AUTO", "syslog"))["missing"] == []
