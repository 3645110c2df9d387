"""A toot from the front to every place where it belongs."""

import uuid

from stack import await_that


def test_toots_arrive_by_websocket_and_by_server_sent_events(stack):
    found = stack.stream(posts=20)
    assert (found["failed"], found["websocket"]["missing"], found["sse"]["missing"]) == (0, 0, 0)


def test_a_toot_is_in_the_primary_and_comes_to_the_standby(stack):
    text = f"Mackerel {uuid.uuid4()}"
    number = int(stack.post(text))
    assert stack.query("rdb-01", f"SELECT text FROM statuses WHERE id = {number}") == text
    await_that("the toot is on the standby", lambda: stack.query("rdb-02", f"SELECT text FROM statuses WHERE id = {number}") == text, 5)


def test_a_toot_is_delivered_by_the_hosts_of_the_wide_network(stack):
    number = int(stack.post("To everybody"))
    await_that("queue push has delivered it", lambda: stack.query(
        "rdb-01", f"SELECT 1 FROM statuses WHERE id = {number} AND delivered_at IS NOT NULL",
    ), 10)


def test_the_timeline_is_read_from_the_standby(stack):
    """What the replica alone could answer: its own reads are counted there."""
    reads = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'mastodon_production'"
    before = int(stack.query("rdb-02", reads))
    for _ in range(30):
        assert stack.request("GET", "/api/v1/timelines/public").status == 200
    await_that("thirty reads more on the standby", lambda: int(stack.query("rdb-02", reads)) >= before + 30, 15)
