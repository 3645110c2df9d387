# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings of TCP: which are dead, which do harm, and whether a port range takes what somebody listens on.

Nothing here touches the system.
"""

from __future__ import annotations

import re

PREFIX = "net.ipv4."
# Settings that no kernel since the one named has; where a file still has them, sysctl only complains.
DEAD = {"tcp_tw_recycle": "gone since Linux 4.12; before, it dropped the clients behind a NAT"}
# Values that do harm wherever they are asked for.
HARMFUL = {
    "tcp_timestamps": (lambda value: value == 0, "without timestamps old segments are taken for new ones"),
    "tcp_syncookies": (lambda value: value == 0, "without SYN cookies a flood of SYNs ends the service"),
    "tcp_abort_on_overflow": (lambda value: value != 0, "it resets clients where they would only have waited"),
    "tcp_max_tw_buckets": (lambda value: value < 4096, "connections killed in TIME_WAIT let old segments into new ones"),
    "tcp_fin_timeout": (lambda value: value < 5, "the other side's FIN does not arrive in time"),
}
# The kernel's own range. Who listens in there most often asked for any port, and got one of them.
DEFAULT_RANGE = (32768, 60999)
ALLOWED = (
    "ip_local_port_range", "tcp_fin_timeout", "tcp_keepalive_time", "tcp_keepalive_intvl", "tcp_keepalive_probes",
    "tcp_max_syn_backlog", "tcp_max_tw_buckets", "tcp_syncookies", "tcp_tw_reuse",
)


def key_of(line: str) -> str:
    """The setting that a line of sysctl.conf assigns, without net.ipv4; empty for other lines."""
    match = re.match(r"\s*-?\s*net[./]ipv4[./]([a-z_]+)\s*=", line)
    return match[1] if match else ""


def without_dead(text: str) -> tuple[str, list[str]]:
    """A sysctl file without the settings that are dead, and those that it had."""
    kept, found = [], []
    for line in text.splitlines(keepends=True):
        key = key_of(line)
        if key in DEAD:
            found.append(key)
        else:
            kept.append(line)
    return "".join(kept), found


def parse_range(value: str) -> tuple[int, int] | None:
    """`first last`; None when it is no range of ports."""
    match = re.fullmatch(r"\s*(\d{1,5})\s+(\d{1,5})\s*", value, re.ASCII)
    if not match:
        return None
    first, last = int(match[1]), int(match[2])
    return (first, last) if 1 <= first < last <= 65535 else None


def parse_reserved(text: str) -> set[int]:
    """ip_local_reserved_ports: `8080,9000-9002` to ports; malformed parts are skipped."""
    found: set[int] = set()
    for part in text.strip().split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part, re.ASCII)
        if match:
            found |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found


def taken(ports: tuple[int, int], listening: set[int], reserved: set[int]) -> list[int]:
    """Ports that somebody listens on and an outgoing connection may take before the next start."""
    return sorted(port for port in listening - reserved if ports[0] <= port <= ports[1])


def fixed(ports: list[int]) -> list[int]:
    """Those of them that somebody chose."""
    return [port for port in ports if not DEFAULT_RANGE[0] <= port <= DEFAULT_RANGE[1]]


def refusals(settings: dict[str, str], listening: set[int], reserved: set[int]) -> list[str]:
    """Why these settings are not made, a sentence each."""
    found = []
    for key, value in sorted(settings.items()):
        if key in DEAD:
            found.append(f"{key} is {DEAD[key]}")
        elif key in HARMFUL and re.fullmatch(r"-?\d+", value, re.ASCII) and HARMFUL[key][0](int(value)):
            found.append(f"{key} = {value}: {HARMFUL[key][1]}")
        elif key not in ALLOWED:
            found.append(f"{key} is none of {', '.join(ALLOWED)}")
        elif key == "ip_local_port_range":
            ports = parse_range(value)
            if ports is None:
                found.append(f"{key} = {value!r} is no range of ports")
            elif fixed(taken(ports, listening, reserved)):
                shown = ", ".join(map(str, fixed(taken(ports, listening, reserved))))
                found.append(f"{key} = {value} holds ports that are listened on: {shown}; an outgoing connection may take one of"
                             " them while its service restarts. Begin above them, or reserve them in ip_local_reserved_ports")
        elif not re.fullmatch(r"\d{1,9}", value, re.ASCII):
            found.append(f"{key} = {value!r} is no number")
    return found


def render(settings: dict[str, str]) -> str:
    """The file of these settings."""
    lines = [f"{PREFIX}{key} = {value}" for key, value in sorted(settings.items())]
    return "\n".join(["# Written by sabakan.vps.tcp_settings.", *lines, ""])
