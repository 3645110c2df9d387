# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy's socket says of its servers, and whether some of them may be taken out of the rotation.

Nothing here touches the system.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

# Bits of srv_admin_state that an operator sets (management guide, "show servers state"): maintenance and drain.
FORCED = 0x01 | 0x08
# As "show stat" calls a server that gets requests. "UP 1/2" has not passed, or has just failed, a check.
SERVING = ("UP", "no check")


@dataclass(frozen=True)
class Server:
    """A server of a backend: its address as address:port, the status and the last check's outcome in HAProxy's words."""

    backend: str
    name: str
    address: str
    forced: bool
    status: str
    sessions: int
    check: str

    @property
    def full_name(self) -> str:
        return f"{self.backend}/{self.name}"

    @property
    def serves(self) -> bool:
        return self.status in SERVING

    def __str__(self) -> str:
        return f"{self.full_name} at {self.address} is {self.status}" + (f" ({self.check})" if self.check else "")


def parse(state: str, stat: str) -> list[Server]:
    """Servers of the answers to "show servers state" and "show stat"; those that only one of them has are left out."""
    rows = csv.DictReader(stat.strip().removeprefix("# ").splitlines())
    stats = {(row["pxname"], row["svname"]): row for row in rows}
    lines = [line.split() for line in state.splitlines()]
    header = next((line[1:] for line in lines if line[:2] == ["#", "be_id"]), [])
    servers = []
    for line in lines:
        row = dict(zip(header, line))
        seen = stats.get((row.get("be_name", ""), row.get("srv_name", "")))
        if line[:1] == ["#"] or not seen:
            continue
        check = " ".join(text for text in (seen["check_status"], seen["check_code"], seen["last_chk"]) if text)
        servers.append(Server(row["be_name"], row["srv_name"], seen["addr"], bool(int(row["srv_admin_state"]) & FORCED),
                              seen["status"], int(seen["scur"] or 0), check))
    return servers


def chosen(servers: list[Server], addresses: list[str]) -> list[Server]:
    """Those that are at one of the addresses, in whichever backend."""
    return [server for server in servers if server.address in addresses]


def others(servers: list[Server], addresses: list[str], backend: str) -> list[Server]:
    """The rest of a backend."""
    return [server for server in servers if server.backend == backend and server.address not in addresses]


def removable(servers: list[Server], addresses: list[str]) -> list[Server]:
    """Those chosen whose backend has others: the only server of a backend cannot be spared, and nothing is won by it."""
    return [server for server in chosen(servers, addresses) if others(servers, addresses, server.backend)]


def last_ones(servers: list[Server], addresses: list[str]) -> list[Server]:
    """Those removable that serve while no other of their backend does: without them nothing would answer."""
    return [
        server for server in removable(servers, addresses)
        if server.serves and not any(other.serves for other in others(servers, addresses, server.backend))
    ]
