# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That root does nothing for Mastodon's user which that user could turn against the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from role_run import play

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


def test_root_takes_no_program_from_the_users_path(tmp_path: Path) -> None:
    shims = tmp_path / "home" / ".rbenv" / "shims"
    shims.mkdir(parents=True)
    (shims / "runuser").write_text(f"#!/bin/sh\nid -u > {tmp_path}/who\n")
    (shims / "runuser").chmod(0o755)
    task = {
        "ansible.builtin.command": {"argv": "{{ __mastodon_as_user + ['true'] }}"},
        "environment": "{{ __mastodon_build_environment }}",
    }
    variables = {"mastodon_home": str(tmp_path / "home"), "mastodon_user": "nobody", "mastodon_ruby": "rbenv"}
    code, output = play(tmp_path, "mastodon", [task], variables)
    assert code == 0, output
    assert not (tmp_path / "who").exists()
