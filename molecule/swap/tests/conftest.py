"""Runs the module and the role on the scenario's machines, as an administrator would."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HOSTS = ("swap-13", "swap-12")
STEPS = str(Path(__file__).with_name("steps.yml"))
AS_JSON = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true"}
Step = dict[str, Any]


def told(done: SimpleNamespace) -> dict[str, Any]:
    assert "{" in done.output, done.text
    found: dict[str, Any] = json.loads(done.output[done.output.index("{"):])
    return found


@pytest.fixture(scope="session")
def swapfile(ansible) -> Callable[[dict[str, list[Step]]], dict[str, list[Any]]]:
    """What the module has said, by host: for each of the calls that the host has, in one run of both."""
    def call(steps: dict[str, list[Step]]) -> dict[str, list[Any]]:
        done = ansible("ansible-playbook", STEPS, f"--limit={','.join(steps)}", "--extra-vars", json.dumps({"steps": steps}), **AS_JSON)
        hosts = told(done)["plays"][-1]["tasks"][-1]["hosts"]
        return {name: hosts[name]["results"] for name in steps}

    return call


@pytest.fixture(scope="session")
def role(apply) -> Callable[..., dict[str, tuple[int, int]]]:
    """(changed, failed) by host; a variable that is a dict has a value for each."""
    def call(*words: str, **variables: Any) -> dict[str, tuple[int, int]]:
        each = {name: f"{{{{ {value!r}[inventory_hostname] }}}}" if isinstance(value, dict) else value for name, value in variables.items()}
        stats = told(apply("swap", *words, "--extra-vars", json.dumps(each), **AS_JSON))["stats"]
        return {name: (one["changed"], one["failures"] + one["unreachable"]) for name, one in stats.items()}

    return call


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
        root, *others = self.host.check_output("cat /etc/fstab").splitlines()
        assert root == "/dev/vda / ext4 errors=remount-ro 0 1"
        return others

    @property
    def left(self) -> list[str]:
        """Swap files that are there, and what only an unfinished run has."""
        return self.host.run("ls -d /swapfile* /srv/swap* /mnt/*/swap* /run/swap* 2>/dev/null").stdout.split()

    @property
    def sysctls(self) -> list[str]:
        return self.host.check_output("cat /proc/sys/vm/swappiness /proc/sys/vm/page-cluster").split()


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
