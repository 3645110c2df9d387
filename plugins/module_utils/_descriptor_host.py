# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading of a host's processes for descriptor_info: the input beside the judgements of _descriptor_chain.py.

Everything is below `root`, so that a made-up host can be read too. A process may vanish at any moment.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Callable

from ansible_collections.sabakan.vps.plugins.module_utils import _processes, _service
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_chain import Link, Reading
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_links import Links
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_needs import Needs

# Runs a command, gives its output, empty when it is missing or fails.
Run = Callable[..., str]


@dataclass
class Process:
    """A process before its limits are read."""

    pid: int
    name: str
    parent: int
    place: _processes.Place
    program: str = ""
    reading: Reading | None = None
    kinds: dict[str, int] = field(default_factory=dict)


class Host:
    """A host as one run sees it."""

    def __init__(self, run: Run, root: str = "/") -> None:
        self.run, self.root = run, root.rstrip("/")
        self.processes: dict[int, Process] = {}
        self.sockets: dict[str, dict[str, str]] = {}
        self.read = lru_cache(maxsize=256)(self._read)
        self.limits = cache(self._limits)
        self.environ = cache(self._environ)
        self.links = Links(self)
        self.needs = Needs(self)
        numbers = self._read("/proc/sys/fs/file-nr").split()
        self.open_files, self.file_max = (int(numbers[index]) if len(numbers) == 3 and numbers[index].isdecimal() else 0 for index in (0, 2))

    def _read(self, path: str) -> str:
        try:
            with open(self.root + path, encoding="utf-8", errors="surrogateescape") as stream:
                return stream.read()
        except OSError:
            return ""

    def files(self, pattern: str) -> list[tuple[str, str]]:
        """(path, text) of the files that a pattern names."""
        return [(path[len(self.root):], self._read(path[len(self.root):])) for path in sorted(glob.glob(self.root + pattern))]

    def scan(self) -> None:
        """Every process that is not the kernel's own."""
        root_cgroup = self._read("/proc/1/cgroup")
        # A unit's processes share their cgroup's text: parsed once.
        place = cache(lambda text: _processes.parse_place(text, root_cgroup))
        for entry in os.listdir(f"{self.root}/proc"):
            if not entry.isdigit():
                continue
            stat = _processes.parse_stat(self._read(f"/proc/{entry}/stat"))
            if stat and stat.state not in "ZX" and 2 not in (stat.pid, stat.parent):
                self.processes[stat.pid] = Process(stat.pid, stat.name, stat.parent, place(self._read(f"/proc/{entry}/cgroup")))
        for process in self.processes.values():
            if self.ancestor(process, "supervisord"):
                process.program = self.environ(process.pid).get("SUPERVISOR_PROCESS_NAME", "")

    def ancestor(self, process: Process, name: str) -> Process | None:
        """The nearest process above of that name."""
        seen = set()
        above = self.processes.get(process.parent)
        while above and above.pid not in seen:
            if above.name == name:
                return above
            seen.add(above.pid)
            above = self.processes.get(above.parent)
        return None

    def _environ(self, pid: int) -> dict[str, str]:
        words = self._read(f"/proc/{pid}/environ").split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)

    def cmdline(self, pid: int) -> list[str]:
        words = _processes.parse_cmdline(self._read(f"/proc/{pid}/cmdline"))
        return words[0].split() if len(words) == 1 else words

    def _limits(self, pid: int) -> tuple[int, int] | None:
        return _service.parse_limits(self._read(f"/proc/{pid}/limits")).get("nofile")

    def measure(self, process: Process) -> tuple[int, dict[str, int]] | None:
        """Descriptors open, and how many of each kind; None when the process has gone."""
        path = f"{self.root}/proc/{process.pid}/fd"
        try:
            entries = os.listdir(path)
        except OSError:
            return None
        states = self.socket_states(process.pid)
        kinds: Counter[str] = Counter()
        for entry in entries:
            try:
                kinds[_processes.descriptor_kind(os.readlink(f"{path}/{entry}"), states)] += 1
            except OSError:
                continue  # closed meanwhile
        return len(entries), dict(kinds.most_common(8))

    def socket_states(self, pid: int) -> dict[str, str]:
        """TCP states by inode, read once a network name space."""
        try:
            namespace = os.readlink(f"{self.root}/proc/{pid}/ns/net")
        except OSError:
            namespace = ""
        if namespace not in self.sockets:
            rows = [row for table in ("tcp", "tcp6") for row in _processes.parse_sockets(self._read(f"/proc/{pid}/net/{table}"))]
            self.sockets[namespace] = {inode: state for inode, state in rows if inode != "0"}
        return self.sockets[namespace]

    def judge(self, process: Process) -> bool:
        """Fills in the reading; False when the process has gone."""
        limits, measured = self.limits(process.pid), self.measure(process)
        if limits is None or measured is None:
            return False
        links = [*self.links.above(process), Link("process", f"{process.name} ({process.pid})", *limits, "restart it")]
        process.kinds = measured[1]
        process.reading = Reading(measured[0], *limits, links, self.needs.of(process), self.needs.of_all(process), self.file_max)
        return True
