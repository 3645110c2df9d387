# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROLES = Path(__file__).parents[4] / "roles"
sys.dont_write_bytecode = True
for role in ("exclusive_lock", "reboot_timer"):
    sys.path.insert(0, str(ROLES / role / "files"))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    from .bench import Bench

    return Bench(tmp_path, monkeypatch)
