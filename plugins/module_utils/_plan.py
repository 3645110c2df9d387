# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every check of the plan shares: a report, and readers of declared fields.

A declaration is written by hand or computed by a template, so each field is read
by a function which names the path to it when it is not what it should be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Outcome of one check.

    errors refuse the plan, warnings do not, both are sentences for the operator; table has
    one mapping for each thing that was checked, with a line for the operator as its text.
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    table: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain types for a template: ok, errors, warnings, table."""
        return {
            "ok": not self.errors,
            "errors": list(self.errors),
            "warnings": list(self.warnings),
            "table": list(self.table),
        }


def _unexpected(path: str, expected: str, value: object) -> ValueError:
    return ValueError(f"{path}: expected {expected}, got {value!r}")


def integer(value: object, path: str, minimum: int = 0) -> int:
    """Read a whole number, also from the strings of an INI inventory or of -e."""
    number: int | None = None
    integral = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    digits = isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value, re.ASCII)
    if isinstance(value, (int, float, str)) and not isinstance(value, bool) and (integral or digits):
        number = int(value)
    if number is None:
        raise _unexpected(path, "a whole number", value)
    if number < minimum:
        raise ValueError(f"{path}: must be at least {minimum}, got {number}")
    return number


def text(value: object, path: str) -> str:
    """Read a non-empty string."""
    if not isinstance(value, str) or not value.strip():
        raise _unexpected(path, "a non-empty string", value)
    return value.strip()


def choice(value: object, path: str, choices: Sequence[str]) -> str:
    """Read one of several words."""
    if value not in choices:
        raise _unexpected(path, f"one of {', '.join(choices)}", value)
    return str(value)


def mapping(value: object, path: str, known: Sequence[str] = ()) -> Mapping[str, Any]:
    """Read a mapping with string keys; with known, a key outside of it is a typing error."""
    if not isinstance(value, Mapping):
        raise _unexpected(path, "a mapping", value)
    for key in value:
        if not isinstance(key, str):
            raise _unexpected(path, "names as keys", key)
        if known and key not in known:
            raise ValueError(f"{path}: unknown field {key!r}, known are {', '.join(known)}")
    return value


def sequence(value: object, path: str) -> Sequence[Any]:
    """Read a list; absent (None) means empty."""
    if value is None:
        return []
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise _unexpected(path, "a list", value)
    return value


def read_version(value: object, path: str = "version") -> tuple[int, int]:
    """Read the major and minor of "4.5", "v4.5.15" or "4.5.0-rc.1"."""
    match = re.match(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", str(value), re.ASCII)
    if not match:
        raise _unexpected(path, "a version such as 4.5 or v4.5.15", value)
    return int(match[1]), int(match[2])


def hosts_of(fleet: object) -> list[Mapping[str, Any]]:
    """Read the fleet: a list of {host, address, declarations: {role: declaration}, ...}."""
    hosts = []
    for index, item in enumerate(sequence(fleet, "fleet")):
        host = mapping(item, f"fleet[{index}]")
        text(host.get("host"), f"fleet[{index}].host")
        hosts.append(host)
    return hosts


DECLARED = ("endpoints", "connections", "descriptors", "queues")


def declared(fleet: object, kind: str) -> list[tuple[str, str, Any]]:
    """List (host, path, item) of everything of one kind that the roles of the fleet declare."""
    found = []
    for host in hosts_of(fleet):
        name = host["host"]
        roles = mapping(host.get("declarations") or {}, f"{name}: declarations")
        for role, declaration in sorted(roles.items()):
            path = f"{name}: {role}"
            value = mapping(declaration or {}, path, DECLARED).get(kind)
            if kind == "queues":
                value = mapping(value or {}, f"{path}: queues", ("processes",)).get("processes")
                path += ": queues.processes"
            else:
                path += f": {kind}"
            for index, item in enumerate(sequence(value, path)):
                found.append((name, f"{path}[{index}]", item))
    return found
