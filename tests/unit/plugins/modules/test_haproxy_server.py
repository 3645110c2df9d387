# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a small HAProxy: its socket, its words, and servers that change their state after some questions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.modules import haproxy_server

A, B = "10.0.0.1:3000", "10.0.0.2:3000"


class Balancer(threading.Thread):
    """Servers a and b of backend puma. later: {number of the question: [(server, status or sessions)]}."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self.status, self.forced, self.sessions = {"a": "UP", "b": "UP"}, {"a": 0, "b": 0}, {"a": 0, "b": 0}
        self.later: dict[int, tuple[str, str]] = {}
        self.commands: list[str] = []
        self.asked, self.refuses = 0, ""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)

    def run(self) -> None:
        while True:
            connection = self.listener.accept()[0]
            with connection:
                connection.sendall(self.answer(connection.recv(1000).decode().strip()).encode())

    def answer(self, command: str) -> str:
        if command == "show servers state":
            rows = [f"2 puma {n} {name} x 2 {self.forced[name]} 0" for n, name in enumerate("ab")]
            return "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state x\n" + "\n".join(rows) + "\n\n"
        if command == "show stat":
            self.asked += 1
            name, what = self.later.get(self.asked, ("", ""))
            if what.isdigit():
                self.sessions[name] = int(what)
            elif name:
                self.status[name] = what
            rows = [f"puma,{name},{self.sessions[name]},{self.status[name]},L7OK,200,,{address}" for name, address in (("a", A), ("b", B))]
            return "# pxname,svname,scur,status,check_status,check_code,last_chk,addr\n" + "\n".join(rows) + "\n\n"
        self.commands.append(command)
        if not self.refuses:
            name, state = command.split()[2].split("/")[1], command.split()[-1]
            self.forced[name] = {"drain": 8, "ready": 0}[state]
            self.status[name] = {"drain": "DRAIN", "ready": self.status[name]}[state]
        return self.refuses + "\n"


@pytest.fixture
def balancer(tmp_path):
    one = Balancer(str(tmp_path / "admin.sock"))
    one.start()
    return one


@pytest.fixture
def run(tmp_path):
    def call(state: str, addresses: tuple[str, ...] = (A,), timeout: int = 20, check: bool = False) -> dict[str, Any]:
        arguments = {"addresses": list(addresses), "state": state, "timeout": timeout, "socket": str(tmp_path / "admin.sock"),
                     "_ansible_check_mode": check}
        done = subprocess.run([sys.executable, haproxy_server.__file__], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
                              capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
        return json.loads(done.stdout)
    return call


@pytest.mark.parametrize("state", ["drained", "ready"])
def test_without_haproxy_there_is_nothing_to_do(run, tmp_path, state):
    assert run(state) == run(state, check=True)
    found = run(state)
    assert not found["changed"] and found["servers"] == [] and not found["served"]
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "admin.sock"))
    assert not run(state)["changed"]


def test_a_server_is_drained_once_and_its_requests_are_awaited(run, balancer):
    balancer.sessions["a"], balancer.later = 2, {4: ("a", "0")}
    foretold = run("drained", check=True)
    assert foretold["changed"] and foretold["diff"][0]["after"] == "drained\n" and balancer.commands == []
    found = run("drained")
    assert found["changed"] and found["served"] and found["servers"] == ["puma/a"] and found["under_way"] == 0
    assert balancer.commands == ["set server puma/a state drain"] and balancer.asked >= 4
    assert not run("drained")["changed"]


def test_requests_without_an_end_are_left_and_counted(run, balancer):
    balancer.sessions["a"] = 3
    assert run("drained", timeout=0)["under_way"] == 3


def test_the_last_that_answers_stays_and_the_message_says_why(run, balancer):
    balancer.status["b"] = "DOWN"
    found = run("drained", timeout=0)
    assert found["failed"] and balancer.commands == []
    assert "puma/a" in found["msg"] and f"puma/b at {B} is DOWN (L7OK 200)" in found["msg"] and "as extra variables" in found["msg"]


def test_another_that_comes_back_is_awaited(run, balancer):
    balancer.status["b"], balancer.later = "DOWN", {3: ("b", "UP")}
    assert run("drained")["changed"]


def test_all_servers_of_a_backend_are_never_drained_together(run, balancer):
    found = run("drained", (A, B))
    assert not found["changed"] and found["served"] and balancer.commands == []


def test_a_server_comes_back_when_its_check_passes(run, balancer):
    balancer.forced["a"], balancer.status["a"], balancer.later = 8, "DOWN", {3: ("a", "UP")}
    found = run("ready")
    assert found["changed"] and not found["served"] and balancer.commands == ["set server puma/a state ready"] and balancer.asked >= 3
    assert not run("ready")["changed"]


def test_one_that_does_not_is_a_failure_and_unless_awaited_none(run, balancer):
    balancer.status["a"] = "DOWN"
    found = run("ready", timeout=1)
    assert found["failed"] and f"puma/a at {A} is DOWN (L7OK 200) for HAProxy, 1 s" in found["msg"]
    assert not run("ready", timeout=0).get("failed")


def test_what_haproxy_refuses_is_told(run, balancer):
    balancer.refuses = "Permission denied"
    assert run("drained")["msg"] == "puma/a: Permission denied"


def test_an_address_that_haproxy_does_not_have_is_not_touched(run, balancer):
    assert run("drained", ("10.0.0.3:3000",))["servers"] == [] and balancer.commands == []
