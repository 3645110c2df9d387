# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sabakan.vps.plugins.module_utils._mount_memory import (
    BASE,
    HEADROOM,
    SESSION,
    Load,
    costs_of,
    memory_plan,
    needed,
)
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).resolve().parents[4] / "roles" / "sftp_s3" / "vars" / "drivers"
DRIVERS = {path.stem: yaml.safe_load(path.read_text())["__sftp_s3_driver"] for path in sorted(FOLDER.glob("*.yml"))}
HOST = {"host_memory": 24000, "host_reserve": 192, "host_swap": 512}


def plan(name: str = "mount-s3", load: Load | None = None, **given: Any) -> Any:
    given = {"memory": 1536, "memory_swap": 2048, "target": 0, **HOST, **given}
    return memory_plan(DRIVERS[name], list(DRIVERS.values()), load or Load(1, 4, 4), **given)


@pytest.mark.parametrize(
    ("target", "cap"),
    # The documentation of mount-s3, "Maximum number of files open for writing".
    [(512, 47), (4096, 447), (768, 79), (1024, 111)],
)
def test_the_writer_cap_is_what_mount_s3_documents(target: int, cap: int) -> None:
    found = plan(target=target, memory=8192, memory_swap=8192)
    assert (found.errors, found.target, found.writers_at_most) == ([], target, cap)


def test_the_container_of_the_story_leaves_sshd_its_room() -> None:
    found = plan()
    assert not found.errors
    assert 768 <= found.target <= 1152
    assert found.left >= BASE + 8 * SESSION + found.target // HEADROOM


@pytest.mark.parametrize(
    ("memory", "host_memory", "words"),
    [
        (480, 480, ["480 MiB", "192 MiB (sftp_s3_host_reserve)", "288 MiB at most", "512 MiB", "its least memory target", "s3fs 218", "larger host"]),
        (512, 2000, ["sftp_s3_memory 512 MiB cannot carry mount-s3", "are 758 MiB", "mount-s3 758", "rclone"]),
        (1900, 1987, ["it has 1987 MiB", "1795 MiB at most"]),
        (0, 0, ["cannot carry"]),
    ],
)
def test_a_plan_that_cannot_fit_says_so_and_what_would(memory: int, host_memory: int, words: list[str]) -> None:
    told = " ".join(plan(memory=memory, memory_swap=memory, host_memory=host_memory).errors)
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"memory_swap": 1024}, "memory and swap together"),
        ({"target": 511}, "below 512 MiB, the least that mount-s3 accepts"),
        ({"target": 1500}, "sftp_s3_memory_target"),
        ({"target": 512, "memory": 4096, "memory_swap": 4096, "load": Load(1, 4, 90)}, "sftp_s3_memory_target 512 MiB does not carry"),
        ({"name": "rclone", "target": 100, "load": Load(1, 8, 8)}, "sftp_s3_memory_target 100 MiB does not carry"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], word: str) -> None:
    assert word in " ".join(plan(**given).errors)


def test_swap_that_the_host_does_not_have_is_a_warning() -> None:
    assert "512 MiB of swap, but the host has none" in plan(host_swap=0).warnings[0]
    assert not plan().warnings
    assert not plan(host_swap=0, memory_swap=1536).warnings


def test_many_writers_raise_the_target_that_is_needed() -> None:
    few, many = (needed(costs_of(DRIVERS["mount-s3"]["memory"], "d"), Load(1, 0, writers), 8, 8) for writers in (1, 100))
    assert many > few + 100 * SESSION


def test_a_further_mount_does_not_change_the_figure_of_one_that_takes_only_what_is_open() -> None:
    assert plan("rclone").target == plan("rclone", Load(3, 4, 4)).target
    assert plan().target > plan(load=Load(2, 4, 4)).target


def test_smaller_parts_are_taken_where_the_better_ones_do_not_fit() -> None:
    assert plan("rclone", Load(1, 8, 0)).read_part == 16
    tight = plan("rclone", Load(1, 8, 0), memory=340, memory_swap=340)
    assert (tight.errors, tight.read_part < 16) == ([], True)


@pytest.mark.parametrize("description", [None, {}, {"unknown": 1}, {**DRIVERS["rclone"]["memory"], "read_parts": []}])
def test_a_description_that_is_none_names_its_field(description: Any) -> None:
    with pytest.raises(ValueError, match="memory"):
        costs_of(description, "driver x: memory")


@given(
    st.sampled_from(sorted(DRIVERS)), st.integers(1, 6), st.integers(0, 40), st.integers(0, 40), st.integers(512, 2000),
)
def test_a_target_that_is_accepted_carries_the_load(name: str, mounts: int, readers: int, writers: int, target: int) -> None:
    found = plan(name, Load(mounts, readers, writers), memory=23000, memory_swap=23000, target=target)
    costs = costs_of(DRIVERS[name]["memory"], "d")
    parts = [(read, write) for read in costs.read_parts for write in costs.write_parts]
    carried = [pair for pair in parts if costs.least(Load(mounts, readers, writers), *pair) <= target]
    assert bool(found.errors) == (not carried)
    if carried:
        assert (found.read_part, found.write_part) in carried and found.target == target and found.writers_at_most >= writers


@given(
    st.sampled_from(sorted(DRIVERS)), st.integers(1, 6), st.integers(0, 40), st.integers(0, 40), st.integers(64, 20000),
)
def test_what_is_accepted_fits_and_what_is_said_to_fit_is_accepted(name: str, mounts: int, readers: int, writers: int, memory: int) -> None:
    load = Load(mounts, readers, writers)
    found = plan(name, load, memory=memory, memory_swap=memory)
    costs = costs_of(DRIVERS[name]["memory"], "d")
    least = needed(costs, load, min(costs.read_parts), min(costs.write_parts))
    assert bool(found.errors) == (memory < least)
    if not found.errors:
        assert found.target * (mounts if costs.fills_target else 1) + BASE + SESSION * load.sessions <= memory
        assert found.writers_at_most >= writers
        assert found.target >= costs.least_target
