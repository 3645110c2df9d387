"""The story's first outage on the stack itself: clients that keep their connection after one query."""

import json

HOARDERS = 200
SCRIPT = """
import json, psycopg2, sys, time
asked = json.load(sys.stdin)
def connect():
    connection = psycopg2.connect(connect_timeout=10, **asked["connection"])
    connection.autocommit = True
    return connection
def query(connection):
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    return time.monotonic() - started
held = [connect() for _ in range(asked["clients"])]
first = [query(one) for one in held]
started = time.monotonic()
query(connect())
print(json.dumps({"held": len(first), "slowest": max(first), "next": time.monotonic() - started}))
"""


def test_two_hundred_idle_clients_do_not_delay_the_next_query_past_one_second(stack):
    connection = {
        "host": stack.address("rdb-01"), "port": 6432, "dbname": "mastodon_production", "user": "mastodon",
        "password": stack.secrets["postgresql_password"],
    }
    answer = stack.run("rdb-01", SCRIPT, program="python3", stdin=json.dumps({"connection": connection, "clients": HOARDERS}), timeout=90)
    found = json.loads(answer)
    assert found["held"] == HOARDERS
    assert found["next"] < 1, found
