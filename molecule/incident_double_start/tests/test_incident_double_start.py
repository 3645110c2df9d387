"""Two containers on one data directory: the outage, then what stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from .conftest import PROGRAM, Place, Server, docker, guard, until

ROWS = 2000


def audited(place: Place) -> list[dict[str, Any]]:
    """What the audit of this machine finds on this place."""
    status = os.stat(place.path)
    identity = f"dir {os.major(status.st_dev)}:{os.minor(status.st_dev)}:{status.st_ino}"
    done = subprocess.run(
        ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", "sabakan.vps.exclusive_audit_info",
         "-e", f"ansible_python_interpreter={sys.executable}"],
        capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "json"},
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    result = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]
    return [finding for finding in result["findings"] if finding["place"] == identity]


def fill(server: Server, name: str) -> None:
    server.sql(f"insert into t select '{name}', g from generate_series(1, {ROWS}) g")


def test_without_the_guard_the_second_starts_and_committed_rows_are_lost(place: Place) -> None:
    first = place.running("a", None)
    first.sql("create table t (who text, n int)")
    first.sql("checkpoint")
    second = place.running("b", None)
    assert first.answers(), "the first is still running"
    assert place.most == 2
    assert "ready to accept connections" in second.log()
    (finding,) = audited(place)
    assert (finding["kind"], finding["users"]) == ("shared_data", [f"container {server.name}" for server in (second, first)])
    # Each commits its own rows into what it believes to be the next free pages, in data and in WAL.
    fill(first, "a")
    fill(second, "b")
    for server in (first, second):
        server.sql("checkpoint", check=False)
    docker("kill", first.name, second.name)
    third = place.start("c", None)
    until(lambda: third.answers() or third.state("Running") == "false")
    kept = third.sql("select count(*) from t", check=False)
    print(f"committed {2 * ROWS} rows, {kept or 'no server'} left")
    assert not kept.isdecimal() or int(kept) < 2 * ROWS


def test_the_second_refuses_and_says_who_holds_it(place: Place) -> None:
    first = place.running("a", guard())
    second = place.start("b", guard())
    assert second.end() == 75
    said = second.log()
    identifier = docker("inspect", "-f", "{{.Id}}", first.name)[:12]
    assert f"container {identifier} on host rdb-01 (this machine), PID 1 in its own name space, since 20" in said
    assert first.answers()
    assert audited(place) == []
    assert place.most == 1


KILLS = {
    "the wrapper": lambda server: os.kill(server.pid(0), signal.SIGKILL),
    "the keeper": lambda server: os.kill(server.pid(1), signal.SIGKILL),
    "the postmaster": lambda server: os.kill(server.pid(2), signal.SIGKILL),
    "the container": lambda server: docker("kill", server.name),
}


@pytest.mark.parametrize("victim", KILLS)
def test_after_a_kill_the_waiting_one_starts_by_itself_and_nothing_is_lost(place: Place, victim: str) -> None:
    first = place.running("a", guard())
    first.sql("create table t (who text, n int)")
    fill(first, "a")
    # A backend at work when the blow comes.
    subprocess.Popen(["docker", "exec", first.name, "psql", "-qh", "/tmp", "-d", "postgres", "-c", "select pg_sleep(300)"],
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    second = place.start("b", guard("--wait", "120"))
    KILLS[victim](first)
    until(second.answers)
    fill(second, "b")
    assert second.sql("select count(*) from t") == str(2 * ROWS)
    assert place.most == 1


def test_the_guard_comes_to_a_cluster_that_was_killed_without_it(place: Place) -> None:
    first = place.running("a", None)
    docker("kill", first.name)
    assert (place.path / "main" / "postmaster.pid").read_text().splitlines()[0] == "1", "the number of the wrapper from now on"
    assert place.running("b", guard()).answers()


def test_an_oom_kill_in_the_cgroup_lets_nobody_else_in(place: Place) -> None:
    first = place.running("a", guard(), "--memory", "200m", "--memory-swap", "200m")
    first.sql("select length(repeat('x', 300000000))", check=False)
    until(lambda: "terminated by signal 9" in first.log())
    assert place.start("b", guard()).end() == 75
    until(first.answers)
    assert place.most == 1


def test_a_paused_holder_keeps_the_lock(place: Place) -> None:
    first = place.running("a", guard())
    docker("pause", first.name)
    assert place.start("b", guard()).end() == 75
    docker("unpause", first.name)
    assert first.answers()
    assert place.most == 1


def test_a_stop_that_takes_long_keeps_the_lock_until_its_end(place: Place) -> None:
    first = place.running("a", guard(), "--stop-signal", "SIGTERM")
    # A smart shutdown waits for its clients: the old one is Terminating when the next one comes.
    client = subprocess.Popen(["docker", "exec", first.name, "psql", "-qh", "/tmp", "-d", "postgres", "-c", "select pg_sleep(8)"],
                              stdout=subprocess.DEVNULL)
    until(lambda: first.sql("select count(*) from pg_stat_activity where query like '%pg_sleep(8)%' and pid <> pg_backend_pid()") == "1")
    stopping = subprocess.Popen(["docker", "stop", "-t", "60", first.name], stdout=subprocess.DEVNULL)
    until(lambda: "smart shutdown" in first.log())
    assert place.start("b", guard()).end() == 75
    place_for_next = place.start("c", guard("--wait", "120"))
    until(place_for_next.answers)
    assert first.state("ExitCode") == "0", "it was given its time"
    assert (client.wait(30), stopping.wait(30)) == (0, 0)
    assert place.most == 1


# What ceph-osd did in the story: a lock on a file of its own directory, then the shared disk. Ceph since 16 claims the
# disk itself with O_EXCL, so that two of Debian's can no longer be made to meet.
OSD = """
import fcntl, os, time
own = open("/osd/fsid", "w")
fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
disk = os.open("/data/disk", os.O_RDWR | os.O_CREAT)
print("writing", flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize(("words", "both"), [([], True), (guard(), False)], ids=["without the guard", "with the guard"])
def test_the_storys_own_case_a_lock_in_a_tmpfs_of_each_container(place: Place, words: list[str], both: bool) -> None:
    def osd(name: str) -> Server:
        return place.start(name, [*words, "python3", "-c", OSD], "--tmpfs", "/osd:mode=1777")

    first = osd("a")
    until(lambda: "writing" in first.log())
    second = osd("b")
    if both:
        until(lambda: "writing" in second.log())
        assert first.state("Running") == second.state("Running") == "true"
        assert audited(place)[0]["users"] == [f"container {server.name}" for server in (second, first)]
    else:
        assert second.end() == 75


def test_a_volume_of_its_own_under_the_same_path_is_refused_by_device_and_inode(place: Place) -> None:
    there = subprocess.run(["python3", PROGRAM, "--identify", place.path], check=True, capture_output=True, text=True).stdout.strip()
    place.running("a", guard("--same-as", there))
    # A disk like the other one, so that only the comparison of both sides tells.
    server = place.start("b", ["python3", "/opt/sabakan_exclusive", "--same-as", there, "/private", "--"], "-v", "/private")
    assert server.end() == 78
    assert "on the other side: not the same place" in server.log()


def test_the_lock_in_a_place_private_to_each_container_is_refused(place: Place) -> None:
    server = place.start("a", ["python3", "/opt/sabakan_exclusive", "/private", "--"], "--tmpfs", "/private:uid=0,mode=1777")
    assert server.end() == 78
    assert "tmpfs at /private is memory, private to one container" in server.log()
