"""Hosts stop and come back."""


import pytest
from stack import HOSTS, await_that


def states(stack, server):
    """Of a server in each backend, as HAProxy sees it."""
    return {name: row["status"] for name, row in stack.balancer().items() if name[1].startswith(server)}


def test_no_request_fails_once_the_check_has_seen_that_app_01_is_gone(stack):
    backends = len(states(stack, "app-01"))
    assert backends == 4, "puma and three ports of streaming"
    stack.docker("stop", "app-01", "--time", "10")
    try:
        await_that("HAProxy sees app-01 down", lambda: set(states(stack, "app-01").values()) == {"DOWN"}, 30)
        failed = [status for status in (
            stack.request("GET", "/api/v1/timelines/public" if number % 2 else "/health").status for number in range(200)
        ) if status != 200]
        assert failed == []
        found = stack.stream(posts=20)
        assert (found["failed"], found["websocket"]["missing"], found["sse"]["missing"]) == (0, 0, 0)
    finally:
        stack.docker("start", "app-01")
    await_that("HAProxy sees app-01 up again", lambda: set(states(stack, "app-01").values()) == {"UP"}, 60)


def test_queued_jobs_outlive_the_death_of_redis(stack, fleet):
    """A toot that nobody has processed when its queue's host is killed is delivered after it: a clean stop would write a snapshot."""
    workers = {
        host: " ".join(f"mastodon-sidekiq@{process['name']}" for process in fleet.variables[host]["sidekiq_processes"])
        for host in fleet.group("sidekiq")
    }
    for host, units in workers.items():
        stack.run(host, f"systemctl stop {units}", timeout=90)
    try:
        number = int(stack.post("Waiting"))
        stack.docker("kill", "redis-01")
        stack.docker("start", "redis-01")
    finally:
        for host, units in workers.items():
            stack.run(host, f"systemctl start {units}")
    await_that("the toot is delivered", lambda: stack.query(
        "rdb-01", f"SELECT 1 FROM statuses WHERE id = {number} AND delivered_at IS NOT NULL",
    ), 60)


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_that_restarts_comes_back_into_service_without_help(stack, name):
    units = stack.run(name, "systemctl list-units --plain --no-legend --type=service --state=running | awk '!/^user@/ {print $1}'").split()
    stack.docker("restart", name, "--time", "10")
    await_that(f"the services of {name} run again", lambda: stack.run(name, f"systemctl is-active --quiet {' '.join(units)}; echo yes"), 60)
    await_that(f"the stack serves after the restart of {name}", lambda: stack.assert_service() or True, 60)


def test_the_standby_streams_again(stack):
    await_that("the standby streams", lambda: stack.query("rdb-01", "SELECT state FROM pg_stat_replication") == "streaming", 30)


def test_no_unit_has_failed(stack):
    failed = {host: stack.run(host, "systemctl list-units --plain --no-legend --state=failed").split("\n")[0] for host in HOSTS}
    assert {host: unit for host, unit in failed.items() if unit} == {}


