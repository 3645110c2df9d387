# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has happened, fsynced and keyed by boot_id; time is counted in seconds of uptime, never by the wall clock.

A line an entry, each with a checksum. A journal that is missing, or of which any line is not as it was written, is no
journal: whoever cannot tell how often it rebooted does not reboot.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
KEPT = 400
ENDS = ("verified", "unhealthy", "abandoned")
SWITCH = ("armed", "disarmed")


class Corrupt(Exception):
    """There is no journal that could be relied on."""


def seal(entry: Entry) -> str:
    text = json.dumps(entry, sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x} {text}"


def parse(text: str) -> list[Entry]:
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        checksum, dummy, body = line.partition(" ")
        try:
            entry = json.loads(body)
        except ValueError as error:
            raise Corrupt(f"line {number} is no entry") from error
        if f"{zlib.crc32(body.encode()):08x}" != checksum:
            raise Corrupt(f"line {number} has another checksum")
        if not isinstance(entry, dict) or not isinstance(entry.get("event"), str) or not isinstance(entry.get("boot_id"), str) \
                or isinstance(entry.get("uptime"), bool) or not isinstance(entry.get("uptime"), (int, float)) \
                or not isinstance(entry.get("wall"), (int, float)):
            raise Corrupt(f"line {number} lacks event, boot_id, uptime or wall")
        entries.append(entry)
    if not entries or not text.endswith("\n"):
        raise Corrupt("it is empty or cut off")
    return entries


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Durable when it returns: the content, and the directory that names it."""
    new = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class Journal:
    def __init__(self, directory: str) -> None:
        self.path = Path(directory) / "journal"

    def read(self) -> list[Entry]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Corrupt(f"{self.path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from error
        try:
            return parse(text)
        except Corrupt as error:
            raise Corrupt(f"{self.path}: {error}") from error

    def create(self, entry: Entry) -> bool:
        """Only by hand or by the role: a journal that vanishes must not come back empty by itself."""
        if self.path.exists():
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.path, seal(entry) + "\n")
        return True

    def add(self, entry: Entry) -> list[Entry]:
        """Raises Corrupt or OSError, and is on the disk when it returns."""
        entries = compact([*self.read(), entry])
        write_atomically(self.path, "".join(seal(one) + "\n" for one in entries))
        if self.read() != entries:
            raise Corrupt(f"{self.path}: what was written is not what is read")
        return entries


def compact(entries: list[Entry]) -> list[Entry]:
    """Of the hourly notes of uptime the last of each boot is enough. Whether it is disarmed outlasts any number of boots."""
    last = {entry["boot_id"]: n for n, entry in enumerate(entries) if entry["event"] == "seen"}
    kept = [entry for n, entry in enumerate(entries) if entry["event"] != "seen" or last[entry["boot_id"]] == n]
    switch = next((n for n in reversed(range(len(kept))) if kept[n]["event"] in SWITCH), len(kept))
    return kept[-KEPT:] if switch >= len(kept) - KEPT else [kept[switch], *kept[1 - KEPT:]]


def since_armed(entries: list[Entry]) -> list[Entry]:
    """An operator who arms it has looked: what was before counts no more."""
    last = max((n for n, entry in enumerate(entries) if entry["event"] == "armed"), default=0)
    return entries[last:]


def uptime_since(entries: list[Entry], at: int, boot_id: str, uptime: float) -> float:
    """Seconds that the host has been up since the entry; a boot counts as far as it was last seen."""
    seen: dict[str, float] = {}
    for entry in [*entries[at:], {"boot_id": boot_id, "uptime": uptime}]:
        seen[entry["boot_id"]] = max(seen.get(entry["boot_id"], 0.0), float(entry["uptime"]))
    return sum(seen.values()) - float(entries[at]["uptime"])


def spent(entries: list[Entry], period: float, boot_id: str, uptime: float) -> int:
    """Reboots of this gate's own within the period."""
    recent = since_armed(entries)
    return sum(
        1 for n, entry in enumerate(recent)
        if entry["event"] == "rebooting" and uptime_since(recent, n, boot_id, uptime) < period
    )


def pending(entries: list[Entry]) -> Entry | None:
    """The attempt, or the reboot, of which nobody has said yet how it ended."""
    found = None
    for entry in entries:
        if entry["event"] in ("attempt", "rebooting"):
            found = {**(found or {}), **entry}
        elif entry["event"] in ENDS:
            found = None
    return found


def disarmed(entries: list[Entry]) -> str:
    """Why it is disarmed; empty when it is not."""
    last = next((entry for entry in reversed(entries) if entry["event"] in SWITCH), {"event": "armed"})
    return str(last.get("why") or "no reason given") if last["event"] == "disarmed" else ""


def latest_wall(entries: list[Entry]) -> float:
    return max(float(entry["wall"]) for entry in since_armed(entries))
