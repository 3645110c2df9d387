"""Hosts of a scenario as testinfra sees them, and the inventory's own variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.machines import Machine  # noqa: E402

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
INVENTORY = os.environ.get("SABAKAN_INVENTORY") or str(SCENARIO / "inventory")


class Fleet:
    """The scenario's hosts by name: `fleet["rdb-01"].run(...)`."""

    def __init__(self) -> None:
        listed = subprocess.run(
            ["ansible-inventory", "-i", INVENTORY, "-i", os.environ["SABAKAN_FLEET"], "--list"],
            check=True, capture_output=True, text=True,
        )
        self.inventory: dict[str, Any] = json.loads(listed.stdout)
        self.variables: dict[str, dict[str, Any]] = self.inventory["_meta"]["hostvars"]
        self._hosts: dict[str, Host] = {}
        self._connections = tempfile.TemporaryDirectory()

    def __getitem__(self, name: str) -> Host:
        if name not in self._hosts:
            variables = self.variables[name]
            emulated = variables.get("fleet_kind") == "machine"
            port = self.machine(name).port if emulated else 22
            # A login takes an emulated one seconds: one for all commands. (Without a path there is no connection that is kept.)
            kept = {"controlpath": f"{self._connections.name}/{name}", "controlpersist": 900} if emulated else {"controlpersist": 0}
            self._hosts[name] = testinfra.get_host(
                f"ssh://root@{variables['ansible_host']}:{port}", ssh_identity_file=variables["ansible_ssh_private_key_file"],
                ssh_extra_args="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
                timeout=120, **kept,
            )
        return self._hosts[name]

    def machine(self, name: str) -> Machine:
        """A host with fleet_kind: machine, to cut its power, start it again and read its console."""
        return Machine(Path(self.variables[name]["fleet_machines"]) / name)

    def address(self, name: str) -> str:
        return str(self.variables[name]["ansible_host"])

    def group(self, name: str) -> list[str]:
        """Host names of a group and of its children."""
        entry = self.inventory.get(name, {})
        found = list(entry.get("hosts", []))
        for child in entry.get("children", []):
            found += [host for host in self.group(child) if host not in found]
        return found


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture(scope="session")
def ansible() -> Callable[..., SimpleNamespace]:
    """Runs a program of Ansible over the scenario's hosts: returncode, output, and text (all of it, unfolded)."""
    def run(program: str, *words: str, **more: str) -> SimpleNamespace:
        inventories = [f"--inventory={path}" for path in (INVENTORY, os.environ["SABAKAN_FLEET"])]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", **more}
        done = subprocess.run([program, *inventories, *words], capture_output=True, text=True, env=environment, check=False)
        return SimpleNamespace(returncode=done.returncode, output=done.stdout, text=" ".join((done.stdout + done.stderr).split()))

    return run


@pytest.fixture(scope="session")
def apply(ansible: Callable[..., SimpleNamespace]) -> Callable[..., SimpleNamespace]:
    """Runs a role over the hosts as the scenario's converge does, with further words and environment for ansible-playbook."""
    def call(role: str, *words: str, **more: str) -> SimpleNamespace:
        return ansible("ansible-playbook", str(SCENARIO.parent / "resources" / "converge.yml"), *words, MOLECULE_SCENARIO_NAME=role, **more)

    return call


@pytest.fixture(scope="session")
def module(ansible: Callable[..., SimpleNamespace]) -> Callable[..., dict[str, Any]]:
    """What a module of the collection returns for its arguments on a host."""
    def call(host: str, name: str, **arguments: Any) -> dict[str, Any]:
        done = ansible("ansible", host, "-m", f"sabakan.vps.{name}", *(["-a", json.dumps(arguments)] if arguments else []))
        assert done.returncode == 0, done.text
        found: dict[str, Any] = json.loads(done.output.partition("=> ")[2])
        return found

    return call
