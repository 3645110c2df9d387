# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links of the chain that a process' limit came down by, as a host has them now."""

from __future__ import annotations

import json
import os
import socket
from functools import cache
from typing import TYPE_CHECKING, Any

from ansible_collections.sabakan.vps.plugins.module_utils import (
    _processes,
    _service,
    _supervisor_config,
    _unit_files,
)
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_chain import Link

if TYPE_CHECKING:
    from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_host import Host, Process

UNIT_PROPERTIES = "Id,LimitNOFILE,LimitNOFILESoft,FragmentPath,DropInPaths"
DAEMON_JSON = "/etc/docker/daemon.json"


def _number(text: str) -> int:
    return -1 if text.strip() in ("infinity", "unlimited") else int(text) if text.strip().isdigit() else 0


def nofile_of(host_config: Any) -> tuple[int, int] | None:
    """The nofile limit of a container's HostConfig; None when it has none."""
    limits = host_config.get("Ulimits") if isinstance(host_config, dict) else None
    own = next((limit for limit in limits or [] if limit.get("Name") == "nofile"), None)
    return (int(own["Soft"]), int(own["Hard"])) if own else None


class Links:
    """What hands limits down on one host; each link is read once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.units: dict[str, dict[str, str]] = {}
        self.machine = cache(self._machine)
        self.unit = cache(self._unit)
        self.docker = cache(self._docker)
        self.supervisor = cache(self._supervisor)

    def above(self, process: Process) -> list[Link]:
        """From the kernel down to what starts the process; the process itself is not among them."""
        return [*self.machine(), *self.unit(process.place.unit), *self.container(process), *self.supervisord(process)]

    def load_units(self, names: set[str]) -> None:
        """What systemd says of these units, in one call."""
        if not names:
            return
        text = self.host.run("systemctl", "show", "-p", UNIT_PROPERTIES, "--", *sorted(names))
        for shown in _service.parse_show(text):
            if shown.get("Id"):
                self.units[shown["Id"]] = shown

    def _machine(self) -> tuple[Link, ...]:
        nr_open = _number(self.host.read("/proc/sys/fs/nr_open")) or 1 << 20
        soft, hard = self.host.limits(1) or (nr_open, nr_open)
        found = [Link("kernel", "fs.nr_open", nr_open, nr_open, "sysctl fs.nr_open")]
        # With CAP_SYS_RESOURCE, bit 24, systemd gives more than it has itself.
        may_raise = bool(_processes.parse_capabilities(self.host.read("/proc/1/status")) >> 24 & 1)
        inside = any(os.path.exists(self.host.root + path) for path in ("/.dockerenv", "/run/.containerenv", "/run/systemd/container"))
        if inside:
            found.append(Link("container runtime", "of this host", hard, hard, "the nofile limit that this host's container is started with",
                              can_raise=may_raise))
        else:
            found.append(Link("systemd", "PID 1", hard, hard, "DefaultLimitNOFILE of /etc/systemd/system.conf, and the boot's hard limit", can_raise=may_raise))
        return tuple(found)

    def _unit(self, name: str) -> tuple[Link, ...]:
        if not name:
            return ()
        if name.endswith(".scope"):
            # Whoever asked for the scope set the limits beforehand; systemd adds none.
            return (Link("session", name, *self.host.limits(1) or (0, 0), "pam_limits: /etc/security/limits.d", can_raise=True),)
        shown = self.units.get(name, {})
        paths = [shown.get("FragmentPath", ""), *shown.get("DropInPaths", "").split()]
        asked = _unit_files.wanted_nofile([self.host.read(path) for path in paths if path])
        soft, hard = _number(shown.get("LimitNOFILESoft", "")), _number(shown.get("LimitNOFILE", ""))
        if not hard:
            return ()
        return (Link("unit", name, soft, hard, f"LimitNOFILE= in a drop-in of {name}", asked=asked is not None),)

    def _docker(self) -> tuple[dict[str, Any], tuple[int, int] | None, bool]:
        """Running containers by id, what the engine gives to one that asks for nothing, and whether somebody chose that."""
        listed = self.host.run("docker", "ps", "-q", "--no-trunc").split()
        try:
            inspected = {found["Id"]: found for found in json.loads(self.host.run("docker", "inspect", *listed) or "[]")} if listed else {}
        except (ValueError, KeyError, TypeError):
            inspected = {}
        try:
            nofile = json.loads(self.host.read("/etc/docker/daemon.json") or "{}").get("default-ulimits", {}).get("nofile", {})
            return inspected, (int(nofile["Soft"]), int(nofile["Hard"])), True
        except (ValueError, KeyError, TypeError, AttributeError):
            runtime = [process for process in self.host.processes.values() if process.name == "containerd"]
            runtime += [process for process in self.host.processes.values() if process.name == "dockerd"]
            return inspected, self.host.limits(runtime[0].pid) if runtime else None, False

    def container_name(self, identifier: str) -> str:
        return self.docker()[0].get(identifier, {}).get("Name", "").lstrip("/") if identifier else ""

    def container(self, process: Process) -> tuple[Link, ...]:
        identifier = process.place.container
        if not identifier:
            return ()
        inspected, default, chosen = self.docker()
        found = inspected.get(identifier, {})
        name = self.container_name(identifier) or identifier[:12]
        # What inspect tells has the default of the running engine merged in; the container's own is in its file alone.
        merged = nofile_of(found.get("HostConfig"))
        try:
            own = nofile_of(json.loads(self.host.read(os.path.join(os.path.dirname(found.get("ResolvConfPath") or ""), "hostconfig.json"))))
        except ValueError:
            own = merged
        if own:
            return (Link("container", name, *own, "its own --ulimit nofile", can_raise=True),)
        soft, hard = default or self.host.limits(process.pid) or (0, 0)
        setting = f"--ulimit nofile, or default-ulimits of {DAEMON_JSON}"
        pending = chosen and merged is not None and merged != default
        if pending:
            setting = f"restart docker.service, which runs since before {DAEMON_JSON} was changed, and then the container"
        return (Link("container", name, soft, hard, setting, asked=chosen, can_raise=True, pending=pending),)

    def _supervisor(self, pid: int) -> tuple[_supervisor_config.Configuration | None, bool]:
        """The configuration of a running supervisord, and whether it may raise the hard limit."""
        words = self.host.cmdline(pid)
        candidates = ["/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"]
        for index, word in enumerate(words):
            if word in ("-c", "--configuration"):
                candidates = words[index + 1:index + 2]
            elif word.startswith("--configuration="):
                candidates = [word.partition("=")[2]]
        root = _processes.parse_uid(self.host.read(f"/proc/{pid}/status")) == 0
        for path in candidates:
            if not path.startswith("/"):
                try:
                    path = os.path.normpath(os.path.join(os.readlink(f"{self.host.root}/proc/{pid}/cwd"), path))
                except OSError:
                    continue
            text = self.host.read(path)
            if text:
                try:
                    return _supervisor_config.parse(path, text, self.host.files, self.host.environ(pid), socket.gethostname()), root
                except ValueError:
                    return None, root
        return None, root

    def supervisord(self, process: Process) -> tuple[Link, ...]:
        above = self.host.ancestor(process, "supervisord")
        limits = self.host.limits(above.pid) if above else None
        if not above or not limits:
            return ()
        configuration, root = self.supervisor(above.pid)
        path = configuration.path if configuration else "its configuration"
        who = "it runs as root" if root else f"it does not run as root, so it cannot go above its hard limit {limits[1]}"
        asked = bool(configuration and "minfds" in configuration.supervisord)
        return (Link("supervisord", f"PID {above.pid}", *limits, f"minfds in {path}, then restart it ({who})", asked=asked, can_raise=root),)
