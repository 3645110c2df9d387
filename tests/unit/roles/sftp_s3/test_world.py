# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose hand a mount died by."""

from __future__ import annotations

import importlib
import signal
from pathlib import Path

import pytest
import sabakan_sftp
from sabakan_sftp import config, status

from .documents import document

MOUNT = next(iter(config.parse(document()).mounts.values()))


@pytest.fixture
def system(monkeypatch):
    """(a system, its memory cgroup's counters, its clock)"""
    # The role puts _oom.py of the modules beside the keeper's own files.
    monkeypatch.setattr(sabakan_sftp, "__path__", [*sabakan_sftp.__path__, str(Path(__file__).parents[4] / "plugins" / "module_utils")])
    world = importlib.import_module("sabakan_sftp.world")
    counters, clock = {"oom_kill": 0}, [1000.0]
    monkeypatch.setattr(status, "events", lambda: "".join(f"{name} {value}\n" for name, value in counters.items()))
    monkeypatch.setattr(status, "memory", lambda: {"limit": 464 << 20})
    monkeypatch.setattr(world.time, "monotonic", lambda: clock[0])
    return world.System(lambda: None, None, None, None, lambda kind, **values: None, lambda name: None), counters, clock


def death(system, code):
    system.died(MOUNT, "the end", code)
    return system.counters[MOUNT.name]


def test_a_kill_for_memory_is_the_kernels(system):
    system, counters, _clock = system
    counters["oom_kill"] = 1
    one = death(system, -signal.SIGKILL)
    assert (one.oom_kills, one.deaths, one.last_death["oom"]) == (1, 1, True)
    assert one.last_death["reason"] == "killed by the kernel for memory, limit 464 MiB: the end"


def test_it_is_so_when_a_report_has_counted_the_kill_before_the_process_was_gone(system):
    system, counters, clock = system
    counters["oom_kill"] = 1
    assert system.count_oom() == 1
    clock[0] += 2
    assert death(system, -signal.SIGKILL).last_death["oom"]


@pytest.mark.parametrize("code, kills, seconds", [(-signal.SIGKILL, 0, 0), (-signal.SIGTERM, 1, 0), (1, 1, 0), (None, 1, 0), (-signal.SIGKILL, 1, 60)])
def test_any_other_death_is_not(system, code, kills, seconds):
    """Somebody's kill; another signal or an end of its own, whatever the kernel has killed; a kill long after the kernel's."""
    system, counters, clock = system
    counters["oom_kill"] = kills
    system.count_oom()
    clock[0] += seconds
    one = death(system, code)
    assert (one.oom_kills, one.deaths, one.last_death["oom"]) == (0, 1, False)
