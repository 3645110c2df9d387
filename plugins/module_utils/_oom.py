# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OOM kills, read from the kernel log and from the counters of a memory cgroup. Standard library only, no I/O.

The log may come from dmesg (also -T, -x, -r), /dev/kmsg, journalctl -k (any short form) or a syslog file. A line counts
only if the message begins right after such a prefix and, where the prefix names who logged, that is the kernel: a
program that logs the same words makes no kill.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

MEMCG, GLOBAL = "memcg", "global"

_BRACKETS = r"\[\s*(?P<seconds{0}>\d+\.\d{{3,}})\]\s?(?:\[\s*[TC]\d+\]\s?)?"
_PREFIX = re.compile(
    r"(?:"
    r"\d+,\d+,(?P<microseconds>\d+),[^;]*;"  # /dev/kmsg
    r"|(?:<\d+>)?(?:[a-z]+\s*:\s*[a-z]+\s*:\s*)?(?:" + _BRACKETS.format("") + r"|\[[A-Z][^\]]+\]\s)"  # dmesg
    r"(?:\S+ kernel: )?"  # journalctl -o short-monotonic
    r"|(?:[A-Z][a-z]{2}\s+\d+ [\d:.]+|(?:[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d[T ]\S+(?: [A-Z]{2,5})?|\d+\.\d+) \S+ kernel: "
    r"(?:" + _BRACKETS.format("_of_syslog") + r")?"
    r")?"
)
_INVOKED = re.compile(r"(?P<comm>.{0,64}) invoked oom-killer: ")
_CONTEXT = re.compile(
    r"oom-kill:constraint=(?P<constraint>\w+),nodemask=.*?"
    r"(?:,global_oom|,oom_memcg=(?P<oom_memcg>.*?))?(?:,task_memcg=(?P<task_memcg>.*))?"
    r",task=(?P<comm>.*),pid=(?P<pid>\d+),uid=(?P<uid>\d+)\s*$"
)
_TASK_IN = re.compile(r"Task in (?P<task_memcg>.*) killed as a result of limit of (?P<oom_memcg>.*?)\s*$")
_GROUP = re.compile(r"Tasks in (?P<memcg>.*) are going to be killed due to memory\.oom\.group set")
_WHY = r"(?P<why>Memory cgroup out of memory|Out of memory)(?: \([^)]*\))?: "
_KILL = re.compile(_WHY + r"Kill process (?P<pid>\d+) \((?P<comm>.*)\),? score (?P<score>\d+) or sacrifice child")
_KILLED = re.compile(
    r"(?:" + _WHY + r")?Killed process (?P<pid>\d+)"
    r"(?: \((?P<comm>.*)\),?|,? UID (?P<old_uid>\d+),? \((?P<old_comm>.*)\),?) total-vm:(?P<rest>.*)"
)
_SIZES = {
    "total_vm_kb": re.compile(r"^(\d+)kB"), "anon_rss_kb": re.compile(r"\banon-rss:(\d+)kB"),
    "file_rss_kb": re.compile(r"\bfile-rss:(\d+)kB"), "shmem_rss_kb": re.compile(r"\bshmem-rss:(\d+)kB"),
    "pgtables_kb": re.compile(r"\bpgtables:(\d+)kB"), "oom_score_adj": re.compile(r"\boom_score_adj:(-?\d+)"),
    "uid": re.compile(r"\bUID:(\d+)"),
}


@dataclass(frozen=True)
class Kill:
    """A process that the kernel killed for memory. What the log does not tell is None or empty."""

    scope: str  # memcg: a cgroup's limit; global: the machine's memory (or a cpuset's, a policy's)
    pid: int
    comm: str
    cgroup: str = ""  # whose limit it was; empty for a global one
    task_cgroup: str = ""  # where the process ran
    seconds: float | None = None  # of the kernel's clock, since boot
    invoked_by: str = ""  # who asked for the memory; need not be who was killed
    total_vm_kb: int | None = None
    anon_rss_kb: int | None = None
    file_rss_kb: int | None = None
    shmem_rss_kb: int | None = None
    pgtables_kb: int | None = None
    oom_score_adj: int | None = None
    uid: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def within(self, cgroup: str) -> bool:
        """Whether the process ran, or the limit was, in this cgroup or below it."""
        root = cgroup.rstrip("/")
        return any(path and (path == root or path.startswith(f"{root}/")) for path in (self.task_cgroup, self.cgroup))


