# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading of and acting on systemd units: the input and output beside the decisions of _service.py."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import stat
import time
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils import _service

RECORDS = "/run/sabakan/service_in_force"
PROPERTIES = (
    "LoadState,ActiveState,SubState,UnitFileState,MainPID,InvocationID,NeedDaemonReload,"
    "ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
)


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

    def show(self, name: str) -> dict[str, str]:
        dummy, text, dummy_error = self.module.run_command([self.systemctl, "show", name, "-p", PROPERTIES])
        return _service.parse_show(text)

    def journal(self, name: str) -> list[str]:
        """The unit's last lines, for the error message."""
        dummy, text, dummy_error = self.module.run_command(
            ["journalctl", "-u", name, "-n", "20", "-o", "cat", "--no-pager"]
        )
        return text.splitlines()

    def processes(self, name: str) -> list[int]:
        return [
            int(path.split("/")[2])
            for path in glob.glob("/proc/[0-9]*/cgroup")
            if _service.belongs_to(_read(path), name)
        ]

    def limits(self, name: str) -> tuple[tuple[int, str, str, int, int], ...]:
        found = []
        for pid in self.processes(name):
            command = _read(f"/proc/{pid}/comm").strip()
            for limit, (soft, hard) in _service.parse_limits(_read(f"/proc/{pid}/limits")).items():
                found.append((pid, command, limit, soft, hard))
        return tuple(found)

    def running(self, name: str) -> _service.Running:
        shown = self.show(name)
        active = shown.get("ActiveState") in ("active", "reloading") and shown.get("SubState") != "auto-restart"
        monotonic = int(shown.get("ExecMainStartTimestampMonotonic") or 0) or int(
            shown.get("ActiveEnterTimestampMonotonic") or 0
        )
        try:
            directory = os.readlink(f"/proc/{shown.get('MainPID')}/cwd")
        except OSError:
            directory = None
        return _service.Running(
            loaded=shown.get("LoadState") == "loaded",
            active=active,
            enabled=shown.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "indirect", "generated"),
            needs_daemon_reload=shown.get("NeedDaemonReload") == "yes",
            invocation=shown.get("InvocationID", ""),
            started_at=time.time() - time.monotonic() + monotonic / 1e6 if active else 0.0,
            working_directory=directory,
            limits=self.limits(name) if active else (),
        )

    def wanted(self, unit: dict[str, Any]) -> _service.Wanted:
        restart_digest, restart_newest = _digest(unit["restart_on"])
        reload_digest, reload_newest = _digest(unit["reload_on"])
        directory = unit["working_directory"]
        return _service.Wanted(
            name=unit["name"], enabled=unit["enabled"], limits=unit["limits"],
            restart_digest=restart_digest, restart_newest=restart_newest,
            reload_digest=reload_digest, reload_newest=reload_newest,
            working_directory=os.path.realpath(directory) if directory else None,
        )

    def write_limits(self, unit: dict[str, Any]) -> dict[str, str] | None:
        """Puts the drop-in in place (not in check mode); its diff when it changes, None when it is as asked."""
        if not unit["limits"]:
            return None
        path = _service.DROP_IN.format(unit=unit["name"])
        before, after = _read(path), _service.render_limits(unit["limits"])
        if before == after:
            return None
        if not self.module.check_mode:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            with open(path + ".new", "w", encoding="utf-8") as stream:
                stream.write(after)
            os.chmod(path + ".new", 0o644)
            os.replace(path + ".new", path)
            self.call("daemon-reload")
        return {"before_header": path, "after_header": path, "before": before, "after": after}

    def reloaded_and_loaded(self, name: str) -> bool:
        """A unit file may be newer than what systemd has read."""
        self.call("daemon-reload")
        return self.show(name).get("LoadState") == "loaded"

    def listening(self, name: str) -> set[str]:
        """TCP addresses and UNIX socket paths that the unit's processes hold open for listening."""
        inodes: dict[str, str] = {}
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            inodes.update(_service.parse_listening(_read(table)))
        for line in _read("/proc/net/unix").splitlines()[1:]:
            columns = line.split(None, 7)
            if len(columns) == 8 and int(columns[3], 16) & 0x10000:  # __SO_ACCEPTCON
                inodes[columns[6]] = columns[7]
        found = set()
        for pid in self.processes(name):
            for link in glob.glob(f"/proc/{pid}/fd/*"):
                try:
                    target = os.readlink(link)
                except OSError:
                    continue
                if target.startswith("socket:["):
                    found.add(inodes.get(target[8:-1], ""))
        return found

    def shortfalls(self, unit: dict[str, Any]) -> list[str]:
        """How the running unit differs from what was asked; empty when it does not."""
        running = self.running(unit["name"])
        if not running.active:
            return ["is not running"]
        short = _service.limit_shortfalls(unit["limits"], running.limits)
        if short:
            hard = _service.parse_limits(_read("/proc/1/limits")).get("nofile", (0, 0))[1]
            short.append(f"systemd's own hard limit of open files is {hard}, and it clamps above that in silence")
        wanted = unit["working_directory"]
        if wanted and running.working_directory != os.path.realpath(wanted):
            short.append(f"runs in {running.working_directory}, not in {wanted}")
        if unit["listens_on"]:
            listening = self.listening(unit["name"])
            short += [
                f"does not listen on {address}"
                for address in unit["listens_on"]
                if not (address in listening if address.startswith("/") else _service.is_listening(address, listening))
            ]
        return short

    def _record_path(self, name: str) -> str:
        return os.path.join(RECORDS, name.replace("/", "-") + ".json")

    def record(self, name: str) -> dict[str, str]:
        try:
            found = json.loads(_read(self._record_path(name)) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def remember(self, unit: dict[str, Any]) -> None:
        wanted, path = self.wanted(unit), self._record_path(unit["name"])
        content = {
            "invocation": self.show(unit["name"]).get("InvocationID", ""),
            "restart_digest": wanted.restart_digest,
            "reload_digest": wanted.reload_digest,
        }
        if self.record(unit["name"]) == content:
            return
        os.makedirs(RECORDS, mode=stat.S_IRWXU, exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            json.dump(content, stream)
        os.replace(path + ".new", path)
