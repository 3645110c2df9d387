# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Mastodon release is and which of its migrations wait: parsers and decisions, without the system."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from ansible_collections.sabakan.vps.plugins.module_utils._queues import queues_of

COMMIT = re.compile(r"[0-9a-f]{40}")
# The comment on a database that was empty when its schema began to be loaded, until the seeds are in.
INITIALISING = "sabakan: initialising"
# The post-deployment migration of second factors, of 4.3. From 4.4 on its file asks for OTP_SECRET itself, which no
# environment has any more then, and migrations from before 4.3 beside running services are no longer supported.
SECOND_FACTORS = "20240307180905"


def commit_of(listing: str, ref: str) -> str:
    """The commit that `git ls-remote` lists for a tag or branch; empty when it lists none. A tag comes first."""
    found: dict[str, str] = {}
    for line in listing.splitlines():
        columns = line.split("\t")
        if len(columns) == 2 and COMMIT.fullmatch(columns[0]):
            found[columns[1]] = columns[0]
    for name in (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", f"{ref}^{{}}", ref):
        if name in found:
            return found[name]
    return ""


def digest_of(commit: str, bundle_config: Mapping[str, str], runtime: str, node: str) -> str:
    """What a finished build is known by: what it was built from, and for which Ruby and machine.

    Of Node's version the major alone: compiled node packages suit all of one major, and no other.
    """
    inputs = {"commit": commit, "bundle": {key: str(value) for key, value in bundle_config.items()}, "runtime": runtime,
              "node": node.lstrip("v").split(".")[0]}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def version_of(text: str) -> str:
    """`major.minor.patch` from lib/mastodon/version.rb; empty when a part is not there."""
    parts = [re.search(rf"def\s+{part}\s*\n?\s*(\d+)", text) for part in ("major", "minor", "patch")]
    return ".".join(part.group(1) for part in parts if part) if all(parts) else ""


def queues_in(text: str) -> list[str]:
    """Queue names of config/sidekiq.yml, read without a YAML parser: the first list under `:queues:`."""
    names, inside = [], False
    for line in text.splitlines():
        if re.match(r":?queues:\s*$", line):
            inside = True
            continue
        item = re.match(r"\s*-\s*\[?\s*['\"]?([A-Za-z_]\w*)", line)
        if inside and item:
            names.append(item.group(1))
        elif inside and line.strip() and not line.lstrip().startswith("#"):
            break
    return names


def problems_of(found_version: str, found_queues: Iterable[str], declared: str) -> list[str]:
    """How a release is not what was declared; empty when it is."""
    if not found_version:
        return ["lib/mastodon/version.rb does not tell a version: this is not a Mastodon release"]
    problems = []
    if found_version.split(".")[:2] != declared.lstrip("v").split(".")[:2]:
        problems.append(f"the release is Mastodon {found_version}, mastodon_version says {declared}")
    known, warning = queues_of(declared)
    strange = sorted(set(found_queues) ^ set(known))
    if strange and not warning:
        problems.append(
            f"config/sidekiq.yml has the queues {', '.join(found_queues)}, the plan of {declared} is made for"
            f" {', '.join(known)} (differing: {', '.join(strange)})"
        )
    return problems


def removable(releases: Mapping[str, float], keep: int, target: str, used: Iterable[str]) -> list[str]:
    """Releases to remove, oldest first: all but the newest `keep` (the target is one), never one in use.

    `releases` is {commit: time of its completion}, 0 for an unfinished one.
    """
    others = sorted((name for name in releases if name != target), key=lambda name: (releases[name], name))
    kept = set(others[max(0, len(others) - keep + 1):] if keep > 1 else []) | set(used)
    return [name for name in others if name not in kept or (not releases[name] and name not in used)]


def migration_versions(names: Iterable[str]) -> set[str]:
    """The versions of migration files (`20250901000000_create_tables.rb`)."""
    return {match.group(1) for match in (re.match(r"(\d+)_\w+(?:\.\w+)*\.rb$", name) for name in names) if match}


def database_state(tables: int, versions: Iterable[str], comment: str) -> str:
    """One of empty, initialising, ready, foreign (it holds something, but no migrations of this application)."""
    versions = set(versions)
    if comment == INITIALISING:
        return "initialising"
    if versions:
        return "ready"
    return "foreign" if tables else "empty"


def taken_away(version: str, current: str, posts: Iterable[str], known: Iterable[str], applied: Iterable[str]) -> list[str]:
    """Post-deployment migrations of the current release that have run and that this one, which is no newer, does not know."""
    # Of one version too: a branch that goes back.
    back = bool(version and current) and _numbers(version) <= _numbers(current)
    return sorted((set(posts) - set(known)) & set(applied)) if back else []


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def release_between(version: str, state: str, waiting: Iterable[str]) -> str:
    """The Mastodon that a database has to be brought to before this one; empty when there is none."""
    numbers = _numbers(version)[:2] if version else ()
    return "4.3" if state == "ready" and numbers >= (4, 4) and SECOND_FACTORS in waiting else ""
