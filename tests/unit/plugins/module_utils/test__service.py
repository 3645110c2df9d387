# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _service
from ansible_collections.sabakan.vps.plugins.module_utils._service import Process, Running, Wanted, decide
from hypothesis import given
from hypothesis import strategies as st

MAIN = Process(10, "redis-server", {"nofile": (4096, 4096)})
WANTED = Wanted("x.service", True, "r1", "l1", unit_digest="u1", restart_newest=50.0, reload_newest=50.0,
                limits={"nofile": 4096})
RUNNING = Running(loaded=True, active=True, unit_file_state="enabled", needs_daemon_reload=False, invocation="i1",
                  started_at=100.0, main_pid=10, processes=(MAIN,))
RECORD = {"invocation": "i1", "restart_digest": "r1", "reload_digest": "l1", "unit_digest": "u1"}
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max core file size        0                    unlimited            bytes
Max processes             4096                 8192                 processes
Max open files            1024                 524288               files
"""


@pytest.mark.parametrize("running, wanted, record, action", [
    pytest.param({}, {}, RECORD, "none", id="as asked"),
    pytest.param({}, {}, {}, "none", id="nothing remembered, files older than the process"),
    pytest.param({"active": False}, {}, RECORD, "start", id="not running"),
    pytest.param({}, {"restart_digest": "r2"}, RECORD, "restart", id="a file changed"),
    pytest.param({}, {"unit_digest": "u2"}, RECORD, "restart", id="the unit changed"),
    pytest.param({}, {}, {k: v for k, v in RECORD.items() if k != "unit_digest"}, "none", id="record of an older module"),
    pytest.param({}, {"reload_digest": "l2"}, RECORD, "reload", id="a file for a reload changed"),
    pytest.param({"can_reload": False}, {"reload_digest": "l2"}, RECORD, "restart", id="the unit has no reload"),
    pytest.param({}, {"reload_digest": "l2", "restart_digest": "r2"}, RECORD, "restart", id="a restart reloads too"),
    pytest.param({}, {"restart_newest": 101.0}, {}, "restart", id="interrupted before anything was remembered"),
    pytest.param({}, {"reload_newest": 101.0}, {}, "reload", id="interrupted before a reload"),
    pytest.param({}, {"restart_newest": 101.0}, RECORD, "none", id="newer, but the same content"),
    pytest.param({"invocation": "i2"}, {"restart_digest": "r2"}, RECORD, "none", id="restarted by somebody after it"),
    pytest.param({"invocation": "i2"}, {"restart_newest": 101.0}, RECORD, "restart", id="restarted by somebody before it"),
    pytest.param({"invocation": ""}, {"restart_newest": 101.0}, {"invocation": ""}, "restart", id="no invocation is none"),
    pytest.param({"working_directory": "/a"}, {"working_directory": "/b"}, RECORD, "restart", id="elsewhere"),
    pytest.param({"processes": (Process(10, "x", {"nofile": (1024, 4096)}),)}, {}, RECORD, "restart", id="main below"),
    pytest.param({"processes": (Process(10, "x", {"nofile": (9999, 9999)}),)}, {}, RECORD, "restart", id="main above"),
    pytest.param({"processes": (MAIN, Process(11, "x", {"nofile": (64, 4096)}))}, {}, RECORD, "none",
                 id="a child lowered its own: a restart would not help"),
    pytest.param({}, {"limits": {}, "unlimited": True}, {**RECORD, "limited": "nofile"}, "restart", id="limits taken back"),
    pytest.param({}, {"limits": {}, "unlimited": True}, {**RECORD, "limited": ""}, "none", id="there were no limits"),
    pytest.param({}, {}, {**RECORD, "limited": "core nofile"}, "restart", id="one limit taken back"),
    pytest.param({}, {"limits": {}}, {**RECORD, "limited": "nofile"}, "none", id="limits left alone"),
    pytest.param({"main_pid": 0, "processes": (Process(11, "x", {"nofile": (64, 64)}),)}, {}, RECORD, "restart",
                 id="no main process, all count"),
])
def test_the_least_that_helps_is_decided(running, wanted, record, action):
    decision = decide(replace(WANTED, **wanted), replace(RUNNING, **running), record)
    assert decision.action == action
    assert bool(decision.reasons) is (action != "none")


@pytest.mark.parametrize("wanted, state, action", [
    (True, "enabled", None), (True, "disabled", True), (True, "enabled-runtime", True), (True, "linked", True),
    (True, "static", None), (True, "indirect", None), (True, "generated", None), (True, "alias", None), (True, "", True),
    (False, "enabled", False), (False, "enabled-runtime", False), (False, "disabled", None), (False, "static", None),
    (False, "generated", None), (False, "", None), (None, "disabled", None),
])
def test_enabling_only_where_it_does_something(wanted, state, action):
    assert _service.enabling(wanted, state) is action


@pytest.mark.parametrize("cgroup, group, belongs", [
    ("0::/system.slice/a.service", "/system.slice/a.service", True),
    ("0::/system.slice/a.service/child", "/system.slice/a.service", True),
    ("0::/system.slice/a.service2", "/system.slice/a.service", False),
    ("9:name=systemd:/docker/c0/system.slice/a.service\n0::/", "/docker/c0/system.slice/a.service", True),
    ("9:name=systemd:/docker/c0/system.slice/a.service\n0::/", "/system.slice/a.service", False),
    ("0::/system.slice/docker-c0.scope/system.slice/a.service", "/system.slice/a.service", False),
    (r"0::/system.slice/system-a\x2db.slice/a\x2db@17-main.service", r"/system.slice/system-a\x2db.slice/a\x2db@17-main.service", True),
    ("0::/system.slice/with:colon.service", "/system.slice/with:colon.service", True),
    ("0::/system.slice/a.service", "", False), ("0::/", "/", False), ("", "/system.slice/a.service", False),
    ("garbage", "/system.slice/a.service", False),
])
def test_a_process_belongs_to_a_unit_by_its_whole_path(cgroup, group, belongs):
    assert _service.belongs_to(cgroup, group) is belongs


def test_limits_are_read_and_truncated_lines_left_out():
    assert _service.parse_limits(LIMITS) == {"core": (0, -1), "nproc": (4096, 8192), "nofile": (1024, 524288)}
    assert _service.parse_limits(LIMITS[:-40]) == {"core": (0, -1), "nproc": (4096, 8192)}


@given(st.dictionaries(st.sampled_from(sorted(_service.LIMIT_NAMES)), st.tuples(st.integers(-1), st.integers(-1))))
def test_limits_survive_the_kernels_format(limits):
    def show(value: int) -> str:
        return "unlimited" if value == -1 else str(value)

    lines = [f"{_service.LIMIT_NAMES[name]:<25} {show(soft):<20} {show(hard):<20} units" for name, (soft, hard) in limits.items()]
    assert _service.parse_limits("\n".join(lines)) == limits


@given(st.text())
def test_no_text_breaks_a_parser(text):
    _service.parse_limits(text)
    _service.parse_show(text)
    _service.belongs_to(text, "/a.service")
    assert _service.parse_parent(text) >= 0
    assert _service.ceiling(text, text, text)[0] >= 0


@pytest.mark.parametrize("text, found", [
    ("A=1\nB=x=y\n\nA=2\nB=\n", [{"A": "1", "B": "x=y"}, {"A": "2", "B": ""}]),
    ("A=1\nnoise\n", [{"A": "1"}]), ("", []), ("\n\n", []),
])
def test_show_gives_a_mapping_for_each_unit(text, found):
    assert _service.parse_show(text) == found


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), st.integers(1, 2**22))
def test_a_parent_is_found_behind_any_command_name(command, parent):
    assert _service.parse_parent(f"1 ({command}) S {parent} 0 0") == parent


@pytest.mark.parametrize("parents, found", [
    ({10: 1, 11: 10, 12: 11, 20: 1, 21: 20}, {10, 11, 12}), ({}, {10}), ({10: 10, 11: 12, 12: 11}, {10}),
])
def test_the_offspring_of_the_main_process_leaves_survivors_out(parents, found):
    assert _service.offspring(10, parents) == found


@pytest.mark.parametrize("hard, capabilities, most, why", [
    (20000, "00000000a82c35fb", 20000, "CAP_SYS_RESOURCE"), (20000, "000001ffffffffff", 1048576, "nr_open"),
    (1048576, "00000000a82c35fb", 1048576, "nr_open"),
])
def test_the_ceiling_is_what_systemd_may_raise_to(hard, capabilities, most, why):
    limits = f"Max open files            1024                 {hard}               files\n"
    found, reason = _service.ceiling("1048576\n", limits, f"Name:\tsystemd\nCapEff:\t{capabilities}\n")
    assert found == most and why in reason


@pytest.mark.parametrize("name, unit, shown, complaint", [
    ("a.service", {"limits": {"nofile": 20001}}, {}, "nofile 20001 is above 20000, reason"),
    ("a.service", {"limits": {"nofile": -1}}, {}, "cannot be unlimited"),
    ("a.service", {"limits": {"nofile": (1024, 20001)}}, {}, "nofile 1024:20001 is above 20000, reason"),
    ("a.service", {"limits": {"nofile": (2048, 1024)}}, {}, "the soft limit is above the hard one"),
    ("a.service", {"limits": {"memlock": (-1, 1024)}}, {}, "the soft limit is above the hard one"),
    ("a.service", {"limits": {"nofile": (1024, 20000), "memlock": (1024, -1)}}, {}, ""),
    ("a.timer", {"limits": {"nofile": 100}}, {}, "limits belong to services"),
    ("a.service", {"listens_on": ["localhost:1"]}, {}, "listens_on"),
    ("a.service", {}, {"LoadState": "masked"}, "systemctl unmask a.service"),
    ("a.service", {}, {"LoadState": "bad-setting", "LoadError": "org.x \"Invalid\""}, "Invalid"),
    ("a.service", {}, {"Type": "oneshot", "RemainAfterExit": "no"}, "oneshot"),
    ("a.service", {}, {"Type": "oneshot", "RemainAfterExit": "yes"}, ""),
    ("a.service", {"limits": {"nofile": 20000}}, {"LoadState": "not-found"}, ""),
])
def test_what_can_never_work_is_refused(name, unit, shown, complaint):
    found = _service.refusals({"name": name, "limits": None, "listens_on": [], **unit}, shown, 20000, "reason")
    assert complaint in "; ".join(found) and bool(found) is bool(complaint)


def test_the_drop_in_asks_for_soft_and_hard_alike():
    text = _service.render_limits({"nofile": 8192, "memlock": -1})
    assert text.splitlines()[1:] == ["[Service]", "LimitMEMLOCK=infinity", "LimitNOFILE=8192"]


@pytest.mark.parametrize(("value", "limit"), [(1024, 1024), ("1024", 1024), ("1024:4096", (1024, 4096)), ((1, 2), (1, 2)), ("-1", -1)])
def test_a_limit_is_one_number_or_two(value, limit):
    assert _service.parse_wanted(value) == limit
    assert _service.parse_wanted(_service.parse_wanted(value)) == limit


@pytest.mark.parametrize("value", ["infinity", "1:2:3", "1:", ":", "", None, True, [1, 2], 1.5, "1k"])
def test_anything_else_is_none(value):
    with pytest.raises(ValueError, match=".*"):
        _service.parse_wanted(value)


@pytest.mark.parametrize(
    ("asked", "has", "short"),
    [(1024, (1024, 4096), False), (1024, (1023, 4096), True), ((1024, 4096), (1024, 4096), False),
     ((1024, 4096), (1024, 2048), True), ((1024, 4096), (4096, 4096), True)],
)
def test_soft_and_hard_limits_that_differ_are_both_compared(asked, has, short):
    found = _service.limit_shortfalls({"nofile": asked}, (_service.Process(7, "x", {"nofile": has}),))
    assert bool(found) is short
    assert not short or f"asked {_service.shown_limit(asked)}" in found[0]
    assert _service.render_limits({"nofile": (1024, -1)}).splitlines()[-1] == "LimitNOFILE=1024:infinity"
