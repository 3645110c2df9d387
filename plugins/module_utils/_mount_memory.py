# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory of a container that serves mounts of S3 over SFTP: what each mount may take, before anything is started.

All figures are MiB. What a driver's process takes is described by its data, `memory` of vars/drivers/*.yml:

    least_target      the smallest target that the driver accepts; 0 where it has none
    overhead          taken by each process before any file is open: the larger of `least` and target / `share`
    fills_target      true: a process grows up to its target by itself; false: it only takes what is open
    reader, writer    each open file takes `fixed` + `parts` x the part size
    read_parts, write_parts    part sizes that may be chosen, the best first
    reads_reserved    read parts that are kept free of writers
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._plan import integer, mapping, sequence

# Measured in the container: docker-init, the two processes of sabakan-exclusive (14 MiB), the keeper and sshd's listener
# hold 38 MiB, a session at rest 4.2 (PSS); with room for probes, and for what a session has under way.
BASE = 62
SESSION = 7
# The target of a mount is soft and metadata is not counted in it: one part in this many stays free.
HEADROOM = 5
FIELDS = (
    "least_target", "overhead", "fills_target", "reader", "writer", "read_parts", "write_parts", "reads_reserved",
)


@dataclass(frozen=True)
class Load:
    """What is expected at once, over all users."""

    mounts: int
    readers: int
    writers: int

    @property
    def sessions(self) -> int:
        return self.readers + self.writers


