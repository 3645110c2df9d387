# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._cgroup import groups_of, limits, version_of

V1 = "12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/system.slice/containerd.service\n"
V2 = "0::/system.slice/docker-abc.scope\n"
NONE = 9223372036854771712


def v1(memory: int, both: int | None, quota: int) -> dict[str, str]:
    files = {
        "memory/docker/abc/memory.limit_in_bytes": str(memory), "cpu/docker/abc/cpu.cfs_quota_us": str(quota),
        "cpu/docker/abc/cpu.cfs_period_us": "100000", "memory/docker/abc/memory.swappiness": "60",
    }
    return {**files, **({} if both is None else {"memory/docker/abc/memory.memsw.limit_in_bytes": str(both)})}


def v2(memory: str, swap: str | None, cpu: str) -> dict[str, str]:
    own = "system.slice/docker-abc.scope"
    return {f"{own}/memory.max": memory, f"{own}/cpu.max": cpu, **({} if swap is None else {f"{own}/memory.swap.max": swap})}


@pytest.mark.parametrize(
    ("text", "files", "expected"),
    [
        (V1, v1(1536 << 20, 2048 << 20, 50000), (1, 1536, 2048, 0.5, 60)),
        (V1, v1(NONE, NONE, -1), (1, 0, 0, 0, 60)),
        (V1, v1(1536 << 20, None, 100000), (1, 1536, None, 1, 60)),
        (V1, {}, (1, None, None, None, None)),
        (V2, v2(str(1536 << 20), str(512 << 20), "50000 100000"), (2, 1536, 2048, 0.5, None)),
        (V2, v2(str(1536 << 20), "0", "max 100000"), (2, 1536, 1536, 0, None)),
        (V2, v2(str(1536 << 20), "max", "max 100000"), (2, 1536, 0, 0, None)),
        (V2, v2("max", "max", "max 100000"), (2, 0, 0, 0, None)),
        (V2, v2(str(1536 << 20), None, ""), (2, 1536, None, None, None)),
        ("0::/\n", {"memory.max": "max", "memory.swap.max": "max", "cpu.max": "max 100000"}, (2, 0, 0, 0, None)),
    ],
)
def test_limits_are_those_of_the_kernels_files(text, files, expected):
    found = limits(text, files.get)
    assert (found["version"], found["memory"], found["memory_swap"], found["cpus"], found["swappiness"]) == expected


def test_a_hybrid_host_accounts_memory_by_version_1():
    assert (version_of(V1), version_of(V2)) == (1, 2)
    assert groups_of(V1)["cpuacct"] == "/docker/abc"
