# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of the fleet: the network plan, and which socket a declared address means."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.sabakan.vps.plugins.module_utils._plan import Report, hosts_of, integer, text

LOOPBACK = "127.0.0.1"
ANY = "*"


class Socket(NamedTuple):
    """A listening socket: host is set for the addresses which mean another socket on each host."""

    host: str
    address: str
    port: int


def parse_socket(value: object, path: str, host: str, addresses: Mapping[str, str]) -> Socket:
    """Read "10.91.0.21:6432" as seen from host.

    localhost, ::1, all of 127.0.0.0/8 and a socket directory ("/run/postgresql:5432") are
    the host's own loopback; "*", 0.0.0.0 and :: are all of its addresses; a host's
    inventory name is its address. addresses: inventory name to address.
    """
    name, colon, port = text(value, path).rpartition(":")
    if not colon or not name:
        raise ValueError(f"{path}: expected ADDRESS:PORT, got {value!r}")
    number = integer(port, f"{path} (port)", 1)
    if number > 65535:
        raise ValueError(f"{path} (port): must be at most 65535, got {number}")
    name = name.strip("[]")
    if name == ANY:
        return Socket(host, ANY, number)
    if name == "localhost" or name.startswith("/"):
        return Socket(host, LOOPBACK, number)
    name = addresses.get(name, name)
    try:
        parsed = ipaddress.ip_address(name)
    except ValueError:
        return Socket("", name, number)
    if parsed.is_loopback:
        return Socket(host, LOOPBACK, number)
    if parsed.is_unspecified:
        return Socket(host, ANY, number)
    return Socket("", str(parsed), number)


def address_plan(fleet: object) -> Report:
    """Check that each host's address lies in the network and is nobody else's.

    fleet: list of {host, address, network}. Refuses a malformed network or address, one of IPv6, the
    network's own and broadcast address, two hosts with one address, and hosts which
    do not agree on the network.
    """
    report = Report()
    owners: dict[str, list[str]] = {}
    networks: dict[str, list[str]] = {}
    for item in hosts_of(fleet):
        host: str = item["host"]
        networks.setdefault(str(item.get("network")), []).append(host)
        problem = _address_problem(item)
        if problem:
            report.errors.append(f"{host}: {problem}")
            continue
        address = str(ipaddress.ip_address(str(item["address"])))
        owners.setdefault(address, []).append(host)
        report.table.append({"host": host, "address": address})
    for address, hosts in sorted(owners.items()):
        if len(hosts) > 1:
            report.errors.append(
                f"{' and '.join(sorted(hosts))} have one address, {address}: change stack_address of one of them."
            )
    if len(networks) > 1:
        parts = "; ".join(f"{network} on {', '.join(sorted(hosts))}" for network, hosts in sorted(networks.items()))
        report.errors.append(f"The hosts do not agree on the private network ({parts}): set stack_network for all.")
    return report


def _address_problem(item: Mapping[str, Any]) -> str:
    try:
        network = ipaddress.ip_network(str(item.get("network")))
    except ValueError as error:
        return f"stack_network is no network ({error})."
    try:
        address = ipaddress.ip_address(str(item.get("address")))
    except ValueError as error:
        return f"stack_address is no address ({error})."
    # Puma's BIND, nginx' listen and every URL would want brackets, PostgreSQL and Redis none: no role writes both.
    if network.version == 6:
        return f"stack_network {network} is of IPv6, which the roles cannot serve among themselves: take a private network of IPv4."
    if address not in network:
        return f"stack_address {address} is not in stack_network {network}: change one of them."
    if network.num_addresses > 2 and address in (network.network_address, network.broadcast_address):
        return f"stack_address {address} is the network's own or broadcast address in {network}: take another."
    return ""
