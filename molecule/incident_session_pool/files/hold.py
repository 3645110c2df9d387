#!/usr/bin/python3
"""Clients that run one query and then hold their connection idle, as puma, sidekiq and node do.

Prints as JSON how many were answered within the time of watching, how long a newcomer's query took then (null: no answer),
how many backends PostgreSQL ran for all of them, and how many were answered once the first had let go.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Callable

import psycopg2

NEWCOMER = 5.0  # seconds that a newcomer waits
AFTERWARDS = 20.0  # seconds that the others have once the holders have let go


def await_true(condition: Callable[[], bool], seconds: float) -> None:
    """Returns when the condition holds or the time is up."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def query(dsn: str, waits: list[float], backends: list[int], release: threading.Event) -> None:
    """Connects, asks once, then holds the connection until the release."""
    started = time.monotonic()
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = current_user")
    backends.append(cursor.fetchone()[0])
    waits.append(time.monotonic() - started)
    release.wait()
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn", help="libpq connection string; the password comes from PGPASSWORD")
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--watch", type=float, default=10.0, help="seconds to watch before giving up")
    options = parser.parse_args()

    release = threading.Event()
    waits: list[float] = []
    newcomer: list[float] = []
    backends: list[int] = []

    def start(into: list[float]) -> None:
        threading.Thread(target=query, args=(options.dsn, into, backends, release), daemon=True).start()

    for _ in range(options.clients):
        start(waits)
    await_true(lambda: len(waits) == options.clients, options.watch)
    seen = {"clients": options.clients, "answered": len(waits), "slowest": max(waits, default=None)}
    start(newcomer)
    await_true(lambda: bool(newcomer), NEWCOMER)
    seen |= {"newcomer": newcomer[0] if newcomer else None, "backends": max(backends, default=0)}
    release.set()
    await_true(lambda: len(waits) == options.clients, AFTERWARDS)
    print(json.dumps(seen | {"answered_after_release": len(waits)}), flush=True)
    os._exit(0)  # some threads may wait for ever


if __name__ == "__main__":
    main()
