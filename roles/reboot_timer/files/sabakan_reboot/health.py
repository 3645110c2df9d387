# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a host came back as it was: failed units, running services and listening addresses, before and after."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable
from pathlib import Path

from sabakan_reboot import figures, programs

State = dict[str, list[str]]
# Not by chance there, as what D-Bus or a timer starts for a moment is (static), nor for one login.
LASTING = ("enabled", "enabled-runtime", "disabled", "generated", "linked")


def running(text: str) -> list[str]:
    """Services of `systemctl show` blocks that run and are expected to."""
    found = []
    for block in text.split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if unit.get("SubState") == "running" and unit.get("UnitFileState") in LASTING:
            found.append(unit.get("Id", ""))
    return sorted(found)


def state() -> State:
    """Raises OSError when it cannot be found out."""
    failed = programs.output(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--all"])
    shown = programs.output(["systemctl", "show", "*.service", "--property=Id,SubState,UnitFileState"])
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    return {
        "failed": sorted(line.split()[0] for line in failed.splitlines() if line.split()),
        "running": running(shown),
        "listening": figures.listeners(programs.output(["ss", "-Hltn"]), ephemeral),
    }


def differences(before: State, after: State, ignored: list[str]) -> list[str]:
    """What is worse; what is new, or better, is none."""
    def left(one: list[str], other: list[str]) -> list[str]:
        return [name for name in sorted(set(one) - set(other)) if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)]

    worse = [f"{unit} has failed" for unit in left(after["failed"], before["failed"])]
    worse += [f"{unit} does not run" for unit in left(before["running"], after["running"]) if f"{unit} has failed" not in worse]
    return worse + [f"nothing listens on {address}" for address in left(before["listening"], after["listening"])]


def await_health(before: State, ignored: list[str], timeout: float, look: Callable[[], State] = state,
                 clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """What is still worse after the time; empty as soon as nothing is, twice in a row."""
    until, well = clock() + timeout, 0
    while True:
        try:
            worse = differences(before, look(), ignored)
        except (OSError, ValueError, IndexError) as error:
            worse = [f"its state is not known: {error}"]
        well = 0 if worse else well + 1
        if well == 2 or clock() >= until:
            return worse
        sleep(2)
