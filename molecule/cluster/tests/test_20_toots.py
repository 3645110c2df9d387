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


def transactions(stack) -> int:
    """Those that the standby's bouncer has passed on, by its own count."""
    script = "PGPASSFILE=/etc/pgbouncer/.pgpass psql -XA -h /var/run/postgresql -p 6432 -U pgbouncer_stats -d pgbouncer -c 'SHOW STATS_TOTALS'"
    header, *rows = (line.split("|") for line in stack.run("rdb-02", script).splitlines() if "|" in line)
    column = next(number for number, name in enumerate(header) if name.endswith("xact_count"))
    return sum(int(row[column]) for row in rows if row[0] == "mastodon_production")


def test_the_timeline_is_read_from_the_standby(stack):
    before = transactions(stack)
    for _ in range(30):
        assert stack.request("GET", "/api/v1/timelines/public").status == 200
    assert transactions(stack) >= before + 30
