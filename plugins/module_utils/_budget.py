# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connection budget: what opens connections against what accepts them, over the whole fleet.

A graph: endpoints accept (PostgreSQL's max_connections, PgBouncer's max_client_conn),
connections open. A chain of poolers needs no rule of its own: the pools of the outer one
are connections to the inner one.

Declared by a role on a host (figures are numbers of connections, at their worst):
    endpoints:   {name, address "HOST:PORT", capacity, reserved, kind pooler|server, variable}
    connections: {name, target "HOST:PORT", count, kind client|pool|direct, variable}
A client counts once for each generation that lives during a deploy, since the old processes
hold theirs until the new ones have taken over; a pool or a direct connection counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._addresses import ANY
from ansible_collections.sabakan.vps.plugins.module_utils._connections import (
    Connection,
    Endpoint,
    find,
    read_connection,
    read_endpoint,
)
from ansible_collections.sabakan.vps.plugins.module_utils._plan import (
    Report,
    choice,
    declared,
    hosts_of,
    integer,
    sequence,
    text,
)

REPLICA_LOSS = ("refuse", "warn", "ignore")


def connection_budget(
    fleet: object,
    *,
    primary: str = "",
    standbys: Sequence[str] = (),
    generations: int = 2,
    replica_loss: str = "refuse",
    partial: bool = False,
) -> Report:
    """Sum what each endpoint is asked for, as configured and with each database server lost.

    fleet: list of {host, address, declarations: {role: declaration}}. primary, standbys:
    addresses of the database servers. When a standby is lost its clients are repointed to
    the same port of the primary, which is itself a deploy, so generations still count; when
    the primary is lost the first standby inherits. That case is refused by default
    (replica_loss): the emergency is the worst time to learn that the survivor cannot
    take the clients, and max_client_conn costs next to nothing.
    partial: part of the fleet is not declared, so an unknown target is only a warning.
    Raises ValueError with the path to a malformed field.
    """
    generations = integer(generations, "generations", 1)
    choice(replica_loss, "replica_loss", REPLICA_LOSS)
    addresses = {str(item["host"]): str(item.get("address") or "") for item in hosts_of(fleet)}
    endpoints = [read_endpoint(*item, addresses) for item in declared(fleet, "endpoints")]
    endpoints.sort(key=lambda endpoint: (endpoint.host, endpoint.socket, endpoint.name))
    connections = [read_connection(*item, addresses) for item in declared(fleet, "connections")]

    report = Report(errors=_collisions(endpoints, addresses))
    unknown = _unknown_targets(connections, endpoints, addresses)
    (report.warnings if partial else report.errors).extend(unknown)
    report.errors += _pools_that_hang(connections, endpoints, addresses)
    refused, report.table = _sums(endpoints, connections, addresses, generations)
    report.errors += refused.values()

    if replica_loss != "ignore":
        for lost, heir in _losses(text(primary, "primary") if primary else "", sequence(standbys, "standbys")):
            left, moved = _without(lost, heir, endpoints, connections, addresses)
            owner = next((host for host, address in addresses.items() if address == lost), lost)
            # An endpoint that does not fit as configured is not told a second time.
            told = [
                f"With {owner} lost and its clients on {heir}: {message}"
                for endpoint, message in _sums(left, moved, addresses, generations)[0].items()
                if endpoint not in refused
            ]
            (report.errors if replica_loss == "refuse" else report.warnings).extend(told)
            report.warnings += [
                f"With {owner} lost {item.host} {item.name} has nowhere to go:"
                f" nothing listens on {heir}:{item.target.port}."
                for item in moved
                if item.target.address == heir
                and not find(item.target, left, addresses)
                and find(item.target._replace(address=lost), endpoints, addresses)
            ]
    return report


def _collisions(endpoints: Sequence[Endpoint], addresses: Mapping[str, str]) -> list[str]:
    errors = []
    for index, one in enumerate(endpoints):
        for other in endpoints[index + 1 :]:
            wildcard = one.host == other.host and ANY in (one.socket.address, other.socket.address)
            if one.socket.port == other.socket.port and (one.socket == other.socket or wildcard):
                errors.append(
                    f"{one.where} and {other.where} would listen on one address and port: change the port of one."
                )
    return errors


