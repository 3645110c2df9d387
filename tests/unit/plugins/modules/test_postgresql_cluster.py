# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What postgresql_cluster does as root in a directory of PostgreSQL's user."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.sabakan.vps.plugins.modules import postgresql_cluster


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_no_file_that_a_link_names_is_emptied_or_given_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(pwd, "getpwnam", lambda dummy: nobody)
    foreign, signal = tmp_path / "shadow", tmp_path / "standby.signal"
    foreign.write_text("root:*\n")
    signal.symlink_to(foreign)
    postgresql_cluster.make_standby(str(tmp_path))
    assert (foreign.read_text(), foreign.stat().st_uid) == ("root:*\n", 0)
    assert (signal.is_symlink(), signal.read_text(), signal.stat().st_uid) == (False, "", nobody.pw_uid)
