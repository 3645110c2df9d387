# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the playbook secrets writes, called as the README tells."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GIVEN = "mine/group_vars/all/secrets.yml"


@pytest.fixture()
def secrets(tmp_path):
    shutil.copytree(ROOT / "inventories" / "friends_cafe", tmp_path / "mine")

    def run(file):
        done = subprocess.run(
            ["ansible-playbook", "-i", "mine", "sabakan.vps.secrets", "-e", f"stack_secrets_file={file}", "-e", '{"secrets_certificates": []}'],
            cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_relative_path_is_one_of_where_the_command_was_given(secrets, tmp_path):
    """Modules of localhost run beside the playbook, which is in the installed collection."""
    code, output = secrets(GIVEN)
    assert code == 0, output
    written = tmp_path / GIVEN
    assert "redis_password" in yaml.safe_load(written.read_text())["stack_secrets"] and written.stat().st_mode & 0o777 == 0o600
    before = written.read_text()
    code, output = secrets(GIVEN)
    assert code == 0 and "changed=0" in output and written.read_text() == before, output


@pytest.mark.parametrize("file", ["vault.yml", "~/vault.yml"])
def test_an_encrypted_file_of_a_relative_path_is_refused_as_one(secrets, tmp_path, file):
    (tmp_path / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n")
    code, output = secrets(file)
    assert code and "it is encrypted or its stack_secrets were not read" in " ".join(output.split()), output
    assert (tmp_path / "vault.yml").read_text().startswith("$ANSIBLE_VAULT")


def test_what_the_hosts_need_to_become_root_is_not_asked_of_this_machine(secrets, tmp_path, monkeypatch):
    """The access to the hosts is of all, of which localhost is one: a file of root's own, and the hosts' password for sudo, would come of it."""
    monkeypatch.setenv("ANSIBLE_BECOME_ALLOW_SAME_USER", "true")
    (tmp_path / "mine/group_vars/all/access.yml").write_text("ansible_become: true\nansible_become_exe: /nonexistent/sudo\n")
    code, output = secrets(GIVEN)
    assert code == 0, output
