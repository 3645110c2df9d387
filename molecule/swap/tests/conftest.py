"""Runs modules and the role on the scenario's machines, as an administrator would."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

HOSTS = ("swap-13", "swap-12")
STEPS = Path(__file__).with_name("steps.yml")
Results = dict[str, Any]


class Ansible:
    def __init__(self, inventory: str) -> None:
        self.inventories = ["-i", inventory, "-i", os.environ["SABAKAN_FLEET"]]
        self.environment = {
            **os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        }

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ansible-playbook", *words, *self.inventories], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    def start_steps(self, *steps: dict[str, Any]) -> subprocess.Popen[str]:
        return self.start(STEPS, "-e", json.dumps({"steps": steps}))

    @staticmethod
    def told(process: subprocess.Popen[str]) -> dict[str, Any]:
        out, error = process.communicate(timeout=1800)
        assert "{" in out, error
        return json.loads(out[out.index("{"):])

    def swapfile(self, *steps: dict[str, Any]) -> list[Results]:
        """For each call of the module what it said, by host."""
        told = self.told(self.start_steps(*steps))["plays"][-1]["tasks"][-1]["hosts"]
        return [{name: told[name]["results"][number] for name in HOSTS} for number in range(len(steps))]

    def role(self, *words: str, **variables: Any) -> Results:
        """(changed, failed) by host."""
        converge = os.path.join(os.environ["MOLECULE_PROJECT_DIRECTORY"], "molecule", "resources", "converge.yml")
        told = self.told(self.start(converge, *words, "-e", json.dumps(variables)))["stats"]
        return {name: (one["changed"], one["failures"] + one["unreachable"]) for name, one in told.items()}


@pytest.fixture(scope="session")
def ansible(fleet) -> Ansible:
    return Ansible(os.path.join(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "inventory"))


class Swaps:
    """What a machine itself says of its swap."""

    def __init__(self, host: Any) -> None:
        self.host = host

    def used(self, path: str) -> int:
        """MiB swapped out to it."""
        return int(self.host.check_output("awk -v path=%s '$1 == path {print $4}' /proc/swaps", path)) >> 10

    @property
    def active(self) -> dict[str, int]:
        """MiB by path."""
        lines = self.host.check_output("swapon --show=NAME,SIZE --bytes --noheadings").splitlines()
        # The kernel keeps the first page for itself.
        return {name: (int(size) + 4096) >> 20 for name, size in (line.split() for line in lines)}

    @property
    def fstab(self) -> list[str]:
        """The lines that are not the machine's own, which stands first."""
        root, *others = self.host.file("/etc/fstab").content_string.splitlines()
        assert root == "/dev/vda / ext4 errors=remount-ro 0 1"
        return others

    @property
    def left(self) -> list[str]:
        """Swap files that are there, and what only an unfinished run has."""
        return self.host.run("ls -d /swapfile* /srv/swap* /mnt/*/swap* /run/swap* 2>/dev/null").stdout.split()


def together(do: Callable[[Swaps], Any], both: list[Swaps]) -> list[Any]:
    """On both machines at once."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(do, both))


@pytest.fixture(params=HOSTS)
def swaps(request, fleet) -> Swaps:
    return Swaps(fleet[request.param])


@pytest.fixture
def both(fleet) -> list[Swaps]:
    return [Swaps(fleet[name]) for name in HOSTS]
