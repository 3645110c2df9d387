"""The server runs once on its state, whatever a second one is called, and whatever of the first is killed."""

from __future__ import annotations

import json

import pytest
from partner import Partner, await_that, by_hand, on_every_host, status

OTHER, PORT = "sftp-by-hand", 2223
# Those below the container's first process, docker-init, in their order.
VICTIMS = {"sftp-01": 1, "sftp-02": 2, "sftp-03": 3}


def inspected(fleet, host, container="sabakan-sftp"):
    return json.loads(fleet[host].check_output(f"docker inspect {container}"))[0]


def said(fleet, host, container):
    result = fleet[host].run(f"docker logs {container}")
    return result.stdout + result.stderr


def chain(fleet, host):
    """docker-init, the two of sabakan-exclusive and the keeper, each the first child of the one before, as the host numbers them."""
    found = [inspected(fleet, host)["State"]["Pid"]]
    while len(found) < 4:
        children = fleet[host].run(f"pgrep -P {found[-1]}").stdout.split()
        if not children:
            break
        found.append(int(children[0]))
    return found


@pytest.fixture
def leftovers(fleet):
    yield
    for host in VICTIMS:
        fleet[host].run(f"docker rm -f {OTHER}")
        if not inspected(fleet, host)["State"]["Running"]:
            fleet[host].run("docker start sabakan-sftp")


@on_every_host
def refuses_a_second_one(fleet, host, tmp_path):
    first = inspected(fleet, host)
    by_hand(fleet, host, OTHER, PORT)
    assert fleet[host].check_output(f"timeout 30 docker wait {OTHER}") == "75"
    told = said(fleet, host, OTHER)
    assert f"container {first['Id'][:12]} on host {host} (this machine)" in told and "sabakan-sftp-keeper run; nothing was started" in told
    assert inspected(fleet, host)["State"]["StartedAt"] == first["State"]["StartedAt"]
    assert status(fleet, host)["healthy"]


def test_a_second_container_of_another_name_is_refused_and_told_who_runs(fleet, tmp_path, leftovers, module):
    refuses_a_second_one(fleet, tmp_path)
    found = module("sftp-02", "exclusive_audit_info")
    assert found["seen"]["containers"] >= 2 and found["findings"] == []


@on_every_host
def hands_over(fleet, host, tmp_path):
    fleet[host].check_output("docker kill sabakan-sftp")
    by_hand(fleet, host, OTHER, PORT)
    await_that("the next one serves", lambda: status(fleet, host, OTHER).get("healthy"), 30)
    Partner(fleet, host, "p1", port=PORT).must("ls data")
    other = inspected(fleet, host, OTHER)["Id"][:12]
    # Now the first one is the second, which the engine starts again and again.
    fleet[host].check_output("docker start sabakan-sftp")
    await_that("it is refused", lambda: f"container {other} on host {host}" in said(fleet, host, "sabakan-sftp"))
    fleet[host].check_output(f"docker kill {OTHER}")
    await_that("the first one serves again, by itself", lambda: status(fleet, host).get("healthy"), 40)
    Partner(fleet, host, "p1").must("ls data")


def test_after_a_kill_the_next_one_starts_without_a_hand(fleet, tmp_path, leftovers):
    hands_over(fleet, tmp_path)


@on_every_host
def test_whichever_process_is_killed_the_engine_starts_one_again(fleet, host, tmp_path):
    before, pids = inspected(fleet, host)["State"]["StartedAt"], chain(fleet, host)
    names = [fleet[host].check_output(f"tr '\\0' ' ' < /proc/{pid}/cmdline") for pid in pids]
    assert "docker-init" in names[0] and "sabakan_exclusive" in names[1] and "sabakan_exclusive" in names[2], names
    assert names[3].startswith("/usr/bin/python3 /usr/local/lib/sabakan_sftp"), names
    fleet[host].check_output(f"kill -9 {pids[VICTIMS[host]]}")
    await_that("another start", lambda: inspected(fleet, host)["State"]["StartedAt"] != before, 30)
    await_that("in service", lambda: status(fleet, host).get("healthy"), 30)
    assert fleet[host].check_output(f"ps -o pid= -p {','.join(map(str, pids))} || true") == ""
    Partner(fleet, host, "p1").must("ls data")


@on_every_host
def test_the_keeper_hears_a_signal_to_the_container(fleet, host, tmp_path):
    def taken_over():
        return said(fleet, host, "sabakan-sftp").count('"event": "config-in-force"')

    before = taken_over()
    fleet[host].check_output("docker kill --signal HUP sabakan-sftp")
    await_that("the configuration was read again", lambda: taken_over() == before + 1, 10)
    assert status(fleet, host)["healthy"]
