# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who could run twice on the same data: judged from what containers and units may write, by device and inode.

A user is a container or a unit; a place is what it may write: a directory, by device and inode, or a block device, by
its number, whatever nodes and paths lead there.
"""

from __future__ import annotations

import itertools
import posixpath
import re
import shlex
from dataclasses import dataclass, field

WRAPPER = "sabakan-exclusive"
WRAPPER_NAMES = (WRAPPER, "sabakan_exclusive")
# A file that a stateful service leaves in its data: a second one of it would be the end of the data.
MARKERS = frozenset({
    "PG_VERSION", "postmaster.pid", "ibdata1", "mongod.lock", "WiredTiger.lock", "nodes", "appendonlydir", "dump.rdb",
    "fsid", "superblock", "whoami", "LOCK", "CURRENT", "raft", "meta.json",
})
PRIVATE = frozenset({"overlay", "aufs", "tmpfs", "ramfs", "rootfs"})
RESTARTING = frozenset({"always", "unless-stopped", "on-failure", "on-abnormal", "on-abort", "on-watchdog", "on-success"})


@dataclass(frozen=True)
class Place:
    identity: str  # "dir 254:0:1234" or "dev 8:16"
    path: str  # on the host
    inside: str = ""  # as the user names it
    markers: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldLock:
    path: str
    identity: str
    filesystem: str


@dataclass(frozen=True)
class User:
    kind: str  # container or unit
    name: str
    command: tuple[str, ...] = ()
    image: str = ""
    running: bool = False
    restart: str = ""
    enabled: bool = False
    places: tuple[Place, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    wrapped_on: str = ""  # identity of what its wrapper locks

    @property
    def text(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def starts_itself(self) -> bool:
        return self.restart in RESTARTING or self.enabled


@dataclass
class Finding:
    kind: str
    place: str
    users: list[str]
    summary: str
    evidence: list[str] = field(default_factory=list)


def program(command: tuple[str, ...]) -> str:
    """The name of what a command runs; the wrapper's own words are passed over."""
    words = list(command)
    if any(posixpath.basename(word) in WRAPPER_NAMES for word in words) and "--" in words:
        words = words[words.index("--") + 1:]
    while words and (posixpath.basename(words[0]) in ("sh", "bash", "env", "exec", "docker-entrypoint.sh", "tini") or words[0].startswith("-")):
        words = words[1:]
    return posixpath.basename(words[0]) if words else ""


def wrapped_data(command: tuple[str, ...]) -> str:
    """DATA of the wrapper in a command, as the command names it; empty when there is no wrapper."""
    words = list(command)
    at = next((n for n, word in enumerate(words) if posixpath.basename(word) in WRAPPER_NAMES), None)
    if at is None or "--" not in words[at:]:
        return ""
    return words[words.index("--", at) - 1]


def unit_command(text: str) -> tuple[str, ...]:
    """The words of ExecStart= as `systemctl show` tells it."""
    found = re.search(r"argv\[\]=(.*?) ; ", text)
    try:
        return tuple(shlex.split(found.group(1) if found else text))
    except ValueError:
        return tuple(text.split())


def directories(command: tuple[str, ...]) -> list[str]:
    """Absolute paths among a command's arguments: `-D /x`, `--dbpath=/x`, `/x`; not the program itself."""
    found = [word.partition("=")[2] if word.startswith("-") else word for word in command[1:]]
    return [word for word in dict.fromkeys(found) if word.startswith("/")]


def parse_locks(lines: list[str]) -> list[tuple[int, str]]:
    """(PID, "major:minor:inode") of exclusive locks in /proc/locks; waiters (->) hold nothing."""
    found = []
    for line in lines:
        match = re.match(r"\d+: (?:FLOCK|POSIX|OFDLCK)\s+\S+\s+WRITE (-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", line)
        if match:
            found.append((int(match.group(1)), f"{int(match.group(2), 16)}:{int(match.group(3), 16)}:{match.group(4)}"))
    return found


def overlap(one: Place, other: Place) -> bool:
    if one.identity == other.identity:
        return True
    if not (one.identity.startswith("dir ") and other.identity.startswith("dir ")):
        return False
    short, long = sorted((one.path.rstrip("/"), other.path.rstrip("/")), key=len)
    return bool(short) and long.startswith(short + "/")


def _told(user: User, place: Place) -> str:
    state = "running" if user.running else "not running"
    start = f", starts by itself (restart {user.restart or 'no'}{', enabled' if user.enabled else ''})" if user.starts_itself else ""
    inside = f" as {place.inside}" if place.inside and place.inside != place.path else ""
    return f"{user.text} ({state}{start}) may write {place.path}{inside}, {place.identity}"


def _pair(one: User, first: Place, other: User, second: Place) -> Finding | None:
    """What two users of one place mean; nothing when both ask for the same lock, or when sharing is harmless."""
    if one.wrapped_on and one.wrapped_on == other.wrapped_on:
        return None
    markers = sorted({*first.markers, *second.markers})
    same_program = program(one.command) and program(one.command) == program(other.command)
    same_image = one.image and one.image == other.image
    device = first.identity.startswith("dev ")
    if not (device or markers or same_program or same_image):
        return None
    evidence = [_told(one, first), _told(other, second)]
    evidence += [f"it holds {', '.join(markers)}"] if markers else []
    evidence += [f"both run {program(one.command)}"] if same_program else []
    for user in (one, other):
        evidence += [f"{user.text} locks {user.wrapped_on}, which the other does not" if user.wrapped_on else f"{user.text} asks for no lock"]
    kind = "shared_device" if device else "duplicated_unit" if one.kind == other.kind == "unit" else "shared_data"
    return Finding(kind, first.identity, [one.text, other.text], f"{one.text} and {other.text} could run at once on {first.path}", evidence)


def _private(user: User) -> Finding | None:
    """A lock that nobody else can see, of a container whose data others can reach."""
    if user.kind != "container" or not user.places or user.wrapped_on:
        return None
    private = [lock for lock in user.locks if lock.filesystem in PRIVATE]
    data = [lock for lock in user.locks if lock.filesystem not in PRIVATE]
    if not private or data:
        return None
    return Finding(
        "private_lock", user.places[0].identity, [user.text],
        f"{user.text} locks only places of its own, while others can reach its data: a second one would not be stopped",
        [f"holds a lock on {lock.path}, {lock.identity}, on {lock.filesystem}" for lock in private]
        + [_told(user, place) for place in user.places],
    )


def _starter(unit: User, containers: list[User]) -> list[Finding]:
    """A unit that starts a container which the engine starts too."""
    words = [posixpath.basename(word) for word in unit.command]
    if not words or words[0] not in ("docker", "podman") or not {"run", "start"} & set(words):
        return []
    return [
        Finding("two_starters", container.name, [unit.text, container.text],
                f"{unit.text} and the engine's restart policy both start {container.text}",
                [f"{unit.text} runs {' '.join(unit.command)}", f"{container.text} has restart policy {container.restart}"])
        for container in containers if container.name in unit.command and container.restart in RESTARTING
    ]


def audit(users: list[User]) -> list[Finding]:
    findings: list[Finding] = []
    for one, other in itertools.combinations(users, 2):
        for first, second in itertools.product(one.places, other.places):
            found = _pair(one, first, other, second) if overlap(first, second) else None
            if found:
                findings.append(found)
                break
    findings += [found for user in users if (found := _private(user))]
    containers = [user for user in users if user.kind == "container"]
    for user in users:
        findings += _starter(user, containers) if user.kind == "unit" else []
    return findings
