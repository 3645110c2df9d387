# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease over HTTP: a small store that compares and sets, can ignore conditions, and can stop answering."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .conftest import Wrapped, until


class Handler(BaseHTTPRequestHandler):
    server: ObjectStore

    def answer(self, status: int, body: bytes = b"", etag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.answering.wait()
        found = self.server.objects.get(self.path)
        self.answer(200, found[1], found[0]) if found else self.answer(404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answering.wait()
        with self.server.lock:
            found = self.server.objects.get(self.path)
            same, none = self.headers.get("If-Match"), self.headers.get("If-None-Match")
            if self.server.compares and ((none and found) or (same and (not found or found[0] != same))):
                return self.answer(412)
            etag = f'"{hashlib.md5(body).hexdigest()}"'
            self.server.objects[self.path] = (etag, body)
        self.answer(200, b"", etag)

    def log_message(self, *_: Any) -> None:
        pass


class ObjectStore(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.lock, self.answering, self.compares = threading.Lock(), threading.Event(), True
        self.answering.set()


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    server = ObjectStore()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.answering.set()
    server.shutdown()
    server.server_close()


def leased(wrapped: Wrapped, store: ObjectStore, ttl: float) -> tuple[str, ...]:
    settings = wrapped.data.parent / f"{wrapped.data.name}.json"
    settings.write_text(json.dumps({
        "endpoint": f"http://127.0.0.1:{store.server_port}", "bucket": "leases", "key": "db",
        "access_key": "a", "secret_key": "b", "ttl": ttl,
    }))
    return ("--lease", str(settings))


@pytest.fixture
def elsewhere(wrapped: Wrapped, tmp_path_factory: pytest.TempPathFactory) -> Wrapped:
    """The same service on another host: another directory, so no lock in common."""
    place = wrapped.data / "other"
    place.mkdir()
    other = Wrapped(place)
    other.marker, other.started = wrapped.marker, wrapped.started
    return other


def test_one_host_runs_and_the_next_has_a_higher_token(wrapped: Wrapped, elsewhere: Wrapped, store: ObjectStore) -> None:
    options = leased(wrapped, store, 60)
    first = wrapped.start("sh", "-c", f"echo $SABAKAN_FENCING_TOKEN > {wrapped.data}/token; exec sleep 60", options=options)
    until((wrapped.data / "token").exists)
    code, dummy, error = elsewhere.run("true", options=options)
    assert (code, "the lease is held by" in error, "token 1" in error) == (75, True, True)
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 143
    assert elsewhere.run("sh", "-c", "echo $SABAKAN_FENCING_TOKEN", options=options)[:2] == (0, "2\n")


def test_a_store_that_ignores_conditions_is_refused_before_anything_starts(wrapped: Wrapped, store: ObjectStore) -> None:
    store.compares = False
    code, out, error = wrapped.run("echo", "started", options=leased(wrapped, store, 60))
    assert (code, out, "ignores If-None-Match on writes" in error) == (69, "", True)


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b"<html>"])
def test_an_object_of_somebody_elses_is_no_lease(wrapped: Wrapped, store: ObjectStore, body: bytes) -> None:
    store.objects["/leases/db"] = ('"1"', body)
    code, out, error = wrapped.run("echo", "started", options=leased(wrapped, store, 60))
    assert (code, out, "leases/db holds no lease" in error) == (69, "", True)


def test_an_endpoint_without_a_scheme_is_told_as_such(wrapped: Wrapped, store: ObjectStore) -> None:
    option, path = leased(wrapped, store, 60)
    Path(path).write_text(Path(path).read_text().replace("http://", ""))
    code, out, error = wrapped.run("echo", "started", options=(option, path))
    assert (code, out, "https://NAME" in error) == (64, "", True)


def test_the_command_is_ended_before_the_lease_is_lost_when_the_store_stops_answering(wrapped: Wrapped, store: ObjectStore) -> None:
    ready = wrapped.data / "ready"
    # It ignores SIGTERM, so that only the last deadline ends it.
    process = wrapped.start("sh", "-c", f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done", options=leased(wrapped, store, 12))
    until(ready.exists)
    store.answering.clear()
    # The last renewal that the store took is no later than now: another host may start 12 s after it.
    began = time.monotonic()
    assert process.wait(40) == 76
    assert time.monotonic() - began < 12
    assert wrapped.alive() == []


def test_a_paused_supervisor_does_not_keep_its_command_past_the_lease(wrapped: Wrapped, elsewhere: Wrapped, store: ObjectStore) -> None:
    options = leased(wrapped, store, 6)
    ready = wrapped.data / "ready"
    process = wrapped.start("sh", "-c", f"touch {ready}; exec sleep 60", options=options)
    until(ready.exists)
    dummy, command = wrapped.tree(process)
    os.kill(process.pid, signal.SIGSTOP)
    # When the next one starts, the keeper has ended the command without the supervisor.
    code, out, dummy = elsewhere.run("sh", "-c", f"test -d /proc/{command} && echo both; echo $SABAKAN_FENCING_TOKEN", options=(*options, "--wait", "25"))
    assert (code, out) == (0, "2\n")
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(10) == 76
    assert not Path(f"/proc/{command}").exists()
