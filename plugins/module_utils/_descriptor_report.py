# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host that was scanned to what descriptor_info returns."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils import _processes
from ansible_collections.sabakan.vps.plugins.module_utils._daemon_needs import Need
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_chain import verdicts
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_host import Host, Process
from ansible_collections.sabakan.vps.plugins.module_utils._service import pair, parse_wanted
from ansible_collections.sabakan.vps.plugins.module_utils._unit_files import descriptor_error


def selected(host: Host, wanted: dict[str, Any]) -> list[Process]:
    """The processes that any of the choices names."""
    def is_chosen(process: Process) -> bool:
        place = process.place
        return bool(
            wanted["all"]
            or process.name in wanted["names"]
            or (place.unit and place.unit in wanted["units"])
            or (process.program and process.program in wanted["programs"])
            or (place.container and any(is_container(host, place.container, asked) for asked in wanted["containers"]))
        )

    return [process for process in host.processes.values() if is_chosen(process)]


def asked_of(host: Host, process: Process, wanted: dict[str, Any]) -> tuple[int, int]:
    """Soft and hard limit that this process should have, of all that asks for it."""
    needs = [pair(parse_wanted(limit)) for name, limit in wanted["needs"].items()
             if name in (process.place.unit, process.program) or (process.place.container and is_container(host, process.place.container, name))]
    need = int(wanted["need"])
    return max([need, *(soft for soft, dummy in needs)]), max([need, *(hard for dummy, hard in needs)])


def is_container(host: Host, identifier: str, asked: str) -> bool:
    return (len(asked) >= 8 and identifier.startswith(asked)) or host.links.container_name(identifier) == asked


def report(host: Host, processes: list[Process], wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """The processes as the module returns them, those nearest to their limit first."""
    host.links.load_units({process.place.unit for process in processes if process.place.unit})
    found = []
    for process in processes:
        if not host.judge(process) or process.reading is None:
            continue
        reading = process.reading
        soft, hard = asked_of(host, process, wanted)
        if soft > (reading.need.count if reading.need else 0):
            reading = process.reading = replace(reading, need=Need(soft, "asked of descriptor_info", "need", hard))
        elif reading.need and hard:
            reading = process.reading = replace(reading, need=replace(reading.need, hard=hard))
        said = verdicts(reading, wanted["near"] / 100)
        if said or not wanted["findings_only"]:
            found.append({
                "pid": process.pid, "name": process.name, "unit": process.place.unit, "program": process.program,
                "container": host.links.container_name(process.place.container) or process.place.container[:12],
                "open": reading.open, "soft": reading.soft, "hard": reading.hard, "share": round(100 * reading.share, 1),
                "kinds": process.kinds, "chain": [link.as_dict() for link in reading.links], "verdicts": said,
            })
    return sorted(found, key=lambda process: -process["share"])


def system(host: Host) -> dict[str, int]:
    """Descriptors of the whole host."""
    nr_open = host.read("/proc/sys/fs/nr_open").strip()
    return {"open": host.open_files, "file_max": host.file_max, "nr_open": int(nr_open) if nr_open.isdigit() else 0}


def tcp(host: Host) -> dict[str, int]:
    """Connections by state in the host's own network name space."""
    rows = [row for table in ("tcp", "tcp6") for row in _processes.parse_sockets(host.read(f"/proc/net/{table}"))]
    return {"time_wait": 0, **Counter(state for dummy, state in rows)}


def errors_of(lines: list[str]) -> dict[str, list[str]]:
    """Log lines by what ran out."""
    found: dict[str, list[str]] = {"EMFILE": [], "ENFILE": []}
    for line in lines:
        which = descriptor_error(line)
        if which:
            found[which].append(line)
    return found
