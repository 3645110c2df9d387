# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the keeper tells of itself: the status document, the same for Prometheus, and why it is not healthy. Pure, but for the files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

V2, V1 = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")
UNLIMITED = 2**60
FILES = (("limit", "memory.max", "memory.limit_in_bytes"), ("usage", "memory.current", "memory.usage_in_bytes"),
         ("peak", "memory.peak", "memory.max_usage_in_bytes"))


def events(v2: Path = V2, v1: Path = V1) -> str:
    """The counters of the own memory cgroup, as sabakan_sftp._oom reads them."""
    for path in (v2 / "memory.events", v1 / "memory.oom_control"):
        try:
            return path.read_text(encoding="ascii")
        except OSError:
            continue
    return ""


def memory(v2: Path = V2, v1: Path = V1) -> dict[str, int | None]:
    """Bytes; None where there is no limit or no such file."""
    found: dict[str, int | None] = {}
    for name, new, old in FILES:
        found[name] = None
        for path in (v2 / new, v1 / old):
            try:
                text = path.read_text(encoding="ascii").strip()
            except OSError:
                continue
            found[name] = int(text) if text.isdigit() and int(text) < UNLIMITED else None
            break
    return found


def reasons(mounts: Mapping[str, Mapping[str, Any]], sshd_error: str) -> list[str]:
    """Why the container is not healthy; empty when it is."""
    found = [f"mount {name}: {mount['error'] or mount['state']}" for name, mount in sorted(mounts.items()) if mount["state"] != "live"]
    return found + ([f"sshd: {sshd_error}"] if sshd_error else [])


def label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


METRICS = (
    ("mount_up", "gauge", "1 while the mount and its store answer.", lambda mount: int(mount["state"] == "live")),
    ("mount_deaths_total", "counter", "Times that the mount went out of service.", lambda mount: mount["deaths"]),
    ("mount_heals_total", "counter", "Times that it was brought back.", lambda mount: mount["heals"]),
    ("mount_oom_kills_total", "counter", "Deaths by the kernel's hand for memory.", lambda mount: mount["oom_kills"]),
    ("mount_last_heal_seconds", "gauge", "How long the last return to service took.", lambda mount: mount["last_heal_seconds"]),
)


def prometheus(status: Mapping[str, Any]) -> str:
    lines: list[str] = []

    def add(name: str, kind: str, text: str, rows: list[tuple[str, Any]]) -> None:
        rows = [(labels, value) for labels, value in rows if value is not None]
        if rows:
            lines.extend([f"# HELP sabakan_sftp_{name} {text}", f"# TYPE sabakan_sftp_{name} {kind}"])
            lines.extend(f"sabakan_sftp_{name}{labels} {value}" for labels, value in rows)

    add("healthy", "gauge", "1 while every mount is live and sshd runs.", [("", int(status["healthy"]))])
    add("time_seconds", "gauge", "When this was written.", [("", round(status["time"], 3))])
    for name, kind, text, value in METRICS:
        add(name, kind, text, [(f'{{mount="{label(mount)}"}}', value(found)) for mount, found in sorted(status["mounts"].items())])
    add("sshd_restarts_total", "counter", "Times that the listener was started again.", [("", status["sshd"]["restarts"])])
    add("sessions", "gauge", "SFTP sessions that are open.", [("", status["sessions"]["open"])])
    add("logins_total", "counter", "Logins that sshd accepted.", [("", status["sessions"]["logins"])])
    add("login_failures_total", "counter", "Logins that sshd refused.", [("", status["sessions"]["refusals"])])
    for index, (name, text) in enumerate((("read_bytes_total", "Bytes that users read."), ("written_bytes_total", "Bytes that users wrote."))):
        add(name, "counter", text, [(f'{{user="{label(user)}"}}', count[index]) for user, count in sorted(status["bytes"].items())])
    add("uploads_open", "gauge", "Uploads that are under way.", [("", status["uploads"]["open"])])
    add("uploads_truncated", "gauge", "Truncated uploads in the journal.", [("", status["uploads"]["truncated"])])
    add("uploads_unsettled", "gauge", "Truncated uploads of which the object is still to be dealt with.", [("", status["uploads"]["unsettled"])])
    for name, text in (("limit", "Memory limit of the container."), ("usage", "Memory that it uses."), ("peak", "Most that it used.")):
        add(f"memory_{name}_bytes", "gauge", text, [("", status["memory"][name])])
    add("memory_oom_kills_total", "counter", "Processes of the container that were killed for memory.", [("", status["memory"]["oom_kills"])])
    return "\n".join(lines) + "\n"


def replace(path: Path, text: str, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
