# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL data directory holds, and whether it may become what the inventory asks for.

Nothing here touches the system; M(sabakan.vps.postgresql_cluster_info) and M(sabakan.vps.postgresql_cluster) do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# The settings that a standby must have at least as high as its primary, as pg_controldata calls them.
# https://www.postgresql.org/docs/17/hot-standby.html#HOT-STANDBY-ADMIN
STANDBY_SETTINGS = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}


@dataclass(frozen=True)
class Source:
    """What IDENTIFY_SYSTEM said, or why nothing did."""

    system_identifier: str = ""
    timeline: int = 0
    error: str = ""


@dataclass(frozen=True)
class Found:
    """A data directory as it is; `entries` are the names in it, without lost+found."""

    path: str
    entries: tuple[str, ...] = ()
    version: str = ""
    standby: bool = False  # standby.signal or recovery.signal is there
    control: dict[str, str] = field(default_factory=dict)
    installed: bool = True  # the programs of the release that is asked
    fixed: str = ""  # what an empty directory is that no other can be renamed over
    others: tuple[str, ...] = ()  # clusters of other releases, of the same name, where this one would be made

    @property
    def system_identifier(self) -> str:
        """Drawn at initdb, the same on a primary and all that were ever cloned from it."""
        return self.control.get("Database system identifier", "")

    @property
    def timeline(self) -> int:
        """Grows by one at each promotion."""
        value = self.control.get("Latest checkpoint's TimeLineID", "")
        return int(value) if value.isdigit() else 0

    @property
    def checksums(self) -> bool:
        """Whether pages carry checksums."""
        return self.control.get("Data page checksum version", "0") not in ("0", "")

    @property
    def settings(self) -> dict[str, int]:
        """The primary's settings that a standby must reach: its own, or on a standby the last that it replayed."""
        return {
            name: int(self.control[title])
            for name, title in STANDBY_SETTINGS.items()
            if self.control.get(title, "").isdigit()
        }

    def describe(self) -> str:
        """For the operator who has to decide."""
        if not self.version:
            names = ", ".join(self.entries[:5]) + (", ..." if len(self.entries) > 5 else "")
            return f"{self.path} holds no PostgreSQL cluster but {len(self.entries)} other entries ({names})"
        follows = "follows a primary (standby.signal)" if self.standby else "is a primary (no standby.signal)"
        return (
            f"{self.path} holds a cluster of PostgreSQL {self.version} that {follows}, system identifier "
            f"{self.system_identifier or 'unreadable'}, timeline {self.timeline}, "
            f"state {self.control.get('Database cluster state', 'unreadable')!r}, "
            f"last checkpoint {self.control.get('Latest checkpoint location', 'unreadable')} of "
            f"{self.control.get('Time of latest checkpoint', 'unknown time')}"
        )


def parse_controldata(text: str) -> dict[str, str]:
    """Output of pg_controldata in the C locale; lines without a colon are dropped."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def parse_identify_system(text: str) -> Source:
    """The first row of IDENTIFY_SYSTEM, unaligned: identifier|timeline|position|database."""
    match = re.search(r"^(\d+)\|(\d+)\|[0-9A-F]+/[0-9A-F]+", text, re.MULTILINE)
    return Source(match.group(1), int(match.group(2))) if match else Source(error=f"unreadable answer {text[:80]!r}")


def refusal(found: Found, version: str, source: Source | None) -> str:
    """Why the directory may not become what is asked; empty when it may.

    `source` is None for a primary. A source that does not answer refuses nothing: the standby's WAL receiver checks the
    identifier itself, and a primary that is down must be repairable by the same run.
    """
    if found.fixed:
        return (
            f"{found.path} is empty but {found.fixed}, and a cluster is made beside it and renamed into its place, so that there "
            "is never half of one. Mount the file system at a directory above it, and leave this one out."
        )
    if not found.entries and found.others:
        return (
            f"{found.path} holds nothing yet, but there is {' and '.join(found.others)}, in whose place an empty cluster, or a new clone, would "
            f"come. Install postgresql-{version} and upgrade it (pg_upgradecluster), or drop it if nothing in it is needed (pg_dropcluster)."
        )
    if not found.entries:
        return ""
    what = found.describe()
    if not found.version:
        return f"{what}. Move them away, or mount the right file system there."
    if found.version != version:
        return f"{what}, but this release of Debian runs PostgreSQL {version}. Upgrade it (pg_upgradecluster) first."
    if not found.installed:
        return (
            f"{what}: postgresql-{version} is not installed on this host, so that nothing can read it: install it by hand, "
            "with create_main_cluster = false in /etc/postgresql-common/createcluster.conf so that nothing is started, and run again."
        )
    if not found.system_identifier:
        return f"{what}. pg_controldata cannot read it: repair or restore it, or move it away."
    if not found.checksums:
        return f"{what}, without data checksums. Stop it and run pg_checksums --enable first."
    if source is None:
        if found.standby:
            return (
                f"{what}, but the inventory makes this host the primary. After a failover, name the real primary in "
                "stack_postgresql_primary; to make this one the primary, promote it first."
            )
        return ""
    if not found.standby:
        return (
            f"{what}, but the inventory makes this host a standby, and its cluster may hold writes that exist nowhere "
            "else. After a failover, name the real primary in stack_postgresql_primary. To make this host a standby of "
            "it, rewind it (pg_rewind), or move the directory away: the next run clones anew."
        )
    if source.error:
        return ""
    if found.system_identifier != source.system_identifier:
        return (
            f"{what}, but its primary has the system identifier {source.system_identifier}: a clone of something else. "
            "Move the directory away: the next run clones anew."
        )
    if found.timeline > source.timeline:
        return (
            f"{what}, but its primary is only on timeline {source.timeline}: another node was promoted meanwhile. Find "
            "out which one holds the last writes before anything is started."
        )
    return ""
