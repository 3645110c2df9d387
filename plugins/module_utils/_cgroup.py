# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits of a control group, version 1 and 2, as the kernel has them in force."""

from __future__ import annotations

from collections.abc import Callable

MIB = 1024 * 1024
# What version 1 shows for "no limit": the largest signed 64-bit number, rounded down to a page.
UNLIMITED = 1 << 60
Read = Callable[[str], "str | None"]


def groups_of(text: str) -> dict[str, str]:
    """Read /proc/PID/cgroup: the path of each controller of version 1, and of version 2 under ""."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def version_of(text: str) -> int:
    """1 where the memory of a process is accounted by version 1, else 2."""
    return 1 if "memory" in groups_of(text) else 2


def _mib(value: str | None) -> int | None:
    """Bytes as MiB, 0 for no limit, None where there is no such file."""
    if value is None:
        return None
    if value == "max" or int(value) >= UNLIMITED:
        return 0
    return int(value) // MIB


def limits(text: str, read: Read) -> dict[str, int | float | None]:
    """Limits of the process whose /proc/PID/cgroup this is.

    read: gives the stripped content of a file below /sys/fs/cgroup, None where there is none. Each limit is 0 where there
    is none, and None where the kernel does not account it: memory and memory_swap (both together) in MiB, cpus, and
    swappiness (version 1 alone).
    """
    groups = groups_of(text)
    if version_of(text) == 1:
        memory = f"memory{groups['memory']}"
        quota, period = (read(f"cpu{groups.get('cpu', '/')}/cpu.cfs_{name}_us") for name in ("quota", "period"))
        swappiness = read(f"{memory}/memory.swappiness")
        return {
            "version": 1,
            "memory": _mib(read(f"{memory}/memory.limit_in_bytes")),
            "memory_swap": _mib(read(f"{memory}/memory.memsw.limit_in_bytes")),
            "cpus": None if quota is None or not period else max(int(quota), 0) / int(period),
            "swappiness": None if swappiness is None else int(swappiness),
        }
    path = groups.get("", "/").strip("/")
    own = f"{path}/" if path else ""
    memory_limit, swap = _mib(read(f"{own}memory.max")), read(f"{own}memory.swap.max")
    both = None if swap is None or memory_limit is None else 0 if swap == "max" or not memory_limit else memory_limit + int(swap) // MIB
    cpu = (read(f"{own}cpu.max") or "").split()
    return {
        "version": 2, "memory": memory_limit, "memory_swap": both,
        "cpus": None if len(cpu) != 2 else 0 if cpu[0] == "max" else int(cpu[0]) / int(cpu[1]),
        "swappiness": None,
    }
