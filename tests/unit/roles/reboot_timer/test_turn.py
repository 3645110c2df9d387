# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a group: of several hosts one, with a token that rises, and none while one has not come back."""

from __future__ import annotations

import contextlib
import itertools
import json
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_store import Store
from sabakan_exclusive.lease import Conflict, Unavailable
from sabakan_reboot import host, redis, turn
from sabakan_reboot.settings import Settings
from sabakan_reboot.turn import Held, Lost, Turn


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(host, "uptime", lambda: now[0])
    monkeypatch.setattr(turn.time, "sleep", sleep)
    return now


def of(name: str, store: Store, **more: int) -> Turn:
    return Turn(Settings(name, lock_store="redis", **more), store)


def test_one_of_a_group_has_it_and_the_token_rises(clock):
    store = Store()
    first, second = of("a", store), of("b", store)
    first.acquire(0)
    with pytest.raises(Held, match="a has the lock of the group, token 1"):
        second.acquire(0)
    first.release()
    second.acquire(0)
    assert (first.token, second.token) == (1, 2) and of("c", store).holder().startswith("b has the lock")


def test_a_holder_that_died_before_its_reboot_loses_it_after_its_time(clock):
    store = Store()
    first, second = of("a", store), of("b", store)
    first.acquire(0)
    with pytest.raises(Held):
        second.acquire(1700)
    of("c", store).acquire(1900)
    with pytest.raises(Lost):
        first.announce()


def test_the_same_host_takes_up_its_own_at_once(clock):
    store = Store()
    of("a", store).acquire(0)
    again = of("a", store)
    assert again.holder() == ""
    again.acquire(0)
    assert again.token == 2


def test_a_host_that_has_not_come_back_keeps_it_for_ever(clock):
    store = Store()
    first = of("a", store)
    first.acquire(0)
    first.announce()
    with pytest.raises(Held, match="it reboots and has not come back healthy yet"):
        of("b", store).acquire(86400)
    assert "has not come back" in of("a", store).holder()


def test_another_process_after_the_boot_ends_it(clock):
    store = Store()
    first = of("a", store)
    first.acquire(0)
    saved_early = json.loads(json.dumps(first.saved()))
    first.announce()
    for saved in (saved_early, first.saved()):
        after = of("a", store)
        after.resume(saved)
        after.keep("redis-server.service has failed")
        assert "redis-server.service has failed" in of("b", store).holder()
    after.release()
    of("b", store).acquire(0)
    with pytest.raises(Lost):
        after.release()


def test_a_drain_that_took_too_long_does_not_reboot(clock):
    mine = of("a", Store())
    mine.acquire(0)
    clock[0] += 1500
    with pytest.raises(Lost, match="the drain took 1500 s, lock_ttl is 1800"):
        mine.announce()


def test_a_hand_frees_what_a_host_left_behind_and_only_that(clock):
    store = Store()
    first = of("a", store)
    first.acquire(0)
    first.announce()
    assert turn.free_by_hand(first.asked, store, "b") == ""
    assert "a has the lock" in turn.free_by_hand(first.asked, store, "a")
    following = of("b", store)
    following.acquire(0)
    assert following.token == 2


def test_a_store_that_does_not_answer_is_not_a_free_lock(clock):
    store = Store()
    mine = of("a", store)
    store.answers = False
    for attempt in (mine.holder, lambda: mine.acquire(0)):
        with pytest.raises(Unavailable):
            attempt()


def test_without_a_store_it_is_always_free(clock):
    alone = Turn(Settings("a"), None)
    alone.acquire(0)
    alone.announce()
    alone.release()
    assert (alone.holder(), alone.token, alone.saved()) == ("", 0, {})


@pytest.mark.parametrize(("mode", "fits"), [(0o600, True), (0o400, True), (0o644, False), (0o640, False)])
def test_secrets_that_others_may_read_are_not_used(tmp_path, mode, fits):
    path = tmp_path / "secrets"
    path.write_text("{}")
    path.chmod(mode)
    if fits:
        assert turn.secrets_of(str(path)) == {}
    else:
        with pytest.raises(OSError, match="it must be 0600"):
            turn.secrets_of(str(path))


# Redis


class Handler(socketserver.StreamRequestHandler):
    server: RedisServer

    def words(self) -> list[bytes]:
        count = int(self.rfile.readline()[1:])
        return [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for dummy in range(count)]

    def handle(self) -> None:
        known = False
        while self.rfile.peek(1):
            words = self.words()
            if words[0] == b"AUTH":
                known = words[1:] == [b"secret"]
                answer = b"+OK\r\n" if known else b"-WRONGPASS invalid username-password pair\r\n"
            elif not known:
                answer = b"-NOAUTH Authentication required.\r\n"
            else:
                with self.server.lock:
                    answer = self.server.do(words)
            self.wfile.write(answer)


class RedisServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.values: dict[bytes, bytes] = {}
        self.lock = threading.Lock()

    def do(self, words: list[bytes]) -> bytes:
        if words[0] == b"GET":
            value = self.values.get(words[1])
            return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        if words[0] == b"SET" and words[3:] == [b"NX"]:
            if words[1] in self.values:
                return b"$-1\r\n"
            self.values[words[1]] = words[2]
            return b"+OK\r\n"
        assert words[0] == b"EVAL" and words[1] == redis.REPLACE.encode()
        if redis._etag(self.values.get(words[3], b"")) != words[4].decode():
            return b":0\r\n"
        self.values[words[3]] = words[5]
        return b":1\r\n"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    made = RedisServer()
    threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def store_at(server: RedisServer, **more: object) -> redis.Store:
    return redis.Store({"host": "127.0.0.1", "port": server.server_address[1], "password": "secret", "key": "reboot/app", **more}, 5)


def test_redis_compares_and_sets(server):
    store = store_at(server)
    assert store.read() is None
    first = store.create({"token": 1})
    with pytest.raises(Conflict):
        store.create({"token": 1})
    second = store.replace(first, {"token": 2})
    with pytest.raises(Conflict):
        store.replace(first, {"token": 3})
    assert store.read() == (second, {"token": 2})


def test_of_many_hosts_at_once_one_has_it(server):
    def attempt(name: str) -> int:
        mine = Turn(Settings(name, lock_store="redis"), store_at(server))
        try:
            mine.acquire(0)
        except Held:
            return 0
        return mine.token

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, map(str, range(8)))) == [0] * 7 + [1]


@pytest.mark.parametrize("more", [{"password": "wrong"}, {"password": ""}, {"port": 1}, {"host": "192.0.2.1.invalid"}])
def test_a_redis_that_cannot_be_asked_is_unavailable(server, more):
    with pytest.raises(Unavailable) as told:
        store_at(server, **more).read()
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("value", [b"hello", b"5", b"[]", b"\xff"])
def test_a_value_that_is_no_lease_is_not_a_free_lock(server, value):
    server.values[b"reboot/app"] = value
    with pytest.raises(Unavailable, match="holds no lease"):
        store_at(server).read()


@pytest.mark.parametrize(("raw", "expected"), [
    (b"+OK\r\n", b"OK"), (b":42\r\n", 42), (b"$3\r\nabc\r\n", b"abc"), (b"$-1\r\n", None), (b"$0\r\n\r\n", b""),
])
def test_answers(raw, expected):
    assert redis.decode(BytesIO(raw)) == expected


@given(st.binary(max_size=40))
def test_no_bytes_are_an_answer_by_accident(raw):
    with contextlib.suppress(redis.Refusal, EOFError, ValueError):
        redis.decode(BytesIO(raw))


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=4))
def test_a_command_is_framed_by_its_lengths(words):
    raw = BytesIO(redis.encode(words))
    assert raw.readline() == b"*%d\r\n" % len(words)
    assert [redis.decode(raw) for dummy in words] == words


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["acquire", "announce", "release", "keep", "wait"])), max_size=25))
def test_whatever_happens_tokens_rise_and_a_kept_lock_stays(steps):
    now, store = [0.0], Store()
    real, turn.time.sleep = (host.uptime, turn.time.sleep), lambda seconds: now.__setitem__(0, now[0] + seconds)
    host.uptime = lambda: now[0]
    try:
        turns: dict[str, Turn] = {}
        tokens: list[int] = []
        for name, step in steps:
            before = store.object
            mine = turns.setdefault(name, of(name, store))
            try:
                if step == "acquire":
                    mine = turns[name] = of(name, store)
                    mine.acquire(10)
                    tokens.append(mine.token)
                    assert before is None or not before[1].get("kept") or before[1].get("released")
                elif step == "wait":
                    now[0] += 1000
                else:
                    {"announce": mine.announce, "release": mine.release, "keep": lambda mine=mine: mine.keep("x")}[step]()
            except (Held, Lost, Conflict):
                pass
        assert all(one < other for one, other in itertools.pairwise(tokens)) if hasattr(itertools, "pairwise") else True
    finally:
        host.uptime, turn.time.sleep = real
