# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._oom import (
    GLOBAL,
    MEMCG,
    new_kills,
    oom_kills,
    parse_counters,
    parse_log,
)
from hypothesis import given
from hypothesis import strategies as st

MEMCG_CONTEXT = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=abc,mems_allowed=0,"
    "oom_memcg=/docker/abc,task_memcg=/docker/abc/inner,task=rclone,pid=12722,uid=7"
)
MEMCG_KILLED = (
    "Memory cgroup out of memory: Killed process 12722 (rclone) total-vm:1500052kB, anon-rss:99536kB, file-rss:12kB, "
    "shmem-rss:0kB, UID:7 pgtables:712kB oom_score_adj:-500"
)
GLOBAL_CONTEXT = (
    "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
    "task_memcg=/system.slice/x.service,task=python3,pid=312,uid=0"
)
GLOBAL_KILLED = (
    "Out of memory: Killed process 312 (python3) total-vm:900000kB, anon-rss:700000kB, file-rss:0kB, shmem-rss:0kB, "
    "UID:0 pgtables:1400kB oom_score_adj:0"
)
INVOKED = "node invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
PREFIXES = [
    "", "[  123.456789] ", "[12345.678901][ T4242] ", "<3>[  123.456789] ", "kern  :err   : [  123.456789] ",
    "[Sat Nov 21 14:01:26 2026] ", "3,1234,123456789,-;", "6,1234,123456789,c,caller=T1;",
    "Nov 21 14:01:26 rdb-01 kernel: ", "Nov  1 14:01:26 rdb-01 kernel: [  123.456789] ",
    "[  123.456789] rdb-01 kernel: ", "2026-11-21T14:01:26+0000 rdb-01 kernel: ",
    "2026-11-21T14:01:26.123456+00:00 rdb-01 kernel: ", "Sat 2026-11-21 14:01:26 UTC rdb-01 kernel: ",
    "1795269686.123456 rdb-01 kernel: ", "Nov 21 14:01:26.123456 rdb-01 kernel: ",
]


def log(*messages: str, prefix: str = "[  123.456789] ") -> str:
    return "".join(f"{prefix}{message}\n" for message in messages)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_kill_by_a_cgroups_limit_is_read_behind_every_prefix(prefix):
    (kill,) = parse_log(log(INVOKED, "Call Trace:", MEMCG_CONTEXT, MEMCG_KILLED, prefix=prefix))
    assert (kill.scope, kill.pid, kill.comm, kill.invoked_by) == (MEMCG, 12722, "rclone", "node")
    assert (kill.cgroup, kill.task_cgroup) == ("/docker/abc", "/docker/abc/inner")
    assert (kill.total_vm_kb, kill.anon_rss_kb, kill.file_rss_kb, kill.shmem_rss_kb) == (1500052, 99536, 12, 0)
    assert (kill.uid, kill.pgtables_kb, kill.oom_score_adj) == (7, 712, -500)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_kill_for_the_machines_memory_is_read_behind_every_prefix(prefix):
    (kill,) = parse_log(log(GLOBAL_CONTEXT, GLOBAL_KILLED, prefix=prefix))
    assert (kill.scope, kill.pid, kill.comm, kill.cgroup) == (GLOBAL, 312, "python3", "")
    assert kill.task_cgroup == "/system.slice/x.service"


@pytest.mark.parametrize("prefix, seconds", [
    ("[  123.456789] ", 123.456789), ("3,1234,123456789,-;", 123.456789), ("[Sat Nov 21 14:01:26 2026] ", None),
    ("Nov 21 14:01:26 rdb-01 kernel: [    5.000001] ", 5.000001), ("Nov 21 14:01:26 rdb-01 kernel: ", None),
])
def test_the_kernels_clock_is_kept_where_it_is_told(prefix, seconds):
    assert parse_log(log(GLOBAL_KILLED, prefix=prefix))[0].seconds == seconds


@pytest.mark.parametrize("announced, scope", [
    ("Memory cgroup out of memory: Kill process 5678 (java) score 1000 or sacrifice child", MEMCG),
    ("Out of memory: Kill process 5678 (java) score 1000 or sacrifice child", GLOBAL),
])
def test_the_older_form_in_two_lines_is_one_kill_of_the_one_that_was_sacrificed(announced, scope):
    kills = parse_log(log(
        "Task in /docker/abc killed as a result of limit of /docker", announced,
        "Killed process 5700 (child) total-vm:100kB, anon-rss:50kB, file-rss:0kB, shmem-rss:0kB",
    ))
    assert [(kill.scope, kill.pid, kill.comm, kill.anon_rss_kb) for kill in kills] == [(scope, 5700, "child", 50)]


def test_the_older_form_names_its_cgroups():
    (kill,) = parse_log(log(
        "Task in /docker/abc killed as a result of limit of /docker",
        "Memory cgroup out of memory: Kill process 1 (java) score 1000 or sacrifice child",
        "Killed process 1 (java) total-vm:100kB, anon-rss:50kB, file-rss:0kB",
    ))
    assert (kill.cgroup, kill.task_cgroup) == ("/docker", "/docker/abc")


def test_the_oldest_form_has_its_user_before_its_name():
    (kill,) = parse_log(log("Killed process 77, UID 33, (apache2) total-vm:100kB, anon-rss:50kB, file-rss:0kB"))
    assert (kill.pid, kill.uid, kill.comm, kill.scope) == (77, 33, "apache2", GLOBAL)


