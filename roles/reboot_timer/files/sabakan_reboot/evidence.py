# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a reboot would wipe out: kept before a leak is answered by one."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from sabakan_reboot import journal, programs

KEPT = 10
TOP = 30


def processes() -> str:
    """The largest by resident memory: kB, PID, name, command."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{name}/statm").read_text(encoding="ascii").split()[1])
            command = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            comm = Path(f"/proc/{name}/comm").read_text(encoding="utf-8", errors="replace").strip()
            found.append((pages * os.sysconf("SC_PAGE_SIZE") // 1024, int(name), comm, command[:200]))
    return "".join(f"{size} {pid} {comm} {command}\n" for size, pid, comm, command in sorted(found, reverse=True)[:TOP])


def restarts() -> str:
    """Units that were started again, and how often: a loop of them can leak slab."""
    shown = programs.output(["systemctl", "show", "*.service", "--property=Id,NRestarts"])
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in shown.split("\n\n")]
    counts = sorted(((int(block.get("NRestarts") or 0), block.get("Id", "")) for block in blocks), reverse=True)
    return "".join(f"{count} {unit}\n" for count, unit in counts if count)


def keep(state: str, name: str) -> str:
    """Writes it all, durably; raises OSError when anything could not be had."""
    place = Path(state) / "evidence" / name
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, text in {
        "slabinfo": Path("/proc/slabinfo").read_text(encoding="ascii"),
        "meminfo": Path("/proc/meminfo").read_text(encoding="ascii"),
        "restarts": restarts(),
        "processes": processes(),
    }.items():
        journal.write_atomically(place / file, text)
    for old in sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return str(place)
