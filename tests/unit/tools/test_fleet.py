# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets beside each other, without hosts."""

from __future__ import annotations

import ipaddress
import itertools
import json
import subprocess
import sys

import pytest

from tools import bench, checks, demo, engine, environment, fleet, ground, images, machine_images
from tools.ground import Failure

STARTS = {"demo": lambda: demo.up("13"), "bench": lambda: bench.main("13", "bench.json")}


@pytest.fixture()
def up(monkeypatch, tmp_path):
    """Networks that are there; nothing is made ready, nor provisioned."""
    there = set()
    monkeypatch.setattr(fleet, "answers", lambda command: command[-1] in {f"sabakan-{name}" for name in there})
    for module in (demo, fleet):
        monkeypatch.setattr(module, "CACHE", tmp_path)
    monkeypatch.setattr(demo, "prepare", lambda debian: tmp_path / "fleets" / "inventory")
    for step in ("engine", "environment", "images"):
        monkeypatch.setattr(getattr(bench, step), "ensure", lambda *words: None)
    monkeypatch.setattr(fleet, "repository", lambda: None)
    for module, name in ((demo, "provision"), (fleet, "inventory"), (fleet, "down")):
        monkeypatch.setattr(module, name, lambda *words, **more: pytest.fail("it went on"))
    return there


# Its own is taken over, or removed first.
@pytest.mark.parametrize("name, other", [*itertools.permutations(STARTS, 2)])
def test_a_fleet_of_the_same_addresses_is_refused_with_what_removes_it(up, name, other):
    """A killed run leaves its network: of that Docker says only that a pool overlaps."""
    up.add(other)
    with pytest.raises(Failure, match=f"fleet `{other}`") as refused:
        STARTS[name]()
    assert ("./sabakan demo --down" if other == "demo" else f"docker network rm sabakan-{other}") in refused.value.next_step


def test_the_cluster_may_run_beside_the_demo(monkeypatch, tmp_path):
    monkeypatch.setattr(fleet, "CACHE", tmp_path)
    (tmp_path / "ssh_key").touch()
    (tmp_path / "ssh_key.pub").write_text("ssh-ed25519 AAAA sabakan\n")
    # As an earlier version has left it, with certificates of other addresses.
    everywhere = tmp_path / "fleets" / "cluster-13" / "inventory" / "group_vars" / "all"
    everywhere.mkdir(parents=True)
    (everywhere / "fleet.yml").write_text("{}")
    (everywhere / "secrets.yml").touch()
    found = {}
    for name in ("cluster", "demo"):
        words = ["ansible-inventory", "-i", str(fleet.FRIENDS_CAFE), "-i", str(fleet.inventory(name, "13")), "--list"]
        found[name] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)["_meta"]["hostvars"]
    assert not (everywhere / "secrets.yml").exists()
    hosts, there = found["cluster"], found["demo"]
    assert hosts.keys() == there.keys() and {host["stack_network"] for host in hosts.values()} == {"10.91.1.0/24"}
    network = ipaddress.ip_network("10.91.1.0/24")
    assert all(ipaddress.ip_address(host["ansible_host"]) in network for host in hosts.values())
    assert not {host["ansible_host"] for host in hosts.values()} & {host["ansible_host"] for host in there.values()}
    (everywhere / "secrets.yml").touch()
    fleet.inventory("cluster", "13")
    assert (everywhere / "secrets.yml").exists()


def test_the_key_that_running_hosts_read_is_not_written_anew(monkeypatch, tmp_path):
    """Between its truncation and its writing an sshd that has it mounted takes nobody."""
    monkeypatch.setattr(fleet, "CACHE", tmp_path)
    (tmp_path / "ssh_key").touch()
    (tmp_path / "ssh_key.pub").write_text("ssh-ed25519 AAAA sabakan\n")
    path = fleet.authorized_keys()
    assert path.read_text() == "ssh-ed25519 AAAA sabakan\n"
    before = path.stat()
    monkeypatch.setattr(fleet.shutil, "copyfile", lambda source, target: pytest.fail("it was written"))
    assert fleet.authorized_keys().stat() == before
    (tmp_path / "ssh_key.pub").write_text("ssh-ed25519 BBBB sabakan\n")
    monkeypatch.undo()
    monkeypatch.setattr(fleet, "CACHE", tmp_path)
    assert fleet.authorized_keys().read_text() == "ssh-ed25519 BBBB sabakan\n"


@pytest.mark.parametrize("start", [*STARTS.values(), lambda: demo.down("13"), lambda: checks.main("12", ["cluster"])])
def test_what_another_has_in_hand_is_left_alone(monkeypatch, up, tmp_path, capfd, start):
    """Both would give their hosts the same names, whatever the release, and the one that ends removes the other's."""
    for module, name in ((engine, "ensure"), (environment, "ensure"), (machine_images, "ensure"), (images, "ensure"), (checks, "run")):
        monkeypatch.setattr(module, name, lambda *words, **more: None)
    code = """
import sys, pathlib
from tools import fleet
fleet.CACHE = pathlib.Path(sys.argv[1])
with fleet.alone(sys.argv[2]):
    print("in hand", flush=True)
    sys.stdin.read()
"""
    other = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ground.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in (*STARTS, "cluster")
    ]
    try:
        assert [process.stdout.readline() for process in other] == [b"in hand\n"] * 3
        try:
            assert start() == 1
        except Failure as failure:
            print(failure)
        assert "another ./sabakan has the hosts of `" in capfd.readouterr().out
    finally:
        for process in other:
            process.communicate()