def test_an_announced_kill_counts_though_its_second_line_was_lost():
    first = "Out of memory: Kill process 1 (a) score 1 or sacrifice child"
    second = "Out of memory: Kill process 2 (b) score 1 or sacrifice child"
    assert [kill.pid for kill in parse_log(log(first, second))] == [1, 2]


def test_a_whole_group_that_is_killed_is_counted_by_process():
    kills = parse_log(log(
        MEMCG_CONTEXT, MEMCG_KILLED, "Tasks in /docker/abc are going to be killed due to memory.oom.group set",
        MEMCG_KILLED.replace("12722 (rclone)", "1 (sshd)"), MEMCG_KILLED.replace("12722 (rclone)", "2 (keeper)"),
    ))
    assert [(kill.pid, kill.cgroup) for kill in kills] == [(12722, "/docker/abc"), (1, "/docker/abc"), (2, "/docker/abc")]


def test_the_context_of_one_process_is_not_given_to_another():
    (kill,) = parse_log(log(MEMCG_CONTEXT, GLOBAL_KILLED))
    assert (kill.scope, kill.cgroup, kill.task_cgroup) == (GLOBAL, "", "")


@pytest.mark.parametrize("line", [
    f"Nov 21 14:01:26 rdb-01 sshd[12]: {MEMCG_KILLED}", f"[  1.000000] rdb-01 sshd[12]: {GLOBAL_KILLED}",
    f"Nov 21 14:01:26 rdb-01 app: kernel: {MEMCG_KILLED}", f"the log said {GLOBAL_KILLED}",
    "Out of memory and no killable processes...", "oom_reaper: reaped process 12722 (rclone), now anon-rss:0kB",
    "Out of memory: Killed process x (y) total-vm:1kB", "[  1.000000] Killed process", GLOBAL_CONTEXT, INVOKED, "",
])
def test_what_only_looks_like_a_kill_is_none(line):
    assert parse_log(line) == []


@pytest.mark.parametrize("comm", ["a) (b", "web worker 1", "x,pid=1,uid=0", "", "(sd-pam)", "名前"])
def test_a_name_may_hold_anything(comm):
    (kill,) = parse_log(log(
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=0-1,3,cpuset=/,mems_allowed=0,2,oom_memcg=/a,task_memcg=/a/b,task={comm},pid=9,uid=0",
        f"Memory cgroup out of memory: Killed process 9 ({comm}) total-vm:10kB, anon-rss:5kB, UID:0",
    ))
    assert (kill.pid, kill.comm, kill.cgroup, kill.anon_rss_kb) == (9, comm, "/a", 5)


@pytest.mark.parametrize("cgroup, within", [
    ("/docker/abc", True), ("/docker", True), ("/", True), ("/docker/abc/inner", True), ("/docker/ab", False), ("/other", False),
])
def test_a_kill_is_within_a_cgroup_and_those_above_it(cgroup, within):
    assert parse_log(log(MEMCG_CONTEXT, MEMCG_KILLED))[0].within(cgroup) is within


NAMES = st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=15)


@given(NAMES, st.integers(1, 4194304), st.integers(0, 2**40), st.sampled_from(PREFIXES))
def test_every_kill_is_read_as_it_was_written(comm, pid, size, prefix):
    (kill,) = parse_log(f"{prefix}Memory cgroup out of memory: Killed process {pid} ({comm}) total-vm:{size}kB, anon-rss:1kB")
    assert (kill.scope, kill.pid, kill.comm, kill.total_vm_kb) == (MEMCG, pid, comm, size)


@given(st.lists(st.one_of(st.text(), st.sampled_from([MEMCG_CONTEXT, MEMCG_KILLED, GLOBAL_KILLED, INVOKED]))))
def test_no_text_breaks_the_reader_nor_hides_a_kill(lines):
    whole = [part for line in lines for part in line.split("\n")]
    assert len(parse_log("\n".join(lines))) >= sum(line in (MEMCG_KILLED, GLOBAL_KILLED) for line in whole)


@pytest.mark.parametrize("text, kills", [
    ("low 0\nhigh 0\nmax 812\noom 3\noom_kill 2\noom_group_kill 0\n", 2),  # memory.events
    ("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 1),  # memory.oom_control
    ("oom_kill_disable 0\nunder_oom 0\n", None),  # before Linux 4.13
    ("", None), ("oom_kill\n", None), ("oom_kill x\n", None), ("oom_kill 1 2\n", None), ("oom_kill -1\n", None),
    ("oom_kill ²\n", None),
])
def test_kills_are_counted_from_either_file(text, kills):
    assert oom_kills(text) == kills


@given(st.dictionaries(st.from_regex(r"\A[a-z_]+\Z"), st.integers(0, 2**64)))
def test_counters_are_read_as_they_were_written(counters):
    assert parse_counters("".join(f"{name} {value}\n" for name, value in counters.items())) == counters


@given(st.text())
def test_no_text_breaks_the_counters(text):
    assert all(value >= 0 for value in parse_counters(text).values())


@pytest.mark.parametrize("before, after, kills", [
    ("oom_kill 1\n", "oom_kill 3\n", 2), ("", "oom_kill 1\n", 1), ("oom_kill 5\n", "oom_kill 1\n", 1), ("oom_kill 5\n", "", 0),
])
def test_kills_between_two_readings(before, after, kills):
    assert new_kills(before, after) == kills
