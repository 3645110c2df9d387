# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading of and acting on a data directory: the input and output beside the decisions of _postgresql.py."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils import _postgresql

ARGUMENTS = {
    "data_directory": {"type": "path", "required": True},
    "version": {"type": "str", "required": True},
    "source": {
        "type": "dict",
        "options": {
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 5432},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "slot": {"type": "str"},
        },
    },
}


class Host:
    """PostgreSQL's programs and files as one module run sees them."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.path: str = module.params["data_directory"]
        self.source: dict[str, Any] | None = module.params["source"]
        self.programs = f"/usr/lib/postgresql/{module.params['version']}/bin"

    @property
    def installed(self) -> bool:
        return os.path.exists(f"{self.programs}/postgres")

    def run(self, program: str, *words: str, **more: Any) -> tuple[int, str, str]:
        environment = {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "5", **more.pop("environment", {})}
        result: tuple[int, str, str] = self.module.run_command(
            [*more.pop("through", []), f"{self.programs}/{program}", *words], environ_update=environment, cwd="/", **more
        )
        return result

    def found(self) -> _postgresql.Found:
        try:
            entries = tuple(sorted(name for name in os.listdir(self.path) if name != "lost+found"))
        except FileNotFoundError:
            entries = ()
        version, control = "", {}
        if "PG_VERSION" in entries:
            with open(os.path.join(self.path, "PG_VERSION"), encoding="utf-8") as stream:
                version = stream.read().strip() or "unknown"
            if self.installed:
                control = _postgresql.parse_controldata(self.run("pg_controldata", self.path)[1])
        standby = bool({"standby.signal", "recovery.signal"} & set(entries))
        fixed, others = ("", ()) if entries else (self.fixed(), self.others())
        return _postgresql.Found(self.path, entries, version, standby, control, self.installed, fixed, others)

    def others(self) -> tuple[str, ...]:
        """Clusters of this name and another release, in Debian's layout: RELEASE/NAME."""
        place, name = os.path.split(self.path)
        root, release = os.path.split(place)
        if release != self.module.params["version"]:
            return ()
        found = glob.glob(f"{glob.escape(root)}/[0-9]*/{glob.escape(name)}/PG_VERSION")
        return tuple(sorted(os.path.dirname(path) for path in found))

    def fixed(self) -> str:
        if os.path.islink(self.path):
            return "a link"
        if os.path.ismount(self.path):
            return "a mount point"
        return "the root of a file system (lost+found)" if os.path.isdir(self.path) and os.listdir(self.path) else ""

    def running(self) -> bool:
        """Whether the process that postmaster.pid names is there."""
        try:
            with open(os.path.join(self.path, "postmaster.pid"), encoding="utf-8") as stream:
                return os.path.exists(f"/proc/{int(stream.readline())}")
        except (OSError, ValueError):
            return False

    @contextlib.contextmanager
    def passfile(self, owner: str | None = None) -> Iterator[dict[str, str]]:
        """The environment that lets libpq find the password; it stands on no command line and in no environment."""
        source = self.source or {}
        descriptor, path = tempfile.mkstemp(prefix="sabakan-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                escaped = source["password"].replace("\\", "\\\\").replace(":", "\\:")
                stream.write(f"*:*:*:{source['user']}:{escaped}\n")
            if owner:
                shutil.chown(path, owner)
            yield {"PGPASSFILE": path}
        finally:
            os.unlink(path)

    def identify_source(self) -> _postgresql.Source:
        source = self.source or {}
        target = f"host={source['host']} port={source['port']} user={source['user']} dbname=postgres replication=true"
        with self.passfile() as environment:
            code, text, error = self.run("psql", "-XAt", "-c", "IDENTIFY_SYSTEM", target, environment=environment)
        return _postgresql.Source(error=error.strip()) if code else _postgresql.parse_identify_system(text)

    def space(self) -> dict[str, int]:
        """MiB of the file system: its size, and what is free or held by WAL, which is what slots may take."""
        path = self.path
        while not os.path.exists(path):
            path = os.path.dirname(path)
        numbers = os.statvfs(path)
        wal = 0
        with contextlib.suppress(OSError):
            wal = sum(entry.stat().st_size for entry in os.scandir(os.path.join(self.path, "pg_wal")))
        return {
            "total": numbers.f_frsize * numbers.f_blocks >> 20,
            "free": (numbers.f_frsize * numbers.f_bavail + wal) >> 20,
        }
