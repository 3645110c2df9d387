# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets as the kernel's tables in /proc/net show them."""

from __future__ import annotations

import ipaddress
import re
import sys

LISTEN = "0A"  # TCP_LISTEN
ACCEPTS = 0x10000  # __SO_ACCEPTCON


def _hex_address(text: str) -> str:
    """The kernel prints an address as 32-bit words in the machine's byte order."""
    host, port = text.split(":")
    order = -1 if sys.byteorder == "little" else 1
    raw = b"".join(bytes.fromhex(host[i:i + 8])[::order] for i in range(0, len(host), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return f"{mapped or address}:{int(port, 16)}"


def parse_tcp(text: str) -> dict[str, str]:
    """/proc/net/tcp or tcp6 to {inode: address:port} of the listening sockets; malformed lines are skipped."""
    found: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 9 and columns[3] == LISTEN:
            try:
                found[columns[9]] = _hex_address(columns[1])
            except ValueError:
                continue
    return found


def parse_unix(text: str) -> dict[str, str]:
    """/proc/net/unix to {inode: path} of the sockets that accept connections; malformed lines are skipped."""
    found: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        columns = line.split(None, 7)
        if len(columns) == 8 and re.fullmatch("[0-9A-Fa-f]+", columns[3]) and int(columns[3], 16) & ACCEPTS:
            found[columns[6]] = columns[7]
    return found


def why_not_an_endpoint(wanted: str) -> str:
    """What is wrong with an entry of `listens_on`; empty when it is `address:port`, `[address]:port` or a path."""
    if wanted.startswith("/"):
        return ""
    host, dummy, port = wanted.rpartition(":")
    try:
        address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return f"{wanted!r} is not address:port with a numeric address ([address]:port for IPv6), nor a path"
    if address.version == 6 and not host.startswith("["):
        return f"{wanted!r} is ambiguous; write [{host}]:{port}"
    return "" if re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536 else f"{wanted!r} has no port of 1 to 65535"


def is_listening(wanted: str, listening: set[str]) -> bool:
    """Whether the path or `address:port` is served, by itself or by a wildcard; `::` serves IPv4 too."""
    if wanted.startswith("/"):
        return wanted in listening
    host, dummy, port = wanted.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))
    wildcards = {f":::{port}"} | ({f"0.0.0.0:{port}"} if address.version == 4 else set())
    return bool(listening & ({f"{address}:{port}"} | wildcards))
