# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The graph of connections: endpoints that accept them, and what opens them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.sabakan.vps.plugins.module_utils._addresses import ANY, LOOPBACK, Socket, parse_socket
from ansible_collections.sabakan.vps.plugins.module_utils._plan import choice, integer, mapping, text


@dataclass(frozen=True)
class Endpoint:
    """Something that accepts capacity - reserved connections on socket."""

    host: str
    name: str
    socket: Socket
    capacity: int
    reserved: int
    kind: str
    variable: str

    @property
    def limit(self) -> int:
        """Connections left for what is declared."""
        return self.capacity - self.reserved

    @property
    def where(self) -> str:
        """Name with host and address, neither of them twice."""
        host = "" if self.host in self.name else f" on {self.host}"
        return f"{self.name}{host} ({self.socket.address}:{self.socket.port})"


@dataclass(frozen=True)
class Connection:
    """Something on host that opens count connections to target."""

    host: str
    name: str
    target: Socket
    count: int
    kind: str
    variable: str
    path: str

    def weight(self, generations: int) -> int:
        """Connections at their worst."""
        return self.count * generations if self.kind == "client" else self.count

    def term(self, generations: int) -> str:
        """The summand as the operator reads it: "app-01 puma 2x30"."""
        times = f"{generations}x" if self.kind == "client" else ""
        return f"{self.host} {self.name} {times}{self.count}"


def read_endpoint(host: str, path: str, item: object, addresses: Mapping[str, str]) -> Endpoint:
    """Read a declared endpoint; ValueError names the path to a bad field."""
    fields = mapping(item, path, ("name", "address", "capacity", "reserved", "kind", "variable"))
    endpoint = Endpoint(
        host=host,
        name=text(fields.get("name"), f"{path}.name"),
        socket=parse_socket(fields.get("address"), f"{path}.address", host, addresses),
        capacity=integer(fields.get("capacity"), f"{path}.capacity", 1),
        reserved=integer(fields.get("reserved", 0), f"{path}.reserved"),
        kind=choice(fields.get("kind"), f"{path}.kind", ("pooler", "server")),
        variable=text(fields.get("variable"), f"{path}.variable"),
    )
    if endpoint.limit < 1:
        raise ValueError(f"{path}.reserved: {endpoint.reserved} leaves nothing of the capacity {endpoint.capacity}")
    return endpoint


def read_connection(host: str, path: str, item: object, addresses: Mapping[str, str]) -> Connection:
    """Read a declared connection; ValueError names the path to a bad field."""
    fields = mapping(item, path, ("name", "target", "count", "kind", "variable"))
    return Connection(
        host=host,
        name=text(fields.get("name"), f"{path}.name"),
        target=parse_socket(fields.get("target"), f"{path}.target", host, addresses),
        count=integer(fields.get("count"), f"{path}.count"),
        kind=choice(fields.get("kind"), f"{path}.kind", ("client", "pool", "direct")),
        variable=text(fields.get("variable"), f"{path}.variable"),
        path=path,
    )


def _owns(endpoint: Endpoint, target: Socket, addresses: Mapping[str, str]) -> int:
    """How well an endpoint answers target: 0 not, 1 by a wildcard or the own host's address, 2 exactly."""
    if endpoint.socket.port != target.port:
        return 0
    if endpoint.socket == target:
        return 2
    own = addresses.get(endpoint.host)
    if target.address == LOOPBACK:
        return int(target.host == endpoint.host and endpoint.socket.address in (ANY, own))
    return int(endpoint.socket.address == ANY and target.address == own)


def find(target: Socket, endpoints: Sequence[Endpoint], addresses: Mapping[str, str]) -> Endpoint | None:
    """Return the endpoint that answers at target, None if nothing does."""
    best = max(endpoints, key=lambda endpoint: _owns(endpoint, target, addresses), default=None)
    return best if best and _owns(best, target, addresses) else None
