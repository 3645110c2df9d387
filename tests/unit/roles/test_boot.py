# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services come back by themselves: from a boot at which their address or a name is late, from a kill for memory, from a store that was away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from role_run import ROLES, rendered

ADDRESSED = sorted(
    role.name for role in ROLES.iterdir() if role.name != "stack" and (role / "defaults" / "main.yml").exists()
    and any("stack_address" in str(value) for name, value in (yaml.safe_load((role / "defaults" / "main.yml").read_text()) or {}).items()
            if name.endswith(("_bind", "_listen_address")))
)


def texts(role: str) -> list[str]:
    return [path.read_text() for folder in ("tasks", "templates") for path in (ROLES / role / folder).glob("*")]


def test_the_roles_that_serve_an_address_are_known() -> None:
    assert {"postgresql", "pgbouncer", "redis", "puma", "streaming", "object_storage"} <= set(ADDRESSED)


@pytest.mark.parametrize("role", ADDRESSED)
def test_it_starts_when_its_address_is_there(role: str) -> None:
    assert any("Wants=network-online.target" in text and "After=network-online.target" in text for text in texts(role))


# systemd's DefaultStartLimitIntervalSec= and DefaultStartLimitBurst=.
INTERVAL, BURST = 10, 5


@pytest.mark.parametrize("role", [*ADDRESSED, "haproxy", "media_proxy", "sidekiq", "supervisor"])
def test_systemd_does_not_give_it_up(role: str) -> None:
    """It ends at once for as long as it cannot bind, or resolve a name."""
    if role == "postgresql":
        pytest.skip("it serves loopback until then")
    pauses = [int(pause) for text in texts(role) for pause in re.findall(r"^ *RestartSec=([0-9]+)", text, re.MULTILINE)]
    assert pauses and min(pauses) * BURST >= INTERVAL


def test_nginx_is_started_again() -> None:
    """Debian's unit has no Restart=: with the store's name not resolved at the boot it stayed away for good."""
    assert any(re.search(r"^ *Restart=on-failure$", text, re.MULTILINE) for text in texts("media_proxy"))


@pytest.mark.parametrize("role", ["postgresql", "puma", "sidekiq", "media_proxy", "supervisor"])
def test_the_kernel_takes_one_process_for_memory_and_systemd_not_all(role: str) -> None:
    """What replaces its processes itself, or runs converters, would be stopped as a whole: PostgreSQL and nginx for good."""
    assert any(re.search(r"^ *OOMPolicy=continue$", text, re.MULTILINE) for text in texts(role))


def test_a_program_of_supervisord_outlasts_a_database_that_is_away(tmp_path: Path) -> None:
    """supervisord waits a second longer before each try."""
    text = rendered(tmp_path, "supervisor", "programs.conf.j2", {"supervisor_programs": [{"name": "web", "command": "/bin/web", "user": "web"}]})
    found = re.search(r"^startretries = ([0-9]+)$", text, re.MULTILINE)
    assert found and sum(range(1, int(found[1]) + 1)) > 24 * 3600


@pytest.mark.parametrize(("service", "waited", "paused"), [
    ({}, "0", False), ({"wait": 3}, "3", False), ({"lease": True}, "25", True), ({"lease": True, "wait": 0}, "0", True),
], ids=["lock", "patient", "lease", "impatient"])
def test_a_lease_of_before_a_power_cut_or_its_store_away_does_not_keep_a_unit_from_starting(
        tmp_path: Path, service: dict[str, Any], waited: str, paused: bool) -> None:
    variables = {"exclusive_lock_lease": {"ttl": 20}, "exclusive_lock_host": "host"}
    unit = {"name": "ledger.service", "data": "/srv", "command": "/bin/ledger", **service}
    lines = rendered(tmp_path, "exclusive_lock", "unit.conf.j2", {**variables, "item": unit}).splitlines()
    assert any(f"--wait {waited} " in line for line in lines)
    assert ("RestartSec=5" in lines) is paused
    compose = rendered(tmp_path, "exclusive_lock", "compose.yml.j2", {**variables, "item": {**unit, "command": ["ledger"]}})
    assert f'"--wait", "{waited}"' in compose
