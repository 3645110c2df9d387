# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of what /proc says about processes: stat, cgroup, net/tcp, fd links. Nothing here touches the system."""

from __future__ import annotations

import re
from dataclasses import dataclass

# linux/include/net/tcp_states.h
TCP_STATES = {
    "01": "established", "02": "syn_sent", "03": "syn_recv", "04": "fin_wait1", "05": "fin_wait2", "06": "time_wait",
    "07": "close", "08": "close_wait", "09": "last_ack", "0A": "listen", "0B": "closing", "0C": "new_syn_recv",
}
# docker, containerd, CRI-O and podman name their cgroups after a container's 64 digits, bare or in a scope.
CONTAINER = re.compile(r"^(?:[a-z-]+-)?([0-9a-f]{64})(?:\.scope)?$")
UNIT = re.compile(r"\.(?:service|scope|socket|mount|swap)$")


@dataclass(frozen=True)
class Stat:
    """The head of /proc/PID/stat."""

    pid: int
    name: str
    state: str
    parent: int


@dataclass(frozen=True)
class Place:
    """Where a process is kept: its unit and its container, empty when there is none."""

    unit: str = ""
    container: str = ""


def parse_stat(text: str) -> Stat | None:
    """/proc/PID/stat; None when truncated. The name may hold spaces, newlines and brackets: the last `)` ends it."""
    match = re.match(r"(\d+) \((.*)\) (\S) (\d+)(?:\s|$)", text, re.DOTALL | re.ASCII)
    if not match:
        return None
    return Stat(int(match[1]), match[2], match[3], int(match[4]))


def _segments(cgroup_text: str) -> list[list[str]]:
    lines = [line.split(":", 2) for line in cgroup_text.splitlines()]
    # systemd's own hierarchy first: under cgroup v1 the controllers' hierarchies may be coarser.
    lines.sort(key=lambda line: 0 if line[:2] == ["0", ""] or line[1:2] == ["name=systemd"] else 1)
    return [line[2].strip("/").split("/") for line in lines if len(line) == 3]


def parse_place(cgroup_text: str, root_text: str = "") -> Place:
    """/proc/PID/cgroup to the unit and the container that hold the process.

    `root_text` is that of PID 1: where the host itself is a container, its own path is no container of the host.
    """
    known = {segment for segments in _segments(root_text) for segment in segments if CONTAINER.match(segment)}
    unit = container = ""
    for segments in _segments(cgroup_text):
        inside = segments
        for index, segment in enumerate(segments):
            if segment in known:
                inside = segments[index + 1:]
        for segment in inside:
            match = CONTAINER.match(segment)
            if match:
                container = container or match[1]
                break
            if UNIT.search(segment) and segment != "init.scope" and not unit:
                unit = _unescaped(segment)
        if unit and container:
            break
    return Place(unit, container)


def _unescaped(segment: str) -> str:
    """cgroup names that could be taken for a kernel file get a `_` in front (systemd's cg_escape)."""
    return segment[1:] if segment.startswith("_") else segment


def parse_sockets(text: str) -> list[tuple[str, str]]:
    """/proc/net/tcp or tcp6 to (inode, state) of every row; malformed rows are skipped."""
    found = []
    for line in text.splitlines()[1:]:
        columns = line.split(None, 10)
        if len(columns) > 9 and columns[3] in TCP_STATES and columns[9].isdigit():
            found.append((columns[9], TCP_STATES[columns[3]]))
    return found


def parse_ports(text: str, state: str = "listen") -> set[int]:
    """/proc/net/tcp or tcp6 to the local ports in that state."""
    found = set()
    for line in text.splitlines()[1:]:
        columns = line.split(None, 4)
        if len(columns) > 3 and TCP_STATES.get(columns[3]) == state:
            match = re.fullmatch(r"(?:[0-9A-Fa-f]{8}){1,4}:([0-9A-Fa-f]{4})", columns[1])
            if match:
                found.add(int(match[1], 16))
    return found


def descriptor_kind(target: str, states: dict[str, str]) -> str:
    """What the target of a link of /proc/PID/fd is; `states` are the TCP states by inode.

    Paths begin with a slash, so a file that is called `socket:[1]` is not taken for a socket.
    """
    if target.startswith("/"):
        return "device" if target.startswith("/dev/") else "file"
    kind, dummy, rest = target.partition(":")
    if kind == "socket":
        state = states.get(rest.strip("[]"))
        return f"tcp {state}" if state else "socket other"
    if kind == "anon_inode":
        return rest.strip("[]") or "anon_inode"
    return kind if kind == "pipe" else "other"


def parse_cmdline(raw: str) -> list[str]:
    """/proc/PID/cmdline to words; a program that renamed itself leaves one word with spaces in it."""
    return raw.rstrip("\0").split("\0") if raw.strip("\0") else []


def parse_uid(status_text: str) -> int | None:
    """The effective UID of /proc/PID/status; None when truncated."""
    match = re.search(r"^Uid:\s+\d+\s+(\d+)\s", status_text, re.MULTILINE | re.ASCII)
    return int(match[1]) if match else None


def parse_capabilities(status_text: str) -> int:
    """The effective capabilities of /proc/PID/status as a bit mask; 0 when truncated."""
    match = re.search(r"^CapEff:\s+([0-9a-f]{1,16})\s", status_text, re.MULTILINE | re.ASCII)
    return int(match[1], 16) if match else 0
