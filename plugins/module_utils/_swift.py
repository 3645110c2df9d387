# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenStack Swift's ring files and container ACLs: parsers and comparisons, without Swift's own library.

A ring file is gzip around: magic R1NG, version (u16, big endian), length of the JSON (u32), the JSON with the devices,
then for each replica a table of one u16 device number a partition (swift/common/ring/ring.py).
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from dataclasses import dataclass

HEADER = struct.Struct("!4sHI")


@dataclass(frozen=True)
class Ring:
    """What places the data: `devices` as `address:port/device`, sorted."""

    part_power: int
    replicas: int
    devices: tuple[str, ...]


def parse_ring(data: bytes) -> Ring:
    """A whole ring file; ValueError for one that is damaged, cut off or of another version."""
    try:
        content = gzip.decompress(data)
        magic, version, length = HEADER.unpack_from(content)
        if magic != b"R1NG" or version != 1:
            raise ValueError("no ring of version 1")
        start = struct.calcsize(HEADER.format)
        meta = json.loads(content[start:start + length])
        part_power = 32 - int(meta["part_shift"])
        replicas = int(meta["replica_count"])
        devices = [f"{device['ip']}:{device['port']}/{device['device']}" for device in meta["devs"] if device]
    except (OSError, EOFError, zlib.error, struct.error, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a ring: {error}") from error
    if not 0 <= part_power <= 32 or len(content) - start - length != replicas * 2 * 2**part_power:
        raise ValueError("the ring's partition table has not the size that its header says")
    return Ring(part_power, replicas, tuple(sorted(devices)))


def moved_by(wanted: Ring, found: Ring) -> str:
    """Why data that was stored under `found` would be out of reach under `wanted`; empty when it would not."""
    if wanted.part_power != found.part_power:
        return f"its part power is {found.part_power}, asked is {wanted.part_power}"
    before, after = ({device.rpartition("/")[2] for device in ring.devices} for ring in (found, wanted))
    if before - after:
        return f"it places data on {', '.join(sorted(before - after))}, which is not asked for"
    return ""


def acl_entries(text: str | None) -> frozenset[str]:
    """The entries of X-Container-Read, whatever their order and spacing."""
    return frozenset(entry.strip() for entry in (text or "").split(",") if entry.strip())
