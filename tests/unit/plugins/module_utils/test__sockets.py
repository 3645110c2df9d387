# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import struct
import sys

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._sockets import (
    is_listening,
    parse_tcp,
    parse_unix,
    why_not_an_endpoint,
)
from hypothesis import given
from hypothesis import strategies as st

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(address: str, port: int, state: str = "0A", inode: int = 77) -> str:
    packed = ipaddress.ip_address(address).packed
    words = struct.unpack(f"{'<' if sys.byteorder == 'little' else '>'}{len(packed) // 4}I", packed)
    local = "".join(f"{word:08X}" for word in words)
    return f"   0: {local}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"


@given(st.ip_addresses(), st.integers(1, 65535))
def test_every_listening_address_is_read_as_it_was_written(address, port):
    shown = getattr(address, "ipv4_mapped", None) or address
    assert parse_tcp(HEADER + row(str(address), port)) == {"77": f"{shown}:{port}"}


def test_only_listening_sockets_count():
    assert parse_tcp(HEADER + row("10.0.0.1", 80, state="01") + row("10.0.0.2", 80, inode=5)) == {"5": "10.0.0.2:80"}


@pytest.mark.parametrize("line", [
    "0: zz:0050 0:0 0A 0:0 0:0 0 0 0 9 1", "0: 0100007F 0:0 0A 0:0 0:0 0 0 0 9 1", "0: 01:0050 0:0 0A 0:0 0:0 0 0 0 9 1",
    "0: 0100007F:0050", "",
])
def test_a_malformed_line_is_skipped_and_the_next_one_read(line):
    assert parse_tcp(f"{HEADER}{line}\n{row('127.0.0.1', 6379)}") == {"77": "127.0.0.1:6379"}


@given(st.text())
def test_no_text_breaks_the_parsers(text):
    assert isinstance(parse_tcp(text), dict) and isinstance(parse_unix(text), dict)


def test_unix_sockets_that_accept_are_found_with_spaces_in_their_paths():
    text = (
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        "0000000000000000: 00000002 00000000 00010000 0001 01 31 /run/a b.sock\n"
        "0000000000000000: 00000003 00000000 00000000 0001 03 32 /run/connected.sock\n"
        "0000000000000000: 00000002 00000000 00010000 0001 01 33\n"
        "0000000000000000: 00000002 00000000 garbage 0001 01 34 /run/c.sock\n"
    )
    assert parse_unix(text) == {"31": "/run/a b.sock"}


@pytest.mark.parametrize("wanted, listening, served", [
    ("10.0.0.1:80", {"10.0.0.1:80"}, True),
    ("10.0.0.1:80", {"10.0.0.2:80"}, False),
    ("10.0.0.1:80", {"10.0.0.1:8080"}, False),
    ("10.0.0.1:80", {"0.0.0.0:80"}, True),
    ("10.0.0.1:80", {":::80"}, True),
    ("0.0.0.0:80", {"10.0.0.1:80"}, False),
    ("[::1]:80", {"::1:80"}, True),
    ("[::1]:80", {":::80"}, True),
    ("[::1]:80", {"0.0.0.0:80"}, False),
    ("[2001:db8:0::1]:80", {"2001:db8::1:80"}, True),
    ("[::]:80", {"0.0.0.0:80"}, False),
    ("/run/a.sock", {"/run/a.sock"}, True),
    ("/run/a.sock", {"", "/run/b.sock"}, False),
])
def test_an_endpoint_is_served_by_itself_or_by_a_wildcard(wanted, listening, served):
    assert is_listening(wanted, listening) is served


@pytest.mark.parametrize("wanted, complaint", [
    ("10.0.0.1:80", ""), ("[::1]:80", ""), ("/run/a.sock", ""),
    ("::1:80", "write [::1]:80"), ("localhost:80", "numeric address"), ("*:80", "numeric address"), ("80", "numeric"),
    ("10.0.0.1:0", "port"), ("10.0.0.1:65536", "port"), ("10.0.0.1:http", "port"), ("10.0.0.256:80", "numeric"), ("", "numeric"),
])
def test_what_is_no_endpoint_is_told(wanted, complaint):
    found = why_not_an_endpoint(wanted)
    assert complaint in found and bool(found) is bool(complaint)
