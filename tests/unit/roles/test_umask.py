# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root's session on a hardened host has umask 077 (login.defs, pam_umask); what others run must not be root's alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from role_run import ROLES, play


@pytest.mark.parametrize(("file", "title"), [("install.yml", "Install a newer Node"), ("build.yml", "Install Yarn")])
def test_what_npm_installs_for_all_is_readable_for_all(tmp_path: Path, file: str, title: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npm").write_text(f"#!/bin/sh\numask > {tmp_path}/umask\n")
    (tmp_path / "bin" / "npm").chmod(0o755)
    task = next(task for task in yaml.safe_load((ROLES / "mastodon" / "tasks" / file).read_text()) if task["name"] == title)
    task["environment"] = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    variables = {"mastodon_node_version": "0.1", "mastodon_yarn_version": "0.1", "__mastodon_release": {"commit": "0"}}
    before = os.umask(0o077)
    try:
        code, output = play(tmp_path, "mastodon", [task], variables)
    finally:
        os.umask(before)
    assert code == 0, output
    assert (tmp_path / "umask").read_text().strip() == "0022"
