# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _processes, _service
from ansible_collections.sabakan.vps.plugins.module_utils._processes import Place, Stat
from hypothesis import given
from hypothesis import strategies as st

ID = "0123456789abcdef" * 4
OUTER = "f" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 (nginx) S 1 7 7 0", Stat(7, "nginx", "S", 1)),
        ("7 (nginx: worker (1)) R 3 7", Stat(7, "nginx: worker (1)", "R", 3)),
        ("7 (a) S 2 (b) S 1 7", Stat(7, "a) S 2 (b", "S", 1)),
        ("7 (two\nlines) D 1\n", Stat(7, "two\nlines", "D", 1)),
        ("7 () Z 1 0", Stat(7, "", "Z", 1)),
        ("7 (nginx) S", None),
        ("7 (nginx", None),
        ("", None),
        ("٧ (nginx) S 1 7", None),
    ],
)
def test_the_last_bracket_ends_the_name(text, expected):
    assert _processes.parse_stat(text) == expected


@given(st.text(max_size=15), st.integers(1, 4194304), st.integers(0, 4194304))
def test_any_name_is_read_back(name, pid, parent):
    assert _processes.parse_stat(f"{pid} ({name}) S {parent} 1 1\n") == Stat(pid, name, "S", parent)


@pytest.mark.parametrize(
    ("cgroup", "root", "expected"),
    [
        ("0::/system.slice/nginx.service", "0::/init.scope", Place("nginx.service")),
        ("0::/system.slice/system-postgresql.slice/postgresql@17-main.service", "", Place("postgresql@17-main.service")),
        (f"0::/system.slice/docker-{ID}.scope", "", Place("", ID)),
        (f"12:cpu:/docker/{ID}\n0::/docker/{ID}\n", "0::/init.scope", Place("", ID)),
        (f"0::/machine.slice/libpod-{ID}.scope/container", "", Place("", ID)),
        (f"0::/kubepods.slice/cri-containerd-{ID}.scope", "", Place("", ID)),
        (f"0::/docker/{OUTER}/system.slice/x.service", f"0::/docker/{OUTER}/init.scope", Place("x.service")),
        (f"0::/docker/{OUTER}/docker/{ID}", f"0::/docker/{OUTER}/init.scope", Place("", ID)),
        ("0::/user.slice/user-0.slice/session-3.scope", "", Place("session-3.scope")),
        ("0::/system.slice/_cpu.service", "", Place("cpu.service")),
        ("3:pids:/a\n1:name=systemd:/system.slice/b c.service\n", "", Place("b c.service")),
        ("0::/init.scope", "0::/init.scope", Place()),
        ("0::/", "", Place()),
        ("nonsense", "0:", Place()),
        ("", "", Place()),
    ],
)
def test_a_process_has_its_place(cgroup, root, expected):
    assert _processes.parse_place(cgroup, root) == expected


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:8CAF 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 529815 1 0000000000000000 100 0 0 10 0
   1: 0100007F:0016 0100007F:9C40 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0000000000000000
   2: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:0050 01 00000000:00000000 00:00000000 00000000 0 0 7 1 0
   3: 0100007F:0016 0100007F:9C40 0
"""


def test_sockets_are_told_apart_by_state():
    assert _processes.parse_sockets(TABLE) == [("529815", "listen"), ("0", "time_wait"), ("7", "established")]


def test_ports_that_listen():
    assert _processes.parse_ports(TABLE) == {0x8CAF}
    assert _processes.parse_ports(TABLE, "established") == {0x1F90}


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("socket:[529815]", "tcp listen"), ("socket:[1]", "socket other"), ("socket:", "socket other"),
        ("pipe:[9]", "pipe"), ("anon_inode:[eventfd]", "eventfd"), ("anon_inode:inotify", "inotify"),
        ("anon_inode:[eventpoll]", "eventpoll"), ("anon_inode:", "anon_inode"), ("/dev/null", "device"),
        ("/srv/a b\n(deleted)", "file"), ("/srv/socket:[529815]", "file"), ("(unreachable)/x", "other"), ("", "other"),
        ("net:[4026531840]", "other"),
    ],
)
def test_a_descriptor_has_a_kind(target, kind):
    assert _processes.descriptor_kind(target, {"529815": "listen"}) == kind


@pytest.mark.parametrize(
    ("raw", "words"),
    [("a\0b c\0", ["a", "b c"]), ("nginx: master process x\0\0\0", ["nginx: master process x"]), ("", []), ("\0", [])],
)
def test_words_of_a_command_line(raw, words):
    assert _processes.parse_cmdline(raw) == words


@pytest.mark.parametrize(("text", "uid"), [("Name:\ta\nUid:\t0\t1000\t0\t0\n", 1000), ("Uid:\t0\n", None), ("", None)])
def test_the_effective_user(text, uid):
    assert _processes.parse_uid(text) == uid


@given(st.text(max_size=300))
def test_no_text_is_an_error(text):
    _processes.parse_stat(text)
    _processes.parse_place(text, text)
    _processes.parse_sockets(text)
    _processes.parse_ports(text)
    _processes.descriptor_kind(text, {})
    _processes.parse_cmdline(text)
    _processes.parse_uid(text)
    _service.parse_limits(text)


@given(st.integers(0, len(TABLE)))
def test_a_table_cut_off_anywhere_gives_its_whole_rows(end):
    whole = _processes.parse_sockets(TABLE)
    found = _processes.parse_sockets(TABLE[:end])
    assert [state for dummy, state in found] == [state for dummy, state in whole][: len(found)]
