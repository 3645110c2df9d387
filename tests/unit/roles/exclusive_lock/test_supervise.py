# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from .conftest import Wrapped, until

# A daemon as they are written: away from its parent, in its own session, every descriptor closed.
DAEMON = """
import os, sys, time
if os.fork():
    time.sleep(60)
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 256)
os.open(sys.argv[1], os.O_CREAT)
time.sleep(60)
"""


def daemon(wrapped: Wrapped) -> tuple[str, ...]:
    return (sys.executable, "-c", DAEMON, str(wrapped.data / "ready"))


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_exit_code_is_the_commands(wrapped: Wrapped, script: str, code: int) -> None:
    assert wrapped.run("sh", "-c", script)[0] == code
    assert not list(wrapped.data.iterdir()), "the record of an orderly end is removed"


def test_a_command_that_does_not_exist_is_told(wrapped: Wrapped) -> None:
    code, dummy, error = wrapped.run("/no/such/command")
    assert (code, "/no/such/command: No such file" in error) == (127, True)


def test_the_second_is_refused_and_told_who_holds_it(wrapped: Wrapped) -> None:
    first = wrapped.start("sleep", "60", options=("--host", "rdb-01"))
    wrapped.tree(first)
    code, out, error = wrapped.run("echo", "started")
    assert (code, out) == (75, "")
    assert f"host rdb-01 (this machine), PID {first.pid} in its own name space, since 20" in error
    assert "running sleep 60; nothing was started" in error


def test_a_bounded_wait_outlasts_a_short_holder(wrapped: Wrapped) -> None:
    wrapped.tree(wrapped.start("sleep", "1"))
    assert wrapped.run("echo", "started", options=("--wait", "10"))[:2] == (0, "started\n")


def test_a_bounded_wait_ends(wrapped: Wrapped) -> None:
    wrapped.tree(wrapped.start("sleep", "60"))
    began = time.monotonic()
    assert wrapped.run("true", options=("--wait", "0.5"))[0] == 75
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN + 3])
def test_signals_reach_the_command(wrapped: Wrapped, number: int) -> None:
    process = wrapped.start("sh", "-c", f"trap 'exit 42' {number}; touch {wrapped.data}/ready; while :; do sleep 0.05; done")
    until((wrapped.data / "ready").exists)
    process.send_signal(number)
    assert process.wait(10) == 42


@pytest.mark.parametrize("victim", ["supervisor", "keeper", "command"])
def test_a_death_frees_the_lock_only_when_nothing_is_left(wrapped: Wrapped, victim: str) -> None:
    process = wrapped.start("sh", "-c", "sleep 60 & sleep 60", options=("--linger", "0.5"))
    keeper, command = wrapped.tree(process)
    until(lambda: len(wrapped.children(command)) == 2)
    os.kill({"supervisor": process.pid, "keeper": keeper, "command": command}[victim], signal.SIGKILL)
    wrapped.free_only_when_all_are_gone()
    assert wrapped.run("echo", "again")[:2] == (0, "again\n"), "no manual step"


@pytest.mark.parametrize("victim", ["supervisor", "keeper"])
def test_a_daemon_that_closed_the_locks_descriptor_does_not_outlive_the_lock(wrapped: Wrapped, victim: str) -> None:
    process = wrapped.start(*daemon(wrapped), options=("--linger", "0.5"))
    keeper, dummy = wrapped.tree(process)
    until((wrapped.data / "ready").exists)
    os.kill({"supervisor": process.pid, "keeper": keeper}[victim], signal.SIGKILL)
    wrapped.free_only_when_all_are_gone()


def test_both_wrappers_killed_at_once_leave_the_lock_with_the_descendants(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "sleep 2 & sleep 60")
    keeper, command = wrapped.tree(process)
    until(lambda: len(wrapped.children(command)) == 2)
    os.kill(keeper, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    until(lambda: keeper not in wrapped.alive())
    assert not wrapped.free()
    assert wrapped.alive() != []
    for pid in wrapped.alive():
        os.kill(pid, signal.SIGKILL)
    wrapped.free_only_when_all_are_gone()


def test_a_stopped_holder_still_holds(wrapped: Wrapped) -> None:
    process = wrapped.start("sleep", "60")
    for pid in (process.pid, *wrapped.tree(process)):
        os.kill(pid, signal.SIGSTOP)
    assert wrapped.run("true")[0] == 75


def test_descendants_that_outlive_the_command_are_ended_after_the_linger(wrapped: Wrapped) -> None:
    began = time.monotonic()
    code = wrapped.run("sh", "-c", "sleep 60 >/dev/null 2>&1 & exit 3", options=("--linger", "0.5"))[0]
    assert code == 3
    assert 0.4 < time.monotonic() - began < 10
    assert wrapped.alive() == []


def test_descendants_may_outlive_the_command_for_ever(wrapped: Wrapped) -> None:
    process = wrapped.start("sh", "-c", "sleep 2 & exit 0", options=("--linger", "inf"))
    time.sleep(1)
    assert process.poll() is None
    assert not wrapped.free()
    assert process.wait(10) == 0


def test_a_deleted_lock_file_frees_nothing(wrapped: Wrapped) -> None:
    wrapped.tree(wrapped.start("sleep", "60"))
    for path in wrapped.data.iterdir():
        path.unlink()
    code, dummy, error = wrapped.run("true")
    assert (code, "left no record" in error) == (75, True)


def test_a_record_of_one_that_was_killed_is_no_obstacle(wrapped: Wrapped) -> None:
    process = wrapped.start("sleep", "60", options=("--linger", "0"))
    wrapped.tree(process)
    process.kill()
    wrapped.free_only_when_all_are_gone()
    assert (wrapped.data / ".sabakan-exclusive.json").exists()
    assert wrapped.run("true")[0] == 0


def test_another_place_under_the_same_path_is_refused(wrapped: Wrapped) -> None:
    code, out, dummy = wrapped.run("true", options=("--identify",))
    assert code == 0
    assert wrapped.run("true", options=("--same-as", out.strip()))[0] == 0
    code, dummy, error = wrapped.run("true", options=("--same-as", "8:1:2"))
    assert (code, "not the same place" in error) == (78, True)


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no tmpfs here")
def test_memory_is_no_place_for_a_lock(tmp_path: Path) -> None:
    place = Path(f"/dev/shm/sabakan-{os.getpid()}")
    place.mkdir()
    try:
        code, dummy, error = Wrapped(place).run("true")
    finally:
        place.rmdir()
    assert (code, "tmpfs at /dev/shm is memory, private to one container" in error) == (78, True)
