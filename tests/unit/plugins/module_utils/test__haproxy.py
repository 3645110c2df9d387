# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _haproxy
from ansible_collections.sabakan.vps.plugins.module_utils._haproxy import Server

# Columns that nobody reads here are left out, as each release of HAProxy has others.
STATE = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port
2 puma 1 app-01 10.91.0.11 2 0 3000
2 puma 2 app-02 10.91.0.12 0 8 3000
3 streaming 1 app-01-4000 10.91.0.11 2 0 4000
4 media 1 nginx 127.0.0.1 2 32 8081
5 six 1 far fd00::1 0 1 80
6 unseen 1 gone 10.91.0.9 0 0 80

"""
STAT = """# pxname,svname,scur,status,check_status,check_code,last_chk,addr,
puma,app-01,3,UP,L7OK,200,,10.91.0.11:3000,
puma,app-02,0,DOWN,L4CON,,Connection refused,10.91.0.12:3000,
puma,BACKEND,3,UP,,,,,
streaming,app-01-4000,1,no check,,,,10.91.0.11:4000,
media,nginx,,UP 1/2,L7STS,404,"a, b",127.0.0.1:8081,
six,far,0,MAINT,,,,[fd00::1]:80,

"""


def server(name="a", address="1:1", backend="b", status="UP", forced=False) -> Server:
    return Server(backend, name, address, forced, status, 0, "")


def test_the_two_answers_are_joined():
    assert _haproxy.parse(STATE, STAT) == [
        Server("puma", "app-01", "10.91.0.11:3000", False, "UP", 3, "L7OK 200"),
        Server("puma", "app-02", "10.91.0.12:3000", True, "DOWN", 0, "L4CON Connection refused"),
        Server("streaming", "app-01-4000", "10.91.0.11:4000", False, "no check", 1, ""),
        Server("media", "nginx", "127.0.0.1:8081", False, "UP 1/2", 0, "L7STS 404 a, b"),
        Server("six", "far", "[fd00::1]:80", True, "MAINT", 0, ""),
    ]


@pytest.mark.parametrize("state, stat", [("", ""), ("1\n", STAT), (STATE, "# pxname,svname\n"), ("junk", "junk"), (STATE, "")])
def test_of_half_an_answer_there_are_no_servers(state, stat):
    assert _haproxy.parse(state, stat) == []


@pytest.mark.parametrize("status, serves", [
    ("UP", True), ("no check", True), ("UP 1/2", False), ("DOWN", False), ("DOWN 1/2", False), ("DRAIN", False), ("MAINT", False), ("NOLB", False),
])
def test_only_a_server_that_gets_requests_serves(status, serves):
    assert server(status=status).serves is serves


def test_a_server_says_where_it_is_and_what_its_check_saw():
    assert [str(one) for one in _haproxy.parse(STATE, STAT)[1:3]] == [
        "puma/app-02 at 10.91.0.12:3000 is DOWN (L4CON Connection refused)",
        "streaming/app-01-4000 at 10.91.0.11:4000 is no check",
    ]


@pytest.mark.parametrize("servers, removable, last", [
    pytest.param([], [], [], id="none"),
    pytest.param([server("a")], [], [], id="the only one stays"),
    pytest.param([server("a"), server("b", "2:1")], ["a"], [], id="another answers"),
    pytest.param([server("a"), server("b", "2:1", status="DOWN")], ["a"], ["a"], id="the other is down"),
    pytest.param([server("a"), server("b", "2:1", status="DRAIN", forced=True)], ["a"], ["a"], id="the other is drained"),
    pytest.param([server("a", status="DOWN"), server("b", "2:1", status="DOWN")], ["a"], [], id="nothing is lost where none answers"),
    pytest.param([server("a"), server("a2", "1:2")], [], [], id="all of the backend are on the host"),
    pytest.param([server("a"), server("a2", "1:2"), server("b", "2:1")], ["a", "a2"], [], id="two ports of one host"),
    pytest.param([server("a"), server("b", "2:1", backend="c")], [], [], id="another backend does not help"),
])
def test_what_may_be_taken_out(servers, removable, last):
    assert [one.name for one in _haproxy.removable(servers, ["1:1", "1:2"])] == removable
    assert [one.name for one in _haproxy.last_ones(servers, ["1:1", "1:2"])] == last