@dataclass(frozen=True)
class Costs:
    """A driver's description of its memory."""

    least_target: int
    overhead_least: int
    overhead_share: int
    fills_target: bool
    reader: tuple[int, int]
    writer: tuple[int, int]
    read_parts: tuple[int, ...]
    write_parts: tuple[int, ...]
    reads_reserved: int

    def overhead(self, target: int) -> int:
        return max(self.overhead_least, target // self.overhead_share if self.overhead_share else 0)

    def open_files(self, load: Load, read_part: int, write_part: int) -> int:
        reading = load.readers * (self.reader[0] + self.reader[1] * read_part)
        writing = load.writers * (self.writer[0] + self.writer[1] * write_part)
        return max(reading, self.reads_reserved * read_part) + writing

    def least(self, load: Load, read_part: int, write_part: int) -> int:
        """The smallest target of one mount that carries the whole load."""
        files = self.open_files(load, read_part, write_part)
        least = max(self.least_target, self.overhead_least + files)
        if self.overhead_share:
            # overhead is a share of the target itself
            least = max(least, -(-files * self.overhead_share // (self.overhead_share - 1)))
        return least


@dataclass
class MemoryPlan:
    """errors refuse it; table has a line a figure."""

    target: int = 0
    read_part: int = 0
    write_part: int = 0
    writers_at_most: int = 0
    left: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    table: list[str] = field(default_factory=list)


def costs_of(description: object, path: str) -> Costs:
    """Read a driver's description."""
    given = mapping(description, path, FIELDS)
    overhead = mapping(given.get("overhead"), f"{path}.overhead", ("least", "share"))

    def file(name: str) -> tuple[int, int]:
        item = mapping(given.get(name), f"{path}.{name}", ("fixed", "parts"))
        return integer(item.get("fixed"), f"{path}.{name}.fixed"), integer(item.get("parts"), f"{path}.{name}.parts")

    def parts(name: str) -> tuple[int, ...]:
        found = tuple(integer(item, f"{path}.{name}", 1) for item in sequence(given.get(name), f"{path}.{name}"))
        if not found:
            raise ValueError(f"{path}.{name}: expected at least one size")
        return found

    return Costs(
        integer(given.get("least_target"), f"{path}.least_target"),
        integer(overhead.get("least"), f"{path}.overhead.least"),
        integer(overhead.get("share"), f"{path}.overhead.share"),
        bool(given.get("fills_target")), file("reader"), file("writer"), parts("read_parts"), parts("write_parts"),
        integer(given.get("reads_reserved"), f"{path}.reads_reserved"),
    )


def needed(costs: Costs, load: Load, read_part: int, write_part: int, target: int = 0) -> int:
    """Memory of the container that carries this load with these parts."""
    own = BASE + SESSION * load.sessions
    least = max(costs.least(load, read_part, write_part), target)
    mounts = load.mounts * least if costs.fills_target else least + (load.mounts - 1) * costs.overhead_least
    return own + -(-mounts * HEADROOM // (HEADROOM - 1))


def least_memory(costs: Costs, load: Load) -> int:
    """The smallest container for this load, with the smallest parts."""
    return needed(costs, load, min(costs.read_parts), min(costs.write_parts))


def memory_plan(
    driver: Mapping[str, Any], others: Sequence[Mapping[str, Any]], load: Load, *, memory: int, memory_swap: int,
    target: int, host_memory: int, host_reserve: int, host_swap: int,
) -> MemoryPlan:
    """Plan the memory of one container.

    others: the descriptions of all drivers, for what would fit. target: asked for, or 0 for as much as there is.
    host_memory, host_swap: of the host, 0 where they are not known.
    """
    name = str(driver.get("name"))
    costs = costs_of(driver.get("memory"), f"driver {name}: memory")
    plan = MemoryPlan()
    room = host_memory - host_reserve if host_memory else 0
    if memory_swap < memory:
        plan.errors.append(
            f"sftp_s3_memory_swap {memory_swap} MiB is memory and swap together, so at least sftp_s3_memory {memory} MiB."
        )
    elif memory_swap > memory and host_memory and not host_swap:
        plan.warnings.append(
            f"sftp_s3_memory_swap {memory_swap} MiB gives the container {memory_swap - memory} MiB of swap, but the host has none:"
            " make a swap file (role swap)."
        )
    if room and memory > room:
        plan.errors.append(
            f"sftp_s3_memory {memory} MiB does not fit the host: it has {host_memory} MiB, of which {host_reserve} MiB"
            f" (sftp_s3_host_reserve) are for the system and Docker, so {max(room, 0)} MiB at most."
        )
    if target and target < costs.least_target:
        plan.errors.append(f"sftp_s3_memory_target {target} MiB is below {costs.least_target} MiB, the least that {name} accepts.")
        target = 0
    sizes = [(read, write) for write in costs.write_parts for read in costs.read_parts]
    carrying = [pair for pair in sizes if not target or costs.least(load, *pair) <= target]
    if not carrying:
        least = costs.least(load, min(costs.read_parts), min(costs.write_parts))
        plan.errors.append(
            f"sftp_s3_memory_target {target} MiB does not carry {load.readers} readers (sftp_s3_readers) and {load.writers} writers"
            f" (sftp_s3_writers) with {name}, which takes {least} MiB at least; 0 is as much as there is."
        )
        target, carrying = 0, sizes
    fitting = [pair for pair in carrying if needed(costs, load, *pair, target) <= memory]
    if not fitting:
        plan.errors.append(_too_small(name, costs, load, memory, target, room))
    if room and memory > room or not fitting:
        plan.errors.append(_fits(others, load, room, name))
    if not fitting:
        return plan
    plan.read_part, plan.write_part = fitting[0]
    own = BASE + SESSION * load.sessions
    free = (memory - own) * (HEADROOM - 1) // HEADROOM
    # One that takes only what is open may take all, so that another mount does not change its figure.
    most = free // load.mounts if costs.fills_target else free
    plan.target = target or most
    writer = costs.writer[0] + costs.writer[1] * plan.write_part
    spare = plan.target - costs.overhead(plan.target) - costs.reads_reserved * plan.read_part
    plan.writers_at_most = max(spare // writer, 0) if writer else 0
    plan.left = memory - plan.target * (load.mounts if costs.fills_target else 1)
    each = "each" if load.mounts > 1 and costs.fills_target else "in all"
    plan.table = [
        f"container: {memory} MiB of memory, {memory_swap - memory} MiB of swap beside it (swap is not counted on)",
        f"sshd and the keeper: {own} MiB for {load.sessions} sessions ({BASE} + {SESSION} each)",
        f"{name}, {load.mounts} mount(s): target {plan.target} MiB {each}, read parts of {plan.read_part} MiB,"
        f" write parts of {plan.write_part} MiB, at most {plan.writers_at_most} files open for writing on a mount",
        f"left beside the mounts: {plan.left} MiB",
    ]
    return plan


def _too_small(name: str, costs: Costs, load: Load, memory: int, target: int, room: int) -> str:
    least = max(costs.least(load, min(costs.read_parts), min(costs.write_parts)), target)
    need = needed(costs, load, min(costs.read_parts), min(costs.write_parts), target)
    why = "its least memory target" if least == costs.least_target else "sftp_s3_memory_target" if least == target else (
        f"its own {costs.overhead_least} MiB and the open files of {load.readers} readers and {load.writers} writers")
    host = f", which this host ({room} MiB for the container) cannot give" if room and need > room else ""
    return (
        f"sftp_s3_memory {memory} MiB cannot carry {name}: {load.mounts} mount(s) of {least} MiB ({why}) with a fifth of headroom,"
        f" and {BASE + SESSION * load.sessions} MiB for sshd with {load.sessions} sessions (sftp_s3_readers {load.readers} +"
        f" sftp_s3_writers {load.writers}), are {need} MiB{host}."
    )


def _fits(others: Sequence[Mapping[str, Any]], load: Load, room: int, name: str) -> str:
    """What would fit: a sentence for the operator."""
    fits: list[str] = []
    larger: list[str] = []
    for other in others:
        least = least_memory(costs_of(other.get("memory"), f"driver {other.get('name')}: memory"), load)
        (larger if room and least > room else fits).append(f"{other.get('name')} {least}")
    found = "No driver fits this load on this host."
    if fits:
        found = f"What fits: sftp_s3_driver with at least these MiB of sftp_s3_memory: {', '.join(fits)}."
    if larger:
        found += f" On a larger host: {', '.join(larger)}."
    if load.mounts > 1:
        found += f" {name} runs {load.mounts} mounts: users of one bucket and prefix with the same rights share one."
    return found
