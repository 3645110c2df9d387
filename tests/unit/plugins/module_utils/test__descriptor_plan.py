# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_plan import behind, plan, told, wrong_shape
from hypothesis import given
from hypothesis import strategies as st

HOST = "1048576\nMax open files            20000                20000                files     \nCapEff:\t{}\n"
BOUND, FREE = HOST.format("0000000000000000"), HOST.format("000001ffffffffff")


def service(name, nofile, manager="systemd", **more):
    return {"name": name, "nofile": nofile, "manager": manager, **more}


def test_each_manager_is_given_its_own():
    made = plan(
        [
            service("a.service", 8192), service("b.service", "1024:4096"), {"name": "c.service"},
            service("p", "4096:8192", "supervisor"), service("q", "1024:16384", "supervisor"), service("r", 100, "supervisor", unit="x.service"),
            service("bot", 2048, "docker"), service("relay", "64:128", "docker", definition={"image": "i", "ulimits": ["nproc:9", "nofile:1:1"]}),
        ],
        "512:2048", BOUND,
    )
    assert made["refused"] == []
    assert made["units"] == [
        {"name": "a.service", "limits": {"nofile": 8192}}, {"name": "b.service", "limits": {"nofile": "1024:4096"}},
        {"name": "c.service", "limits": {}},
        {"name": "supervisor.service", "limits": {"nofile": "4096:16384"}}, {"name": "x.service", "limits": {"nofile": 100}},
    ]
    assert made["programs"] == ["p", "q", "r"]
    assert made["containers"] == ["bot", "relay"]
    assert made["defined"] == [{"image": "i", "name": "relay", "state": "started", "ulimits": ["nproc:9", "nofile:64:128"]}]
    assert made["default"] == {"Name": "nofile", "Soft": 512, "Hard": 2048}
    assert made["needs"] == {"a.service": 8192, "b.service": "1024:4096", "p": "4096:8192", "q": "1024:16384", "r": 100, "bot": 2048, "relay": "64:128"}


@pytest.mark.parametrize(
    ("nofile", "host", "says"),
    [
        ("infinity", BOUND, "infinity is not to be had, as daemons that walk"), ("unlimited", BOUND, "neither a number"),
        ("1:2:3", BOUND, "neither a number"), (1 << 30, FREE, "above 1048576; daemons that walk"), ("1024:1073741824", FREE, "above 1048576"),
        (20001, BOUND, "above 20000, systemd's own hard limit"), (20001, FREE, ""), (20000, BOUND, ""), (63, BOUND, "below 64"), (64, BOUND, ""),
        ("4096:1024", BOUND, "the soft limit is above"), (-1, BOUND, "below 64"), (True, BOUND, "neither a number"), (1 << 20, FREE, ""),
    ],
)
@pytest.mark.parametrize("manager", ["systemd", "supervisor", "docker"])
def test_what_cannot_be_had_is_refused_with_the_reason_for_every_manager(nofile, host, says, manager):
    refused = plan([service("x", nofile, manager)], "", host)["refused"]
    assert (len(refused) == 1 and refused[0].startswith("x: ") and says in refused[0]) if says else refused == []


@pytest.mark.parametrize(("services", "says"), [
    (None, "must be a list of services, not None"), ("nginx", "must be a list"), ([None], "service 1 "), ([{"nofile": 1}], "service 1 "),
    ([service("a", 64), {"name": []}], "service 2 "), ([service("a", 64, "docker", definition=True)], "a: definition must be a mapping"),
    ([service("a", 64, "docker", definition={"ulimits": "nofile:64"})], "a: ulimits of its definition must be a list, not 'nofile:64'"),
])
def test_what_is_no_list_of_services_is_refused_as_such(services, says):
    made = plan(services, "", FREE)
    assert len(made["refused"]) == 1 and says in made["refused"][0]
    assert set(made) == set(plan([], "", FREE))


def test_the_default_of_docker_is_held_against_the_same():
    assert plan([], "infinity", BOUND)["refused"][0].startswith("descriptor_limits_docker_default: 'infinity'")
    assert plan([], "", BOUND)["default"] == {}


@pytest.mark.parametrize(
    ("services", "marked", "says"),
    [
        ([service("p", 100, "supervisor")], True, "set the program's descriptors in supervisor_programs"),
        ([service("p", 100, "supervisor", unit="x.service")], True, ""),
        ([service("supervisor.service", 100)], True, "role supervisor's"),
        ([service("supervisor.service", 100)], False, ""),
        ([service("supervisor.service", 100), service("p", 100, "supervisor")], False, "take the unit itself out"),
        ([service("x.service", 100), service("p", 100, "supervisor", unit="x.service")], False, "take the unit itself out"),
        ([service("a", 100), service("a", 200)], False, "stands there twice"),
        ([{"name": "bot", "manager": "docker"}], False, "cannot be taken back"),
    ],
)
def test_nobody_is_given_two_limits_in_turn(services, marked, says):
    refused = plan(services, "", BOUND + ("; Written by role supervisor of sabakan.vps.\n" if marked else ""))["refused"]
    assert (len(refused) == 1 and says in refused[0]) if says else refused == []


@given(st.text(), st.text(), st.text())
def test_no_text_is_an_error(nofile, default, host):
    assert isinstance(plan([service("x", nofile)], default, host)["refused"], list)


def process(link, verdict="below_need", container="bot"):
    return {
        "pid": 7, "name": "python3", "unit": "u.service", "program": "", "container": container,
        "verdicts": [{"verdict": verdict, "link": link, "message": "m"}],
        "chain": [{"kind": "kernel", "name": "fs.nr_open", "soft": 9, "hard": 9}, {"kind": "process", "name": "python3 (7)", "soft": 1, "hard": 2}],
    }


def test_a_shortfall_is_told_with_its_chain():
    assert told([process("container"), process("process", "near")]) == [
        "bot, process 7 (python3): m (kernel fs.nr_open 9:9 -> process python3 (7) 1:2)",
    ]


@pytest.mark.parametrize(("found", "names"), [
    (process("process"), ["bot"]), (process("container"), []), (process("process", container=""), []), (process("process", "near"), []),
])
def test_a_container_is_behind_when_no_link_above_it_is_short(found, names):
    assert behind([found, found]) == names


def test_a_refusal_shows_no_password_of_a_definition():
    definition = {"env": {"PASSWORD": "hunter2"}, "ulimits": "nofile:64"}
    assert "hunter2" not in "".join(wrong_shape([service("a", 64, "docker", definition=definition)]))
