# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Ruby and which Node a release asks for, in the words of its Gemfile and its package.json, and whether a host's will do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

CLAUSE = re.compile(r"(>=|<=|~>|>|<|=|\^|~)?\s*v?(\d+(?:\.\d+)*)")


def ruby_wanted(gemfile: str) -> list[str]:
    """The clauses of its `ruby` line (`ruby '>= 3.2.0', '< 3.5.0'`); empty where it asks for none, or names a file."""
    line = re.search(r"^ruby[ (]+((?:['\"][^'\"]+['\"][, ]*)+)", gemfile, re.MULTILINE)
    return re.findall(r"['\"]([^'\"]+)['\"]", line.group(1)) if line else []


def node_wanted(package: str) -> str:
    """Its `engines.node`; empty where there is none."""
    try:
        engines = json.loads(package).get("engines")
    except (ValueError, AttributeError):
        return ""
    wanted = engines.get("node") if isinstance(engines, dict) else ""
    return wanted if isinstance(wanted, str) else ""


def parts_of(version: str) -> tuple[int, ...]:
    """Its leading numbers, at least three: `v20.19.2` and `20.19.2-pre` are (20, 19, 2)."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    found = [int(part) for part in match.group(1).split(".")] if match else []
    return tuple(found + [0] * (3 - len(found)))


def meets(version: str, clause: str) -> bool:
    """Whether a version is what one clause asks for; one that is not understood refuses nothing."""
    match = CLAUSE.fullmatch(clause.strip())
    if not match:
        return True
    have, bound, digits = parts_of(version), parts_of(match.group(2)), match.group(2).count(".") + 1
    if match.group(1) in ("~>", "^", "~"):
        # ^20.19 and ~20.19 stay below 21 and 20.20; Ruby's ~> leaves the last of its digits free.
        fixed = {"^": 1, "~": min(digits, 2)}.get(match.group(1), max(digits - 1, 1))
        return have >= bound and have[:fixed] == bound[:fixed]
    return {
        ">=": have >= bound, "<=": have <= bound, ">": have > bound, "<": have < bound,
    }.get(match.group(1), have[:digits] == bound[:digits])


def meets_range(version: str, wanted: str) -> bool:
    """Whether a version is in a range of npm's: alternatives by `||`, each of clauses that all hold."""
    clauses = (re.findall(r"(?:[<>=^~]+\s*)?\S+", choice) for choice in wanted.split("||"))
    return any(all(meets(version, clause) for clause in choice) for choice in clauses)


def unsuited(ruby: str, node: str, gemfile: str, packages: Iterable[str]) -> list[str]:
    """Why a host's Ruby and Node are not what a release asks for; one that is not there yet ("") is no reason."""
    found = []
    rubies = ruby_wanted(gemfile)
    if ruby and not all(meets(ruby, clause) for clause in rubies):
        found.append(
            f"its Gemfile asks for Ruby {', '.join(rubies)} and this host has {ruby}: set mastodon_ruby to rbenv,"
            " and puma_bundle and sidekiq_bundle to its shim"
        )
    for wanted in dict.fromkeys(node_wanted(package) for package in packages):
        if node and wanted and not meets_range(node, wanted):
            found.append(
                f"its package.json asks for Node {wanted} and this host has {node}: set mastodon_node_version,"
                " or mastodon_node_packages where a repository of yours has it"
            )
    return found
