# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import json

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _swift
from hypothesis import given
from hypothesis import strategies as st

DEVICE = {"ip": "127.0.0.1", "port": 6200, "device": "d1"}
RING = _swift.Ring(4, 1, ("127.0.0.1:6200/d1",))


def ring_file(devs=(DEVICE,), part_power=4, version=1, magic=b"R1NG", table=None):
    meta = json.dumps({"devs": list(devs), "part_shift": 32 - part_power, "replica_count": 1}).encode()
    body = b"\0" * 2 * 2**part_power if table is None else table
    return gzip.compress(_swift.HEADER.pack(magic, version, len(meta)) + meta + body)


def test_a_whole_ring_is_read():
    assert _swift.parse_ring(ring_file()) == RING


def test_removed_devices_are_holes_that_do_not_count():
    assert _swift.parse_ring(ring_file(devs=[None, DEVICE])) == RING


@pytest.mark.parametrize("data", [
    b"",
    b"text",
    ring_file()[:-9],
    ring_file(magic=b"R2NG"),
    ring_file(version=2),
    ring_file(table=b"\0" * 31),
    ring_file(devs=[{"ip": "127.0.0.1"}]),
    ring_file(devs=[3]),
], ids=["empty", "no gzip", "cut off", "magic", "version", "short table", "device without port", "device no mapping"])
def test_a_ring_that_is_not_whole_is_refused(data):
    with pytest.raises(ValueError):
        _swift.parse_ring(data)


@given(st.integers(min_value=0, max_value=len(ring_file()) - 1))
def test_a_ring_cut_anywhere_is_refused(length):
    with pytest.raises(ValueError):
        _swift.parse_ring(ring_file()[:length])


@given(st.binary(max_size=200))
def test_any_content_is_read_or_refused(content):
    with pytest.raises(ValueError):
        _swift.parse_ring(gzip.compress(content))


@pytest.mark.parametrize(("wanted", "reason"), [
    (RING, ""),
    (_swift.Ring(4, 1, ("127.0.0.1:7200/d1",)), ""),
    (_swift.Ring(5, 1, RING.devices), "its part power is 4, asked is 5"),
    (_swift.Ring(4, 1, ("127.0.0.1:6200/d2",)), "it places data on d1, which is not asked for"),
], ids=["the same", "another port", "another part power", "another device"])
def test_data_that_would_be_out_of_reach_is_told(wanted, reason):
    assert _swift.moved_by(wanted, RING) == reason


@pytest.mark.parametrize(("text", "entries"), [
    (None, set()),
    ("", set()),
    (".r:*", {".r:*"}),
    (" .rlistings, .r:* ,", {".r:*", ".rlistings"}),
])
def test_acl_entries(text, entries):
    assert _swift.acl_entries(text) == entries