def _unknown_targets(
    connections: Sequence[Connection], endpoints: Sequence[Endpoint], addresses: Mapping[str, str]
) -> list[str]:
    known = ", ".join(sorted({f"{e.socket.address}:{e.socket.port}" for e in endpoints})) or "none"
    return [
        f"{item.path}.target: {item.host} {item.name} connects to {item.target.address}:{item.target.port},"
        f" where nothing of the fleet listens (known: {known}). Correct the address that {item.variable} goes with."
        for item in connections
        if item.count and not find(item.target, endpoints, addresses)
    ]


def _pools_that_hang(
    connections: Sequence[Connection], endpoints: Sequence[Endpoint], addresses: Mapping[str, str]
) -> list[str]:
    """Poolers whose clients wait for ever: no pool behind them, or a pool that leads back to them."""
    errors = []
    poolers = [endpoint for endpoint in endpoints if endpoint.kind == "pooler"]
    for pooler in poolers:
        pools = [item for item in connections if item.host == pooler.host and item.kind == "pool"]
        if not sum(item.count for item in pools):
            errors.append(f"{pooler.where} has no pool of at least 1: every client would wait for ever.")
    # With two poolers on a host it is not known which pool is whose: no statement then.
    single = {p.host: p for p in poolers if [q.host for q in poolers].count(p.host) == 1}
    behind: dict[str, set[str]] = {host: set() for host in single}
    for item in connections:
        target = find(item.target, endpoints, addresses)
        if item.kind == "pool" and item.host in single and target and target.host in single and target in poolers:
            behind[item.host].add(target.host)
    for host, pooler in sorted(single.items()):
        reached: set[str] = set()
        edge = set(behind[host])
        while edge:
            reached |= edge
            edge = {step for start in edge for step in behind[start]} - reached
        if host in reached:
            errors.append(f"{pooler.where} pools connections that lead back to itself: correct the pool's target.")
    return errors


def _sums(
    endpoints: Sequence[Endpoint], connections: Sequence[Connection], addresses: Mapping[str, str], generations: int
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return a refusal by endpoint for those that are asked too much, and a row for every endpoint."""
    errors: dict[str, str] = {}
    table: list[dict[str, Any]] = []
    found = [(item, find(item.target, endpoints, addresses)) for item in connections]
    for endpoint in endpoints:
        mine = [item for item, target in found if target is endpoint and item.count]
        mine.sort(key=lambda item: (item.host, item.name, item.count))
        used = sum(item.weight(generations) for item in mine)
        terms = " + ".join(item.term(generations) for item in mine) or "nothing"
        table.append(
            {
                "endpoint": endpoint.where,
                "host": endpoint.host,
                "used": used,
                "limit": endpoint.limit,
                "terms": terms,
                "variable": endpoint.variable,
                "text": f"{endpoint.where}: {used} of {endpoint.limit} connections",
            }
        )
        if used > endpoint.limit:
            largest = sorted(mine, key=lambda item: -item.weight(generations))
            variables = list(dict.fromkeys(item.variable for item in largest))[:3]
            errors[endpoint.where] = (
                f"{endpoint.where} is asked for {used} connections but takes {endpoint.limit}"
                f" (capacity {endpoint.capacity} - reserved {endpoint.reserved}): {terms} = {used}."
                f" On {endpoint.host} raise {endpoint.variable} to at least {used + endpoint.reserved},"
                f" or lower {', '.join(variables)}."
            )
    return errors, table


def _losses(primary: str, standbys: Sequence[Any]) -> list[tuple[str, str]]:
    """Pairs of (lost, heir)."""
    names = [text(item, f"standbys[{index}]") for index, item in enumerate(standbys)]
    if not primary or not names:
        return []
    return [(name, primary) for name in names] + [(primary, names[0])]


def _without(
    lost: str, heir: str, endpoints: Sequence[Endpoint], connections: Sequence[Connection], addresses: Mapping[str, str]
) -> tuple[list[Endpoint], list[Connection]]:
    """Take a host out: what it opened is gone, what went to it goes to the heir's same port."""
    gone = {host for host, address in addresses.items() if address == lost}
    left = [endpoint for endpoint in endpoints if endpoint.host not in gone]
    moved = [
        replace(item, target=item.target._replace(address=heir)) if item.target.address == lost else item
        for item in connections
        if item.host not in gone
    ]
    return left, moved
