# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease's decisions on clocks of the test's own: no wall clock, no sleep."""

from __future__ import annotations

from typing import Any

import pytest
from memory_store import Store
from sabakan_exclusive.lease import Conflict, Lease, Seen, Unavailable, deadlines, look, may_take
from sabakan_exclusive.lock import Held

TTL = 60.0


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def contender(store: Store, clock: Clock, place: str = "") -> Lease:
    return Lease(store, TTL, place, {"host": "h"}, clock)


def take(store: Store, clock: Clock, wait: float = 0, place: str = "") -> Lease:
    lease = contender(store, clock, place)
    lease.acquire(wait, clock.sleep, lambda holder: holder.get("host", ""))
    return lease


class Fenced:
    """A resource that refuses writes with an older token than it has seen."""

    def __init__(self) -> None:
        self.highest, self.rows = 0, list[str]()

    def write(self, token: int, row: str) -> bool:
        if token < self.highest:
            return False
        self.highest = token
        self.rows.append(row)
        return True


def test_the_first_gets_token_one_and_the_next_a_higher_one() -> None:
    store, clock = Store(), Clock(0)
    first = take(store, clock)
    first.release()
    assert (first.token, take(store, clock).token) == (1, 2)


def test_the_second_is_refused_without_waiting() -> None:
    store, clock = Store(), Clock(0)
    take(store, clock)
    with pytest.raises(Held, match="held by h, token 1"):
        take(store, clock)
    assert clock.now == 0


@pytest.mark.parametrize("wait", [0.0, 30.0])
def test_a_store_that_contradicts_itself_is_given_up_and_not_asked_without_pause(monkeypatch: pytest.MonkeyPatch, wait: float) -> None:
    store, clock, asked = Store(), Clock(0), []

    def create(record: dict[str, Any]) -> str:
        asked.append(clock.now)
        raise Conflict("409")

    monkeypatch.setattr(store, "create", create)
    with pytest.raises(Unavailable, match="has no lease, and refuses"):
        take(store, clock, wait)
    assert asked == sorted(set(asked)) and wait <= clock.now <= wait + 2


@pytest.mark.parametrize("start", [0.0, 1e9, 5.0])
def test_a_dead_holders_lease_is_free_after_its_ttl_on_the_contenders_clock_whatever_that_shows(start: float) -> None:
    store = Store()
    take(store, Clock(123.0))
    clock = Clock(start)
    assert take(store, clock, wait=2 * TTL).token == 2
    assert clock.now - start >= TTL


def test_a_contender_does_not_take_what_is_being_renewed() -> None:
    store, clock = Store(), Clock(0)
    holder = take(store, clock)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        holder.tick()

    with pytest.raises(Held):
        contender(store, clock).acquire(5 * TTL, sleep, str)
    assert not holder.lost


@pytest.mark.parametrize(
    ("record", "since", "moment", "place", "free"),
    [
        ({"ttl": 60}, 100, 159.9, "p", False),
        ({"ttl": 60}, 100, 160, "p", True),
        ({"ttl": 600}, 100, 160, "p", False),
        ({"ttl": 60, "released": True}, 100, 100, "p", True),
        ({"ttl": 60, "place": "p"}, 100, 100, "p", True),
        ({"ttl": 60, "place": "other"}, 100, 100, "p", False),
        ({"ttl": 60, "place": ""}, 100, 100, "", False),
        ({}, 100, 130, "p", False),
    ],
)
def test_when_a_lease_is_free(record: dict[str, Any], since: float, moment: float, place: str, free: bool) -> None:
    assert may_take(record, Seen("e", since), moment, place) is free


def test_a_renewal_starts_the_contenders_count_again() -> None:
    seen = look(None, "a", 10)
    assert look(seen, "a", 50) == Seen("a", 10)
    assert look(seen, "b", 50) == Seen("b", 50)


@pytest.mark.parametrize("ttl", [6.0, 30.0, 60.0, 3600.0])
@pytest.mark.parametrize("delay", [0.0, 0.5, 30.0])
def test_the_holder_ends_its_command_before_anyone_may_take_the_lease(ttl: float, delay: float) -> None:
    """delay: between the holder's sending of a renewal and the contender's first sight of it; never negative."""
    due = deadlines(sent=1000.0, ttl=ttl)
    earliest = 1000.0 + delay + ttl
    assert 1000 < due.renew_at < due.terminate_at < due.kill_at < earliest
    assert not may_take({"ttl": ttl}, Seen("e", 1000.0 + delay), due.kill_at, "")


def test_a_store_that_stops_answering_moves_no_deadline() -> None:
    store, clock = Store(), Clock(0)
    holder = take(store, clock)
    store.answers = False
    before = holder.deadlines
    while clock.now < before.kill_at:
        clock.sleep(max(holder.tick(), 0.1))
    assert (holder.deadlines, holder.lost, holder.trouble) == (before, False, "no answer")
    store.answers = True
    holder.tick()
    assert holder.deadlines.kill_at > before.kill_at


def test_a_renewal_whose_answer_was_lost_is_still_the_holders() -> None:
    store, clock = Store(), Clock(0)
    holder = take(store, clock)
    store.writes_unanswered = True
    for _round in range(3):
        clock.sleep(TTL / 6)
        holder.tick()
    assert not holder.lost
    assert holder.deadlines.kill_at > clock.now


def test_a_lease_whose_first_answer_was_lost_is_the_takers() -> None:
    store, clock = Store(), Clock(0)
    store.writes_unanswered = True
    assert take(store, clock).token == 1


def test_a_paused_holder_that_wakes_has_lost_and_its_writes_are_refused_by_the_token() -> None:
    store, resource, clock = Store(), Fenced(), Clock(0)
    paused = take(store, clock)
    assert resource.write(paused.token, "first")
    successor = take(store, clock, wait=2 * TTL)
    assert resource.write(successor.token, "second")
    assert paused.clock() >= paused.deadlines.kill_at
    paused.tick()
    assert paused.lost
    assert not resource.write(paused.token, "late")
    assert resource.rows == ["first", "second"]
    paused.release()
    assert store.object and not store.object[1]["released"], "a late holder releases nothing of its successor's"


def test_the_next_on_the_same_lock_need_not_wait_for_the_lease_of_a_dead_holder() -> None:
    store, clock = Store(), Clock(0)
    take(store, clock, place="boot 8:1:2")
    assert take(store, clock, place="boot 8:1:2").token == 2
    assert clock.now == 0


@pytest.mark.parametrize(("record", "free"), [
    ({"kept": True}, False), ({"kept": True, "place": "here"}, False), ({"kept": True, "released": True}, True), ({"kept": False}, True),
])
def test_a_lease_that_is_kept_has_no_end(record, free):
    assert may_take({"ttl": TTL, **record}, Seen("1", 0.0), 10 * TTL, "here") is free