def _split(line: str) -> tuple[float | None, str]:
    """(seconds since boot if told, message)."""
    match = _PREFIX.match(line)
    if match is None:  # the prefix may be absent, so this cannot be; kept for the type
        return None, line
    if match["microseconds"]:
        return int(match["microseconds"]) / 1e6, line[match.end():]
    seconds = match["seconds"] or match["seconds_of_syslog"]
    return (float(seconds) if seconds else None), line[match.end():]


def _sizes(rest: str) -> dict[str, int]:
    found = {name: pattern.search(rest) for name, pattern in _SIZES.items()}
    return {name: int(match[1]) for name, match in found.items() if match}


class _Reader:
    """One pass over a log: lines that prepare a kill, and the line that tells of it."""

    def __init__(self) -> None:
        self.kills: list[Kill] = []
        self.announced: Kill | None = None  # "Kill process ...", of which the sacrifice is still to come
        self.context: dict[str, Any] = {}
        self.group = ""
        self.invoked_by = ""

    def _close(self) -> None:
        if self.announced:
            self.kills.append(self.announced)
        self.announced = None

    def _kill(self, why: str | None, pid: int, comm: str, seconds: float | None) -> Kill:
        mine = self.context if self.context.get("pid") in (None, pid) else {}
        constraint = self.context.get("constraint")
        memcg = why.startswith("Memory cgroup") if why else constraint == "CONSTRAINT_MEMCG" or "limit" in self.context
        cgroup = mine.get("oom_memcg") or (self.group if why and not mine else "")
        return Kill(
            MEMCG if memcg else GLOBAL, pid, comm, (cgroup or "") if memcg else "", mine.get("task_memcg") or "", seconds,
            self.invoked_by, uid=mine.get("uid"),
        )

    def read(self, line: str) -> None:
        seconds, text = _split(line.rstrip("\n"))
        if match := _KILLED.match(text):
            self._killed(match, seconds)
        elif match := _KILL.match(text):
            self._close()
            self.announced = self._kill(match["why"], int(match["pid"]), match["comm"], seconds)
        elif match := _CONTEXT.match(text):
            self.group = ""
            self.context = {**match.groupdict(), "pid": int(match["pid"]), "uid": int(match["uid"])}
        elif match := _TASK_IN.match(text):
            self.group = ""
            self.context = {**match.groupdict(), "limit": True}
        elif match := _GROUP.match(text):
            self.context, self.group = {}, match["memcg"]
        elif match := _INVOKED.match(text):
            self._close()
            self.context, self.group, self.invoked_by = {}, "", match["comm"]

    def _killed(self, match: re.Match[str], seconds: float | None) -> None:
        pid, comm = int(match["pid"]), match["comm"] if match["comm"] is not None else match["old_comm"]
        if match["why"]:
            self._close()
            kill = self._kill(match["why"], pid, comm, seconds)
        elif self.announced:  # the second line of the older form; it may be a child that is sacrificed
            kill, self.announced = replace(self.announced, pid=pid, comm=comm, seconds=seconds), None
        else:
            kill = self._kill(None, pid, comm, seconds)
        if match["old_uid"]:
            kill = replace(kill, uid=int(match["old_uid"]))
        self.kills.append(replace(kill, **_sizes(match["rest"])))  # type: ignore[arg-type]
        if not self.group:
            self.context = {}

    def finish(self) -> list[Kill]:
        self._close()
        return self.kills


def parse_log(lines: str | Iterable[str]) -> list[Kill]:
    """The kills that a kernel log tells of, in its order."""
    reader = _Reader()
    for line in lines.split("\n") if isinstance(lines, str) else lines:
        reader.read(line)
    return reader.finish()


def parse_counters(text: str) -> dict[str, int]:
    """memory.events, memory.events.local (v2) or memory.oom_control (v1): name and number a line; others are skipped."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isascii() and pair[1].isdigit()}


def oom_kills(text: str) -> int | None:
    """Processes killed in a cgroup, from either file; None if it does not tell (v1 before Linux 4.13).

    memory.events counts the cgroups below too, memory.events.local and memory.oom_control do not.
    """
    return parse_counters(text).get("oom_kill")


def new_kills(before: str, after: str) -> int:
    """Kills between two readings; a counter that went back belongs to a new cgroup of that name, and counts from zero."""
    old, new = oom_kills(before) or 0, oom_kills(after) or 0
    return new - old if new >= old else new
