# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a systemd unit's processes use now, against what was asked of them: parsers and the decision.

Nothing here touches the system; M(sabakan.vps.service_in_force) reads and acts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.sabakan.vps.plugins.module_utils import _sockets

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
# Soft and hard alike, or each.
Limit = Union[int, "tuple[int, int]"]
CAP_SYS_RESOURCE = 1 << 24

# UnitFileState, see systemctl(1). ELSEWHERE: another unit or a generator decides, `enable` and `disable` have nothing to do.
STARTS_AT_BOOT = frozenset({"enabled", "alias"})
ELSEWHERE = frozenset({"static", "indirect", "generated", "transient"})
DROP_IN = "/etc/systemd/system/{unit}.d/50-sabakan-limits.conf"


@dataclass(frozen=True)
class Wanted:
    """What a unit was asked to be. Digests are over the files' contents, missing ones included."""

    name: str
    enabled: bool | None
    restart_digest: str
    reload_digest: str
    unit_digest: str = ""  # of the unit file and its drop-ins, without the one of the limits
    restart_newest: float = 0.0  # epoch seconds of the newest file in restart_on, and of the unit's own
    reload_newest: float = 0.0
    working_directory: str | None = None  # resolved path
    limits: Mapping[str, Limit] = field(default_factory=dict)
    unlimited: bool = False  # limits were asked to be none at all, not left alone


@dataclass(frozen=True)
class Process:
    """A process of a unit. `limits` is {name: (soft, hard)}."""

    pid: int
    command: str
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """What is there."""

    loaded: bool
    active: bool
    unit_file_state: str
    needs_daemon_reload: bool
    invocation: str
    started_at: float  # epoch seconds, 0 when not running
    can_reload: bool = True
    main_pid: int = 0
    working_directory: str | None = None
    processes: tuple[Process, ...] = ()

    @property
    def enabled(self) -> bool:
        return self.unit_file_state in STARTS_AT_BOOT | ELSEWHERE


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


def parse_wanted(value: object) -> Limit:
    """`N`, or `soft:hard` as systemd writes it; ValueError for anything else."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, str) and ":" in value:
        soft, hard = (int(part) for part in value.split(":"))
        return soft, hard
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{value!r} is no limit")
    return int(value)


def pair(limit: Limit) -> tuple[int, int]:
    """(soft, hard)."""
    return limit if isinstance(limit, tuple) else (limit, limit)


def shown_limit(limit: Limit) -> str:
    """As systemd writes it."""
    values = limit if isinstance(limit, tuple) else (limit,)
    return ":".join("infinity" if value == UNLIMITED else str(value) for value in values)


def render_limits(limits: Mapping[str, Limit]) -> str:
    """The drop-in that asks systemd for these limits."""
    lines = [f"Limit{name.upper()}={shown_limit(value)}" for name, value in sorted(limits.items())]
    return "\n".join(["# Written by sabakan.vps.service_in_force.", "[Service]", *lines, ""])


def parse_show(text: str) -> list[dict[str, str]]:
    """`systemctl show A B` output to a mapping for each unit; lines without `=` belong to nothing and are dropped."""
    blocks = [block for block in re.split(r"\n[ \t]*\n", text) if block.strip()]
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def parse_limits(text: str) -> dict[str, tuple[int, int]]:
    """/proc/PID/limits to {name: (soft, hard)}; `unlimited` is -1. Truncated lines are skipped."""
    found: dict[str, tuple[int, int]] = {}
    for name, title in LIMIT_NAMES.items():
        match = re.search(rf"^{re.escape(title)}\s+(\S+)\s+(\S+)", text, re.MULTILINE)
        if match and all(value == "unlimited" or value.isdecimal() for value in match.groups()):
            soft, hard = (UNLIMITED if value == "unlimited" else int(value) for value in match.groups())
            found[name] = (soft, hard)
    return found


def belongs_to(cgroup_text: str, control_group: str) -> bool:
    """Whether /proc/PID/cgroup is in the unit's ControlGroup or below it, in any hierarchy (v1, hybrid, v2).

    The whole path counts: a container on this host may run a unit of the same name.
    """
    paths = (line.split(":", 2)[-1] for line in cgroup_text.splitlines())
    return bool(control_group.strip("/")) and any(
        path == control_group or path.startswith(control_group + "/") for path in paths
    )


def parse_parent(text: str) -> int:
    """The parent's PID of /proc/PID/stat; 0 when it cannot be read. The command may hold anything, brackets too."""
    columns = text.rpartition(")")[2].split()
    return int(columns[1]) if len(columns) > 1 and columns[1].isdecimal() and columns[1].isascii() else 0


def offspring(main: int, parents: dict[int, int]) -> set[int]:
    """The main process and all that descend from it."""
    found = {main}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def ceiling(nr_open: str, limits_of_systemd: str, status_of_systemd: str) -> tuple[int, str]:
    """(the highest LimitNOFILE that systemd can give, 0 when unknown; what sets it). Above it, systemd clamps in silence."""
    try:
        most = int(nr_open)
    except ValueError:
        return 0, ""
    hard = parse_limits(limits_of_systemd).get("nofile", (0, 0))[1]
    capabilities = re.search(r"^CapEff:\s+([0-9a-fA-F]+)$", status_of_systemd, re.MULTILINE)
    if capabilities and not int(capabilities.group(1), 16) & CAP_SYS_RESOURCE and 0 < hard < most:
        return hard, "systemd's own hard limit, which it may not raise here (no CAP_SYS_RESOURCE)"
    return most, "the kernel's fs.nr_open"


