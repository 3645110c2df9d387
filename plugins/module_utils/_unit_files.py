# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit files with drop-ins, and log lines that tell a process' limit (EMFILE) from the kernel's (ENFILE)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.sabakan.vps.plugins.module_utils._environment import environment_value


def unit_settings(texts: list[str], section: str) -> dict[str, list[str]]:
    """Unit files in the order that systemd reads them, to the values of each setting; an empty value clears it."""
    found: dict[str, list[str]] = {}
    for text in texts:
        for key, value in _assignments(text, section):
            if value:
                found.setdefault(key, []).append(value)
            else:
                found[key] = []
    return found


def _assignments(text: str, section: str) -> Iterator[tuple[str, str]]:
    current, pending = "", ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("#", ";")):  # also between continued lines
            continue
        line = pending + line
        if line.endswith("\\"):
            pending = line[:-1] + " "
            continue
        pending = ""
        if line.startswith("[") and line.endswith("]"):
            current = line[1:-1]
        elif current == section and "=" in line:
            key, dummy, value = line.partition("=")
            yield key.strip(), value.strip()


# https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html#Quoting, and its specifiers.
ESCAPES = str.maketrans({"%": "%%", "\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})


def environment_setting(value: object, name: str) -> str:
    """The Environment= line by which a unit's processes find the value as it is given."""
    return f'Environment="{name}={environment_value(value).translate(ESCAPES)}"'


SUFFIXES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_limit(value: str) -> tuple[int, int] | None:
    """`LimitNOFILE=` as systemd reads it, to (soft, hard) with -1 for infinity; None when it is none."""
    parts = value.split(":")
    numbers = []
    for part in parts:
        match = re.fullmatch(r"(\d{1,19})([KMGT]?)", part.strip(), re.ASCII)
        if part.strip() == "infinity":
            numbers.append(-1)
        elif match:
            numbers.append(int(match[1]) * SUFFIXES[match[2]])
        else:
            return None
    return (numbers[0], numbers[-1]) if 1 <= len(numbers) <= 2 else None


def wanted_nofile(texts: list[str]) -> tuple[int, int] | None:
    """What a unit's files ask for; None when they leave it to systemd's default."""
    values = unit_settings(texts, "Service").get("LimitNOFILE", [])
    return parse_limit(values[-1]) if values else None


ENFILE = re.compile(r"file-max limit \d+ reached|\bENFILE\b|Too many open files in system|errno[ :=]*23\b|\(23: ", re.IGNORECASE)
EMFILE = re.compile(r"\bEMFILE\b|Too many open files|errno[ :=]*24\b|\(24: ", re.IGNORECASE)


def descriptor_error(line: str) -> str | None:
    """EMFILE (a process is at its own limit), ENFILE (the kernel at fs.file-max), or None."""
    if ENFILE.search(line):
        return "ENFILE"
    return "EMFILE" if EMFILE.search(line) else None
