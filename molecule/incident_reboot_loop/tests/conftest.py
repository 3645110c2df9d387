"""Starts of the machines, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from scene import NAMES

RESTARTS = "reboot: Restarting system"  # the kernel's last word


class Machines:
    def __init__(self, fleet: Any) -> None:
        self.fleet = fleet
        # How long a machine takes to its timers, by its own clock, which goes by instructions.
        self.taken = int(fleet["clock"].check_output("systemctl show -P ActiveEnterTimestampMonotonic timers.target")) / 1e6

    def __getitem__(self, name: str) -> Any:
        return self.fleet.machine(name)

    def reboots(self, name: str) -> int:
        """How often its kernel has said so on the console, in all its starts."""
        return int(self[name].console.count(RESTARTS))

    def cut(self, name: str) -> None:
        self.fleet[name].run("sync")
        self[name].kill()

    @staticmethod
    def before_the_hour(seconds: float) -> str:
        """The clock, so long before 3:30."""
        return time.strftime("2026-07-14T%H:%M:%S", time.gmtime(3 * 3600 + 30 * 60 - seconds))

    @staticmethod
    def together(work: Callable[[str], Any]) -> dict[str, Any]:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            return dict(zip(NAMES, pool.map(work, NAMES)))


@pytest.fixture(scope="session")
def machines(fleet):
    return Machines(fleet)
