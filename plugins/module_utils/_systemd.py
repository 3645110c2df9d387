# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading of and acting on systemd units: the input and output beside the decisions of _service.py."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import stat
import time
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils import _files, _service, _sockets

RECORDS = "/run/sabakan/service_in_force"
PROPERTIES = (
    "Id,LoadState,LoadError,ActiveState,SubState,UnitFileState,MainPID,InvocationID,NeedDaemonReload,ControlGroup,"
    "FragmentPath,DropInPaths,Triggers,CanReload,KillMode,Type,RemainAfterExit,NRestarts,ExecMainStartTimestamp,"
    "ExecMainStartTimestampMonotonic,ActiveEnterTimestamp,ActiveEnterTimestampMonotonic"
)
DEAF = "does not listen on"
SETTLED = 1.0  # seconds that a service which says nothing of its readiness must have lived
RESTARTS = 5  # restarts by systemd, while awaited, after which it is hopeless


def _read(path: str) -> str:
    """A file of /proc; empty when its process has gone meanwhile."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def _digest(paths: list[str]) -> tuple[str, float]:
    """(digest over names and contents, newest change in epoch seconds); a missing file counts as such."""
    total, newest = hashlib.sha256(), 0.0
    for path in sorted(paths):
        total.update(path.encode() + b"\0")
        try:
            with open(path, "rb") as stream:
                total.update(hashlib.sha256(stream.read()).digest())
            newest = max(newest, os.stat(path).st_mtime)
        except FileNotFoundError:
            total.update(b"missing")
    return total.hexdigest(), newest


class Systemd:
    """Systemd as one module run sees it."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.systemctl = module.get_bin_path("systemctl", required=True)

    def call(self, *words: str, check: bool = True) -> tuple[int, str]:
        code, dummy, error = self.module.run_command([self.systemctl, *words])
        if code and check:
            self.module.fail_json(msg=f"systemctl {' '.join(words)}: {error.strip()}")
        return code, error.strip()

    def show(self, names: list[str]) -> dict[str, dict[str, str]]:
        """The properties of every unit, in one call."""
        code, text, error = self.module.run_command(
            [self.systemctl, "show", "--timestamp=unix", "-p", PROPERTIES, "--", *names]
        )
        shown = _service.parse_show(text)
        if code or len(shown) != len(names):
            self.module.fail_json(msg=f"systemctl show {' '.join(names)}: {error.strip() or text.strip()}")
        return dict(zip(names, shown))

    def journal(self, name: str) -> list[str]:
        """The unit's last lines, for the error message."""
        dummy, text, dummy_error = self.module.run_command(
            ["journalctl", "-u", name, "-n", "20", "-o", "cat", "--no-pager"]
        )
        return text.splitlines()

    def ceiling(self) -> tuple[int, str]:
        return _service.ceiling(_read("/proc/sys/fs/nr_open"), _read("/proc/1/limits"), _read("/proc/1/status"))

    def pids(self, shown: dict[str, str]) -> list[int]:
        group = shown.get("ControlGroup", "")
        if not group.strip("/"):
            return []
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [pid for pid in pids if _service.belongs_to(_read(f"/proc/{pid}/cgroup"), group)]

    def processes(self, shown: dict[str, str]) -> tuple[_service.Process, ...]:
        """Those of this start: KillMode=process leaves earlier ones alive (the sessions of sshd) with what they had."""
        pids, main = self.pids(shown), int(shown.get("MainPID") or 0)
        if main and shown.get("KillMode") in ("process", "none"):
            pids = sorted(_service.offspring(main, {pid: _service.parse_parent(_read(f"/proc/{pid}/stat")) for pid in pids}))
        found = ((pid, _service.parse_limits(_read(f"/proc/{pid}/limits"))) for pid in pids)
        return tuple(
            _service.Process(pid, _read(f"/proc/{pid}/comm").strip(), limits) for pid, limits in found if limits
        )

    def running(self, shown: dict[str, str]) -> _service.Running:
        active = shown.get("ActiveState") in ("active", "reloading", "refreshing")
        main_pid = int(shown.get("MainPID") or 0)
        try:
            directory = os.readlink(f"/proc/{main_pid}/cwd")
        except OSError:
            directory = None
        return _service.Running(
            loaded=shown.get("LoadState") == "loaded",
            active=active,
            unit_file_state=shown.get("UnitFileState", ""),
            needs_daemon_reload=shown.get("NeedDaemonReload") == "yes",
            invocation=shown.get("InvocationID", ""),
            started_at=self._started_at(shown) if active else 0.0,
            can_reload=shown.get("CanReload") != "no",
            main_pid=main_pid,
            working_directory=directory,
            processes=self.processes(shown) if active else (),
        )

    @staticmethod
    def _started_at(shown: dict[str, str]) -> float:
        """By today's clock; where the clock has stepped since, the earlier reading, so that no change is missed."""
        for event in ("ExecMainStart", "ActiveEnter"):
            monotonic = int(shown.get(f"{event}TimestampMonotonic") or 0)
            if monotonic:
                started = time.time() - time.monotonic() + monotonic / 1e6
                wall = shown.get(f"{event}Timestamp", "").lstrip("@")
                stepped = wall.isdigit() and int(wall) < started - 2
                return float(wall) if stepped else started
        return 0.0

    def wanted(self, unit: dict[str, Any], shown: dict[str, str]) -> _service.Wanted:
        restart_digest, restart_newest = _digest(unit["restart_on"])
        reload_digest, reload_newest = _digest(unit["reload_on"])
        own = _service.DROP_IN.format(unit=unit["name"])
        files = [shown.get("FragmentPath", ""), *shlex.split(shown.get("DropInPaths", ""))]
        unit_digest, unit_newest = _digest([path for path in files if path and path != own])
        directory = unit["working_directory"]
        return _service.Wanted(
            name=unit["name"], enabled=unit["enabled"], limits=unit["limits"] or {}, unlimited=unit["limits"] == {},
            restart_digest=restart_digest, restart_newest=max(restart_newest, unit_newest),
            reload_digest=reload_digest, reload_newest=reload_newest, unit_digest=unit_digest,
            working_directory=os.path.realpath(directory) if directory else None,
        )

    def write_limits(self, unit: dict[str, Any]) -> dict[str, str] | None:
        """Puts the drop-in in place or away (not in check mode); its diff when it changes, None when it is as asked."""
        if unit["limits"] is None:
            return None
        path = _service.DROP_IN.format(unit=unit["name"])
        before, after = _read(path), _service.render_limits(unit["limits"]) if unit["limits"] else ""
        if before == after:
            return None
        if not self.module.check_mode:
            self._put(path, after)
        return {"before_header": path, "after_header": path, "before": before, "after": after}

    @staticmethod
    def _put(path: str, content: str) -> None:
        if not content:
            os.unlink(path)
            with contextlib.suppress(OSError):  # somebody else's drop-ins stay
                os.rmdir(os.path.dirname(path))
            return
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        _files.replace_file(path, content, 0o644)

    def listening(self, name: str, shown: dict[str, str]) -> set[str]:
        """TCP addresses and UNIX socket paths that the unit's processes hold open for listening."""
        pids = [1] if name.endswith(".socket") else self.pids(shown)
        found: set[str] = set()
        inodes: dict[str, str] = {}
        if pids:  # the unit's own network namespace, not this one's
            net = f"/proc/{int(shown.get('MainPID') or 0) or pids[0]}/net"
            for table in ("tcp", "tcp6"):
                inodes.update(_sockets.parse_tcp(_read(f"{net}/{table}")))
            inodes.update(_sockets.parse_unix(_read(f"{net}/unix")))
        for pid in pids:
            with contextlib.suppress(OSError):
                for number in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        found.add(inodes.get(os.readlink(f"/proc/{pid}/fd/{number}")[8:-1], ""))
        return found

    def shortfalls(self, unit: dict[str, Any], shown: dict[str, str]) -> list[str]:
        """How the running unit differs from what was asked; empty when it does not."""
        running = self.running(shown)
        if not running.active:
            return [f"is not running ({shown.get('ActiveState')}, {shown.get('SubState')})"]
        short = _service.limit_shortfalls(unit["limits"] or {}, running.processes)
        if unit["limits"] and shown.get("SubState") == "running" and not running.processes:
            short.append(f"has no process in its control group {shown.get('ControlGroup')}")
        wanted = unit["working_directory"]
        if wanted and running.working_directory != os.path.realpath(wanted):
            short.append(f"runs in {running.working_directory}, not in {wanted}")
        if unit["listens_on"]:
            listening = self.listening(unit["name"], shown)
            short += [
                f"{DEAF} {address}" for address in unit["listens_on"]
                if not _sockets.is_listening(address, listening)
            ]
        elif shown.get("SubState") == "running" and time.time() - running.started_at < SETTLED:
            short.append(f"has not run for {SETTLED:g} s yet")
        return short

    @staticmethod
    def hopeless(before: dict[str, str], shown: dict[str, str]) -> bool:
        """Whether waiting cannot help: it has failed for good, or systemd restarts it again and again."""
        restarts = int(shown.get("NRestarts") or 0) - int(before.get("NRestarts") or 0)
        return shown.get("SubState") in ("failed", "dead") or restarts >= RESTARTS

    def _record_path(self, name: str) -> str:
        return os.path.join(RECORDS, name.replace("/", "-") + ".json")

    def record(self, name: str) -> dict[str, str]:
        try:
            found = json.loads(_read(self._record_path(name)) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def remember(self, wanted: _service.Wanted, shown: dict[str, str]) -> None:
        """What the processes use now: the digests of before they were acted on, so that a later change is seen."""
        path, before = self._record_path(wanted.name), self.record(wanted.name)
        left_alone = not wanted.limits and not wanted.unlimited
        content = {
            "invocation": shown.get("InvocationID", ""),
            "restart_digest": wanted.restart_digest,
            "reload_digest": wanted.reload_digest,
            "unit_digest": wanted.unit_digest,
            "limited": before.get("limited", "") if left_alone else " ".join(sorted(wanted.limits)),
        }
        if before == content:
            return
        os.makedirs(RECORDS, mode=stat.S_IRWXU, exist_ok=True)
        _files.replace_file(path, json.dumps(content), 0o600)