def refusals(unit: dict[str, Any], shown: dict[str, str], most: int, why: str, reloaded: bool = False) -> list[str]:
    """What can never work, told before anything changes. Of files that systemd is still to read again it tells nothing."""
    name, limits = unit["name"], unit["limits"] or {}
    found = [f"listens_on: {text}" for text in map(_sockets.why_not_an_endpoint, unit["listens_on"]) if text]
    if limits and not name.endswith(".service"):
        found.append("limits belong to services")
    soft, hard = pair(limits.get("nofile", 1))
    if most and hard > most:
        found.append(f"nofile {shown_limit(limits['nofile'])} is above {most}, {why}")
    if min(soft, hard) < 1:
        found.append(f"nofile {shown_limit(limits['nofile'])} is no number of files; descriptors cannot be unlimited")
    found += [
        f"{key} {shown_limit(limit)}: the soft limit is above the hard one" for key, limit in limits.items()
        if pair(limit)[1] != UNLIMITED and (pair(limit)[0] == UNLIMITED or pair(limit)[0] > pair(limit)[1])
    ]
    if shown.get("NeedDaemonReload") == "yes" and not reloaded:
        return found
    state = shown.get("LoadState", "")
    if state == "masked":
        found.append(f"is masked; `systemctl unmask {name}` if it is to run")
    elif state not in ("loaded", "merged", "not-found", "stub", ""):
        found.append(f"systemd cannot load it: {shown.get('LoadError') or state}")
    if shown.get("Type") == "oneshot" and shown.get("RemainAfterExit") == "no":
        found.append("is a oneshot that does not remain, so that it never runs with anything")
    return found


def limit_shortfalls(wanted: Mapping[str, Limit], processes: tuple[Process, ...]) -> list[str]:
    """Processes whose limits are not those asked: `process PID (command): name is soft N, hard N, asked N`."""
    return [
        f"process {process.pid} ({process.command}): {name} is soft {soft}, hard {hard}, asked {shown_limit(wanted[name])}"
        for process in processes
        for name, (soft, hard) in process.limits.items()
        if name in wanted and (soft, hard) != (wanted[name] if isinstance(wanted[name], tuple) else (wanted[name], hard))
    ]


def _curable(wanted: Mapping[str, Limit], running: Running) -> list[str]:
    """The shortfalls that a restart can cure: a child that changes its own limits would do so again."""
    main = tuple(process for process in running.processes if process.pid == running.main_pid)
    return limit_shortfalls(wanted, main or running.processes)


def enabling(wanted: bool | None, unit_file_state: str) -> bool | None:
    """True to enable, False to disable, None to do neither. `enabled-runtime` ends with the next boot."""
    if wanted is None or unit_file_state in ELSEWHERE:
        return None
    if wanted:
        return None if unit_file_state in STARTS_AT_BOOT else True
    return None if unit_file_state in ("disabled", "", "masked", "masked-runtime") else False


def decide(wanted: Wanted, running: Running, record: dict[str, str]) -> Decision:
    """The least that brings the running processes to what was asked.

    `record` is what the last run left: {invocation, restart_digest, reload_digest, unit_digest, limited}. It counts only for the
    invocation that it names; for any other (a reboot, somebody's restart) the start time is held against the
    files' times, so an interrupted run, or no run at all, is seen too.
    """
    enable = enabling(wanted.enabled, running.unit_file_state)
    known = bool(running.invocation) and record.get("invocation") == running.invocation
    reasons: list[str] = []
    if not running.active:
        return Decision("start", enable, running.needs_daemon_reload, (f"{wanted.name} is not running",))
    if known and record.get("restart_digest") != wanted.restart_digest:
        reasons.append("a file that it reads at its start has changed")
    if known and record.get("unit_digest", wanted.unit_digest) != wanted.unit_digest:
        reasons.append("its unit file or a drop-in has changed")
    given = wanted.limits or wanted.unlimited
    if known and given and set(record.get("limited", "").split()) - wanted.limits.keys():
        reasons.append("it runs with limits that are no longer asked")
    if not known and wanted.restart_newest > running.started_at:
        reasons.append("a file that it reads at its start is newer than the process")
    if wanted.working_directory and running.working_directory != wanted.working_directory:
        reasons.append(f"it runs in {running.working_directory}, not in {wanted.working_directory}")
    reasons += _curable(wanted.limits, running)
    if reasons:
        return Decision("restart", enable, running.needs_daemon_reload, tuple(reasons))
    if (known and record.get("reload_digest") != wanted.reload_digest) or (
        not known and wanted.reload_newest > running.started_at
    ):
        action = "reload" if running.can_reload else "restart"
        reason = "a file that a reload reads has changed" + ("" if running.can_reload else ", and the unit has no reload")
        return Decision(action, enable, running.needs_daemon_reload, (reason,))
    return Decision("none", enable, running.needs_daemon_reload, ())
