# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading of a host's processes for descriptor_info: the input beside the judgements of _descriptor_chain.py.

Everything is below `root`, so that a made-up host can be read too. A process may vanish at any moment.
"""

from __future__ import annotations

import glob
import json
import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Callable

from ansible_collections.sabakan.vps.plugins.module_utils import (
    _daemon_needs,
    _processes,
    _service,
    _supervisor_config,
    _unit_files,
)
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_chain import Link, Reading

# Runs a command, gives its output, empty when it is missing or fails.
Run = Callable[..., str]
UNIT_PROPERTIES = "Id,LimitNOFILE,LimitNOFILESoft,FragmentPath,DropInPaths"


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


def _number(text: str) -> int:
    return -1 if text.strip() in ("infinity", "unlimited") else int(text) if text.strip().isdigit() else 0


class Host:
    """A host as one run sees it."""

    def __init__(self, run: Run, root: str = "/") -> None:
        self.run, self.root = run, root.rstrip("/")
        self.processes: dict[int, Process] = {}
        self.units: dict[str, dict[str, str]] = {}
        self.sockets: dict[str, dict[str, str]] = {}
        self.read = lru_cache(maxsize=256)(self._read)
        self.limits = cache(self._limits)
        self.environ = cache(self._environ)
        self.supervisor = cache(self._supervisor)
        self.need = cache(self._need)

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

    # The links

    def load_units(self, names: set[str]) -> None:
        """What systemd says of these units, in one call."""
        if not names:
            return
        text = self.run("systemctl", "show", "-p", UNIT_PROPERTIES, "--", *sorted(names))
        for shown in _service.parse_show(text):
            if shown.get("Id"):
                self.units[shown["Id"]] = shown

    def links(self, process: Process) -> list[Link]:
        """From the kernel down to what starts the process; the process itself is not among them."""
        return [*self.machine(), *self.unit(process.place.unit), *self.container(process), *self.supervisord(process)]

    @lru_cache(maxsize=8192)  # noqa: B019 - one host a run
    def machine(self) -> tuple[Link, ...]:
        nr_open = _number(self._read("/proc/sys/fs/nr_open")) or 1 << 20
        soft, hard = self.limits(1) or (nr_open, nr_open)
        found = [Link("kernel", "fs.nr_open", nr_open, nr_open, "sysctl fs.nr_open")]
        # With CAP_SYS_RESOURCE, bit 24, systemd gives more than it has itself.
        may_raise = bool(_processes.parse_capabilities(self._read("/proc/1/status")) >> 24 & 1)
        inside = any(os.path.exists(self.root + path) for path in ("/.dockerenv", "/run/.containerenv", "/run/systemd/container"))
        if inside:
            found.append(Link("container runtime", "of this host", hard, hard, "the nofile limit that this host's container is started with",
                              can_raise=may_raise))
        else:
            found.append(Link("systemd", "PID 1", hard, hard, "DefaultLimitNOFILE of /etc/systemd/system.conf, and the boot's hard limit", can_raise=may_raise))
        return tuple(found)

    @lru_cache(maxsize=8192)  # noqa: B019 - one host a run
    def unit(self, name: str) -> tuple[Link, ...]:
        if not name:
            return ()
        if name.endswith(".scope"):
            # Whoever asked for the scope set the limits beforehand; systemd adds none.
            return (Link("session", name, *self.limits(1) or (0, 0), "pam_limits: /etc/security/limits.d", can_raise=True),)
        shown = self.units.get(name, {})
        paths = [shown.get("FragmentPath", ""), *shown.get("DropInPaths", "").split()]
        asked = _unit_files.wanted_nofile([self.read(path) for path in paths if path])
        soft, hard = _number(shown.get("LimitNOFILESoft", "")), _number(shown.get("LimitNOFILE", ""))
        if not hard:
            return ()
        return (Link("unit", name, soft, hard, f"LimitNOFILE= in a drop-in of {name}", asked=asked is not None),)

    @lru_cache(maxsize=8192)  # noqa: B019 - one host a run
    def docker(self) -> tuple[dict[str, Any], tuple[int, int] | None]:
        """Running containers by id, and what the runtime gives to a container that asks for nothing."""
        listed = self.run("docker", "ps", "-q", "--no-trunc").split()
        try:
            inspected = {found["Id"]: found for found in json.loads(self.run("docker", "inspect", *listed) or "[]")} if listed else {}
        except (ValueError, KeyError, TypeError):
            inspected = {}
        try:
            nofile = json.loads(self._read("/etc/docker/daemon.json") or "{}").get("default-ulimits", {}).get("nofile", {})
            default: tuple[int, int] | None = (int(nofile["Soft"]), int(nofile["Hard"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            runtime = [process for process in self.processes.values() if process.name == "containerd"]
            runtime += [process for process in self.processes.values() if process.name == "dockerd"]
            default = self.limits(runtime[0].pid) if runtime else None
        return inspected, default

    def container_name(self, identifier: str) -> str:
        return self.docker()[0].get(identifier, {}).get("Name", "").lstrip("/") if identifier else ""

    def container(self, process: Process) -> tuple[Link, ...]:
        identifier = process.place.container
        if not identifier:
            return ()
        inspected, default = self.docker()
        config = inspected.get(identifier, {}).get("HostConfig") or {}
        own = next((limit for limit in config.get("Ulimits") or [] if limit.get("Name") == "nofile"), None)
        name = self.container_name(identifier) or identifier[:12]
        if own:
            return (Link("container", name, own["Soft"], own["Hard"], "its own --ulimit nofile", can_raise=True),)
        soft, hard = default or self.limits(process.pid) or (0, 0)
        return (Link("container", name, soft, hard, "--ulimit nofile, or default-ulimits of /etc/docker/daemon.json",
                     asked=False, can_raise=True),)

    def _supervisor(self, pid: int) -> tuple[_supervisor_config.Configuration | None, bool]:
        """The configuration of a running supervisord, and whether it may raise the hard limit."""
        words = self.cmdline(pid)
        candidates = ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"]
        for index, word in enumerate(words):
            if word in ("-c", "--configuration"):
                candidates = words[index + 1:index + 2]
            elif word.startswith("--configuration="):
                candidates = [word.partition("=")[2]]
        root = _processes.parse_uid(self._read(f"/proc/{pid}/status")) == 0
        for path in candidates:
            if not path.startswith("/"):
                try:
                    path = os.path.normpath(os.path.join(os.readlink(f"{self.root}/proc/{pid}/cwd"), path))
                except OSError:
                    continue
            text = self._read(path)
            if text:
                try:
                    return _supervisor_config.parse(path, text, self.files, self.environ(pid), socket.gethostname()), root
                except ValueError:
                    return None, root
        return None, root

    def supervisord(self, process: Process) -> tuple[Link, ...]:
        above = self.ancestor(process, "supervisord")
        limits = self.limits(above.pid) if above else None
        if not above or not limits:
            return ()
        configuration, root = self.supervisor(above.pid)
        path = configuration.path if configuration else "its configuration"
        who = "it runs as root" if root else f"it does not run as root, so it cannot go above its hard limit {limits[1]}"
        asked = bool(configuration and "minfds" in configuration.supervisord)
        return (Link("supervisord", f"PID {above.pid}", *limits, f"minfds in {path}, then restart it ({who})", asked=asked, can_raise=root),)

    # What the daemons' own configurations imply

    def need_of(self, process: Process) -> _daemon_needs.Need | None:
        words = self.cmdline(process.pid)
        if process.name in ("nginx", "postgres"):
            above = self.processes.get(process.parent)
            if above and above.name == process.name:
                words = self.cmdline(above.pid)
            elif process.name == "nginx":
                return None  # the master serves nobody
        return self.need(process.name, tuple(words))

    def _need(self, name: str, words: tuple[str, ...]) -> _daemon_needs.Need | None:
        def after(option: str, default: str) -> str:
            return next((words[i + 1] for i, word in enumerate(words[:-1]) if word == option), default)

        if name == "nginx":
            path = after("-c", "/etc/nginx/nginx.conf")
            text = self.read(path)
            return _daemon_needs.nginx(text, self.files, os.path.dirname(path)) if text else None
        if name == "haproxy":
            pattern = after("-f", "/etc/haproxy/haproxy.cfg")
            text = "\n".join(found for dummy, found in self.files(pattern))
            return _daemon_needs.haproxy(text, os.cpu_count() or 1) if text else None
        if name == "pgbouncer":
            path = next((word for word in words[1:] if word.endswith(".ini")), "/etc/pgbouncer/pgbouncer.ini")
            text = self.read(path)
            return _daemon_needs.pgbouncer(text, self.files) if text else None
        if name == "redis-server":
            path = next((word for word in words[1:] if word.endswith(".conf")), "/etc/redis/redis.conf")
            text = self.read(path)
            return _daemon_needs.redis(text, self.files) if text else None
        if name == "postgres":
            given = [word.partition("=")[2] for word in words if word.startswith("config_file=")]
            path = given[0] if given else os.path.join(after("-D", "/nonexistent"), "postgresql.conf")
            text = self.read(path)
            return _daemon_needs.postgresql(text, self.files, os.path.dirname(path)) if text else None
        return None

    def judge(self, process: Process) -> bool:
        """Fills in the reading; False when the process has gone."""
        limits, measured = self.limits(process.pid), self.measure(process)
        if limits is None or measured is None:
            return False
        links = [*self.links(process), Link("process", f"{process.name} ({process.pid})", *limits, "restart it")]
        process.kinds = measured[1]
        process.reading = Reading(measured[0], *limits, links, self.need_of(process))
        return True
