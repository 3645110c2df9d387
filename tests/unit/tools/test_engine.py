# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said where the machine's own packages cannot be had."""

from __future__ import annotations

import pytest

from tools import engine
from tools.ground import Failure

MISSING = {"no-such-command": ["no-such-package"]}


@pytest.fixture(autouse=True)
def no_apt(monkeypatch):
    """Nothing is installed; a bare machine's apt updates without its archive too, and knows nothing then."""
    ran = []
    monkeypatch.setattr(engine, "run", lambda command, **words: ran.append(list(command)))
    monkeypatch.setattr(engine, "_known", lambda package: False)
    monkeypatch.setattr(engine, "_updated", False)
    monkeypatch.setattr(engine.shutil, "which", lambda command: None if command in MISSING else "/usr/bin/" + command)
    return ran


@pytest.mark.parametrize("user", [0, 1000])
def test_packages_that_no_list_has_are_named_with_the_archive(monkeypatch, no_apt, user):
    monkeypatch.setattr(engine.os, "geteuid", lambda: user)
    with pytest.raises(Failure, match="no-such-package") as refused:
        engine.ensure_commands(MISSING)
    assert "apt-get update" in refused.value.next_step
    assert not [command for command in no_apt if "install" in command]


def test_a_machine_that_is_no_debian_is_told_of_and_not_a_traceback(monkeypatch):
    monkeypatch.setattr(engine.shutil, "which", lambda command: None)
    with pytest.raises(Failure, match="no apt-get.*no-such-package"):
        engine.ensure_commands(MISSING)


@pytest.mark.parametrize("host", ["tcp://192.0.2.1:2375", "ssh://root@192.0.2.1"])
def test_an_engine_of_another_machine_is_refused(monkeypatch, tmp_path, host):
    """Its hosts would have addresses that this machine does not reach, and files of this machine that are not there."""
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{host}'\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(engine, "ensure_packages", lambda: None)
    monkeypatch.setattr(engine, "ensure_instances", lambda: None)
    with pytest.raises(Failure, match=host) as refused:
        engine.ensure()
    assert "DOCKER_HOST" in refused.value.next_step
