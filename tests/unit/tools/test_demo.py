# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo does on this machine, without hosts."""

from __future__ import annotations

import subprocess

import pytest

from tools import demo
from tools.ground import Failure


def test_the_authority_is_written_whatever_the_path_is(tmp_path):
    inventory = tmp_path / "my cache" / "inventory"
    (inventory / "group_vars" / "all").mkdir(parents=True)
    (inventory / "hosts.json").write_text('{"all": {}}\n')
    (inventory / "group_vars" / "all" / "secrets.yml").write_text('stack_secrets: {ca_certificate: "--BEGIN\\nxy=\\n"}\n')
    assert demo.authority(inventory).read_text() == "--BEGIN\nxy=\n"


def test_a_toot_that_does_not_arrive_names_what_to_look_at_as_it_is_reached(monkeypatch, tmp_path):
    said = "Traceback (most recent call last):\nConnectionError: the stream by sse ended\n"
    monkeypatch.setattr(demo, "authority", lambda path: tmp_path / "ca.pem")
    monkeypatch.setattr(demo.subprocess, "run", lambda *words, **more: subprocess.CompletedProcess([], 1, "", said))
    with pytest.raises(Failure, match="arrive: ConnectionError: the stream by sse ended$") as told:
        demo.toot(tmp_path)
    assert f"ssh -i {demo.CACHE / 'ssh_key'} root@" in told.value.next_step


def test_the_hosts_are_removed_where_no_engine_answers_any_more(monkeypatch, tmp_path):
    steps = []
    monkeypatch.setattr(demo, "CACHE", tmp_path)
    for module, name in ((demo.engine, "ensure"), (demo.environment, "ensure"), (demo.fleet, "inventory"), (demo.fleet, "down")):
        monkeypatch.setattr(module, name, lambda *words, step=f"{module.__name__}.{name}": steps.append(step))
    assert demo.down("13") == 0
    assert steps[0] == "tools.engine.ensure" and steps[-1] == "tools.fleet.down"
