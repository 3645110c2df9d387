"""Starts of the machines, side by side: most of the time they only wait."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

NAMES = ["stamp", "clock", "wanted"]
BOOT = 600  # seconds at most; about 25 on a quiet machine


class Machines:
    def __init__(self, fleet: Any) -> None:
        self.fleet = fleet

    def __getitem__(self, name: str) -> Any:
        return self.fleet.machine(name)

    def power_off(self, name: str) -> None:
        self.fleet[name].run("sync; systemctl poweroff")
        self[name].await_exit(BOOT)

    def kernel_arguments(self, name: str, words: str) -> None:
        machine = self[name]
        settings = dataclasses.replace(machine.settings, kernel_arguments=words)
        (machine.directory / "settings.json").write_text(json.dumps(dataclasses.asdict(settings)))

    @staticmethod
    def together(*works: Callable[[], Any]) -> list[Any]:
        with ThreadPoolExecutor(len(works)) as pool:
            return [future.result() for future in [pool.submit(work) for work in works]]


@pytest.fixture(scope="session")
def machines(fleet):
    return Machines(fleet)
