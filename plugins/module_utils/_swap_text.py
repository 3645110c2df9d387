# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read and written about swap: sizes, /proc/swaps, /proc/meminfo, mountinfo, and the line in fstab. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

MIB = 1 << 20
SMALLEST = 8 * MIB
UNITS = {"M": MIB, "G": 1 << 30, "T": 1 << 40}


def megabytes(size: float) -> int:
    return int(size // MIB)


def parse_size(text: str, least: int = SMALLEST) -> int:
    """Bytes of 512M, 1.5G, 2GiB or 1T, rounded down to whole MiB; ValueError says what is wrong."""
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([MGT])(?:i?B)?\s*", str(text), re.IGNORECASE | re.ASCII)
    if not match:
        hint = f": say {text}M or {text}G" if re.fullmatch(r"0*[1-9]\d*", str(text), re.ASCII) else ""
        raise ValueError(f"{text!r} is no size; a number and M, G or T is, such as 512M or 2G{hint}")
    size = int(float(match[1]) * UNITS[match[2].upper()]) // MIB * MIB
    if size < least:
        raise ValueError(f"{text} is less than the least, {megabytes(least)}M")
    return size


@dataclass(frozen=True)
class Swap:
    """A line of /proc/swaps, in bytes."""

    path: str
    kind: str
    size: int
    used: int
    priority: int

    @property
    def in_memory(self) -> bool:
        """zram: what goes there stays in the memory, only smaller."""
        return self.path.startswith("/dev/zram")


def unescape(text: str) -> str:
    r"""\040 and the like, as in /proc/swaps, mountinfo and fstab."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8) & 0xFF), text)


def escape(text: str) -> str:
    return re.sub(r"[ \t\r\n\v\f\\#]", lambda match: f"\\{ord(match[0]):03o}", text)


def parse_swaps(text: str) -> list[Swap]:
    found = []
    for line in text.split("\n")[1:]:
        words = re.split(r"[ \t]+", line.strip())
        if len(words) == 5 and all(re.fullmatch(r"-?\d{1,18}", word, re.ASCII) for word in words[2:]):
            size, used, priority = (int(word) for word in words[2:])
            found.append(Swap(unescape(words[0]), words[1], size * 1024, used * 1024, priority))
    return found


def parse_meminfo(text: str) -> dict[str, int]:
    """Bytes by name."""
    found = re.findall(r"^(\w+(?:\(\w+\))?):\s+(\d+) kB$", text, re.MULTILINE | re.ASCII)
    return {name: int(value) * 1024 for name, value in found}


def filesystem_of(path: str, mountinfo: str) -> tuple[str, bool]:
    """(type of the file system that a resolved path is on, whether it is mounted read-only)."""
    best, found = -1, ("", False)
    for line in mountinfo.split("\n"):
        left, _dash, right = line.partition(" - ")
        words, kind = left.split(), right.split()
        if len(words) < 6 or not kind:
            continue
        point = unescape(words[4])
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= best:  # the last mount wins
            options = words[5].split(",") + (kind[2].split(",") if len(kind) > 2 else [])
            best, found = len(point), (kind[0], "ro" in options)
    return found


# Fields are parted by blanks alone; what comes after the options (two numbers, a remark) is left as it is.
_LINE = re.compile(r"[ \t]*(?P<what>[^ \t\n]+)[ \t]+[^ \t\n]+[ \t]+swap(?![^ \t\n])(?:[ \t]+(?P<options>[^ \t\n#][^ \t\n]*))?")


def _lines(fstab: str) -> list[str]:
    """With their ends, which are newlines and nothing else."""
    return re.findall(r"[^\n]*\n|[^\n]+", fstab)


def _own(line: str, names: Collection[str]) -> re.Match[str] | None:
    match = _LINE.match(line)
    return match if match and unescape(match["what"]) in names else None


def _options(match: re.Match[str], priority: int | None) -> str:
    words = [word for word in (match["options"] or "sw").split(",") if word != "noauto"]
    if priority is not None and f"pri={priority}" not in words:
        words = [word for word in words if not word.startswith("pri=")] + [f"pri={priority}"]
    return ",".join(words) or "sw"


def edit_fstab(fstab: str, path: str, wanted: bool, priority: int | None = None, also: Collection[str] = ()) -> str:
    """fstab with one line for a swap file, or none; every other line stays as it is, byte for byte.

    `also`: other names of the file. Of its own line only the options change, and only where they must.
    """
    kept, done = [], False
    for line in _lines(fstab):
        match = _own(line, {path, *also})
        if not match:
            kept.append(line)
        elif wanted and not done:
            done = True
            options = _options(match, priority)
            if match["options"] is None:
                options = "" if options == "sw" else f" {options}"
            start, end = match.span("options") if match["options"] else (match.end(), match.end())
            kept.append(line[:start] + options + line[end:])
    if wanted and not done:
        if kept and not kept[-1].endswith("\n"):
            kept[-1] += "\n"
        kept.append(f"{escape(path)} none swap sw{'' if priority is None else f',pri={priority}'} 0 0\n")
    return "".join(kept)


def fstab_priority(fstab: str, names: Collection[str]) -> int | None:
    """The priority that the file has at boot, if its line says one."""
    for line in _lines(fstab):
        match = _own(line, names)
        if match:
            told = re.search(r"(?:^|,)pri=(\d{1,5})(?:,|$)", match["options"] or "", re.ASCII)
            return int(told[1]) if told else None
    return None
