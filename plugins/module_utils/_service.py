# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a systemd unit's processes use now, against what was asked of them: parsers and the decision.

Nothing here touches the system; M(sabakan.vps.service_in_force) reads and acts.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

# /proc/PID/limits, from linux/fs/proc/base.c; the keys are those of systemd's Limit* settings in lower case.
LIMIT_NAMES = {
    "nofile": "Max open files",
    "nproc": "Max processes",
    "memlock": "Max locked memory",
    "core": "Max core file size",
    "stack": "Max stack size",
    "as": "Max address space",
}
UNLIMITED = -1
DROP_IN = "/etc/systemd/system/{unit}.d/50-sabakan-limits.conf"


@dataclass(frozen=True)
class Wanted:
    """What a unit was asked to be. Digests are over the files' contents, missing ones included."""

    name: str
    enabled: bool | None
    restart_digest: str
    reload_digest: str
    restart_newest: float = 0.0  # epoch seconds of the newest file in restart_on
    reload_newest: float = 0.0
    working_directory: str | None = None  # resolved path
    limits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """What is there. `limits` holds (PID, command, name, soft, hard) of every process of the unit."""

    loaded: bool
    active: bool
    enabled: bool
    needs_daemon_reload: bool
    invocation: str
    started_at: float  # epoch seconds, 0 when not running
    working_directory: str | None = None
    limits: tuple[tuple[int, str, str, int, int], ...] = ()


@dataclass(frozen=True)
class Decision:
    """`action` is one of none, start, restart, reload."""

    action: str
    enable: bool | None
    daemon_reload: bool
    reasons: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether the unit is acted on; the drop-in is counted apart."""
        return self.action != "none" or self.enable is not None


def render_limits(limits: dict[str, int]) -> str:
    """The drop-in that asks systemd for these limits, soft and hard alike."""
    lines = [f"Limit{name.upper()}={'infinity' if value == UNLIMITED else value}" for name, value in sorted(limits.items())]
    return "\n".join(["# Written by sabakan.vps.service_in_force.", "[Service]", *lines, ""])


def parse_show(text: str) -> dict[str, str]:
    """`systemctl show` output to a mapping; lines without `=` belong to nothing and are dropped."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def parse_limits(text: str) -> dict[str, tuple[int, int]]:
    """/proc/PID/limits to {name: (soft, hard)}; `unlimited` is -1. Truncated lines are skipped."""
    found: dict[str, tuple[int, int]] = {}
    for name, title in LIMIT_NAMES.items():
        match = re.search(rf"^{re.escape(title)}\s+(\S+)\s+(\S+)", text, re.MULTILINE)
        if match and all(value == "unlimited" or value.isdigit() for value in match.groups()):
            soft, hard = (UNLIMITED if value == "unlimited" else int(value) for value in match.groups())
            found[name] = (soft, hard)
    return found


def belongs_to(cgroup_text: str, unit: str) -> bool:
    """Whether /proc/PID/cgroup names the unit in any hierarchy (v1, v2, nested containers alike)."""
    escaped = unit.replace("\\", "\\\\")
    return any(unit in line.split(":", 2)[-1].split("/") or escaped in line.split("/") for line in cgroup_text.splitlines())


def _hex_address(text: str) -> str:
    host, port = text.split(":")
    raw = b"".join(bytes.fromhex(host[i:i + 8])[::-1] for i in range(0, len(host), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return f"{mapped or address}:{int(port, 16)}"


def parse_listening(text: str) -> dict[str, str]:
    """/proc/net/tcp or tcp6 to {inode: address:port} of the listening sockets; malformed lines are skipped."""
    found: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 9 and columns[3] == "0A":
            try:
                found[columns[9]] = _hex_address(columns[1])
            except ValueError:
                continue
    return found


def is_listening(wanted: str, listening: set[str]) -> bool:
    """Whether `address:port` is served, by itself or by a wildcard of its family or of both."""
    host, dummy, port = wanted.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))
    return bool(listening & {f"{address}:{port}", f"0.0.0.0:{port}", f":::{port}", f"::{port}"})


def limit_shortfalls(wanted: dict[str, int], found: tuple[tuple[int, str, str, int, int], ...]) -> list[str]:
    """Processes whose soft limit is not the one asked: `PID (command): name soft N, hard N, asked N`."""
    return [
        f"process {pid} ({command}): {name} is soft {soft}, hard {hard}, asked {wanted[name]}"
        for pid, command, name, soft, hard in found
        if name in wanted and soft != wanted[name]
    ]


def decide(wanted: Wanted, running: Running, record: dict[str, str]) -> Decision:
    """The least that brings the running processes to what was asked.

    `record` is what the last run left: {invocation, restart_digest, reload_digest}. It counts only for the
    invocation that it names; for any other (a reboot, somebody's restart) the start time is held against the
    files' times, so an interrupted run, or no run at all, is seen too.
    """
    enable = None if wanted.enabled is None or wanted.enabled == running.enabled else wanted.enabled
    known = bool(record) and record.get("invocation") == running.invocation
    reasons: list[str] = []
    if not running.active:
        return Decision("start", enable, running.needs_daemon_reload, (f"{wanted.name} is not running",))
    if known and record.get("restart_digest") != wanted.restart_digest:
        reasons.append("a file that it reads at its start has changed")
    if not known and wanted.restart_newest > running.started_at:
        reasons.append("a file that it reads at its start is newer than the process")
    if wanted.working_directory and running.working_directory != wanted.working_directory:
        reasons.append(f"it runs in {running.working_directory}, not in {wanted.working_directory}")
    reasons += limit_shortfalls(wanted.limits, running.limits)
    if reasons:
        return Decision("restart", enable, running.needs_daemon_reload, tuple(reasons))
    if (known and record.get("reload_digest") != wanted.reload_digest) or (
        not known and wanted.reload_newest > running.started_at
    ):
        return Decision("reload", enable, running.needs_daemon_reload, ("a file that a reload reads has changed",))
    return Decision("none", enable, running.needs_daemon_reload, ())
