# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that was brought to one value is brought to another, and nothing of the first one stays in force."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from role_run import STACK, play, rendered
from test_power_cut import shims, task


def test_a_cache_that_moves_has_another_zone(tmp_path: Path) -> None:
    """nginx refuses another directory under one name in a reload, though not in its test, and keeps the whole former configuration."""
    store = {**STACK["stack_object_storage"], "public_url": "https://media.s3.example.org"}
    zones = []
    for directory in ("/var/cache/nginx/media", "/srv/cache"):
        text = rendered(tmp_path, "media_proxy", "nginx.conf.j2", {"stack_object_storage": store, "media_proxy_cache_directory": directory})
        declared, used = re.findall(r"keys_zone=(\w+):16m", text), re.findall(r"proxy_cache (\w+);", text)
        assert declared == used and len(used) == 1
        zones += used
    assert zones[0] != zones[1]


def test_a_standby_that_is_gone_holds_back_no_wal(tmp_path: Path) -> None:
    """A slot of another name, or in use, is left alone; one that was lost is made anew."""
    idle = [("standby_10_91_0_22", "reserved"), ("standby_10_91_0_23", "lost"), ("standby_10_91_0_29", "extended"), ("standby_10_91_0_28", "lost"),
            ("standby_archive", "reserved"), ("backup", "lost"), ("standby_10_91_0_24", None)]
    code, output = play(tmp_path, "postgresql", [{"ansible.builtin.debug": {"msg": "gone={{ __postgresql_slots_gone | sort | join(',') }}."}}], {
        "stack_postgresql_standbys": ["10.91.0.22", "10.91.0.23", "10.91.0.24"],
        "__postgresql_idle": {"query_result": [{"slot_name": name, "wal_status": status} for name, status in idle]},
    })
    assert code == 0, output
    assert "gone=standby_10_91_0_23,standby_10_91_0_28,standby_10_91_0_29." in output
