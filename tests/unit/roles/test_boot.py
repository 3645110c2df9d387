# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service on the stack's network at the boot of a host whose network comes up after network.target, as systemd-networkd's does."""

from __future__ import annotations

import pytest
import yaml
from role_run import ROLES

ADDRESSED = sorted(
    role.name for role in ROLES.iterdir() if role.name != "stack" and (role / "defaults" / "main.yml").exists()
    and any("stack_address" in str(value) for name, value in (yaml.safe_load((role / "defaults" / "main.yml").read_text()) or {}).items()
            if name.endswith(("_bind", "_listen_address")))
)


def test_the_roles_that_serve_an_address_are_known() -> None:
    assert {"postgresql", "pgbouncer", "redis", "puma", "streaming", "object_storage"} <= set(ADDRESSED)


@pytest.mark.parametrize("role", ADDRESSED)
def test_it_starts_when_its_address_is_there(role: str) -> None:
    texts = [path.read_text() for folder in ("tasks", "templates") for path in (ROLES / role / folder).glob("*")]
    assert any("Wants=network-online.target" in text and "After=network-online.target" in text for text in texts)
