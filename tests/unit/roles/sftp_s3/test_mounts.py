# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import itertools
from typing import Any

import pytest
from sabakan_sftp import config, mounts

MOUNT = config.Mount("partners", "/srv/s3/partners", ("mount",), config.Bucket("b", "p/"))
OK = {"state": "ok", "reason": "", "sample": ""}
GONE = {"state": "unreachable", "reason": "the store does not answer", "sample": ""}
NO = {"state": "refused", "reason": "bucket b does not exist", "sample": ""}


class Work:
    def __init__(self, value: Any = True, error: str = "", timed_out: bool = False) -> None:
        self.value, self.error, self.timed_out = value, error, timed_out
        self.done, self.cancelled = True, False

    def cancel(self) -> None:
        self.cancelled = self.done = True


class World:
    """Mounts what it is told to, and keeps what happened; fails a test that would mount twice or serve nothing."""

    def __init__(self) -> None:
        self.store, self.answers, self.reads, self.comes_up, self.stalled = dict(OK), Work(), Work(), Work(), True
        self.mounted, self.bound, self.allowed, self.leftover = False, False, False, ""
        self.mounts = True
        self.pids = itertools.count(100)
        self.alive: set[int] = set()
        self.told: list[str] = []
        self.deaths: list[tuple[str, int | None]] = []
        self.ends: list[int] = []

    def clean(self, mount):
        self.bound = False
        if self.leftover:
            return self.leftover
        self.mounted = False
        return ""

    def withdraw(self, mount):
        self.bound = self.allowed = False

    def let(self, mount, allowed):
        assert not allowed or self.bound, "let in where nothing is bound"
        self.allowed = allowed

    def start(self, mount):
        assert not self.mounted and not self.alive, "a second mount of one place"
        pid = next(self.pids)
        self.alive.add(pid)
        self.mounted = self.mounts
        return pid

    def kill(self, pid, gently):
        if pid in self.alive:
            self.ends.append(pid)

    def is_mounted(self, mount):
        return self.mounted

    def activity(self, pid):
        return None

    def is_stalled(self, pid, since):
        return self.stalled

    def unmount(self, mount):
        self.mounted = False
        return True

    def check_store(self, mount):
        return Work(dict(self.store))

    def probe(self, mount):
        return self.answers

    def probe_through(self, mount, sample):
        return self.reads

    def bring_in(self, mount, sample):
        self.bound = not self.comes_up.error
        return self.comes_up

    def publish(self, mount):
        self.bound = True
        return Work()

    def died(self, mount, reason, code):
        self.deaths.append((reason, code))

    def tell(self, kind, mount, **values):
        self.told.append(kind)


class Run:
    def __init__(self, **values: Any) -> None:
        self.world = World()
        for name, value in values.items():
            setattr(self.world, name, value)
        self.now = 1000.0
        self.keeping = mounts.Keeping(MOUNT, self.world)

    def go(self, seconds: float) -> Run:
        end = self.now + seconds
        while self.now < end:
            wait = self.keeping.tick(self.now)
            assert wait > 0
            while self.world.ends:
                self.end(self.world.ends.pop(), -9)
            assert not self.world.allowed or (self.keeping.state == "live" and self.world.bound)
            self.now += min(wait, 0.1)
        return self

    def end(self, pid: int, code: int) -> None:
        if pid in self.world.alive:
            self.world.alive.remove(pid)
            self.keeping.exited(code, self.now)

    def crash(self, code: int = -9) -> None:
        self.end(self.keeping.pid, code)


def refuse(run: Run, name: str) -> list[float]:
    """When it was asked for a process that there is not."""
    times: list[float] = []

    def refused(*dummy: Any) -> None:
        times.append(run.now)
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    setattr(run.world, name, refused)
    return times


def live() -> Run:
    run = Run().go(1)
    assert run.keeping.summary == "live" and run.world.allowed
    return run


def test_a_mount_comes_into_service():
    assert live().world.told == ["mount-live"]


@pytest.mark.parametrize(("starved", "serves"), [
    ("check_store", False), ("start", False), ("bring_in", False),
    ("probe", True), ("check_store", True), ("probe_through", True), ("publish", True),
])
def test_a_kernel_that_has_no_process_for_the_keeper_costs_no_mount(starved, serves):
    """Of a mount that could not be asked nothing is known: it is neither given up nor, where it was to come, forgotten."""
    run = live() if serves else Run()
    if starved == "publish":
        run.keeping.rebind()
    tries = refuse(run, starved)
    run.go(70)
    assert len(tries) > 1 and not run.world.deaths and run.world.alive == ({run.keeping.pid} - {0})
    assert 1 <= run.world.told.count("keeper-starved") <= 3
    delattr(run.world, starved)
    run.go(70)
    assert run.keeping.summary == "live" and run.world.allowed and not run.world.deaths and len(run.world.alive) == 1


def test_a_store_that_is_back_when_the_kernel_has_no_process_opens_the_door_soon_after():
    run = live()
    run.world.store = GONE
    run.go(70)
    run.world.store = dict(OK)
    tries = refuse(run, "probe_through")
    run.go(10)
    assert tries and not run.world.allowed
    del run.world.probe_through
    assert run.go(5).world.allowed


def test_a_killed_mount_is_back_at_once():
    run = live()
    run.crash()
    assert not run.world.allowed and not run.world.bound and run.keeping.summary == "dead"
    run.go(1)
    assert run.keeping.summary == "live" and run.keeping.counters.heals == 1
    assert run.world.deaths == [("the mount's process was killed by signal 9", -9)]


def test_one_that_is_killed_again_and_again_waits_longer_but_never_long():
    run = live()
    waits = []
    for _dummy in range(8):
        run.crash()
        start = run.now
        while run.keeping.summary != "live":
            run.go(0.1)
        waits.append(run.now - start)
    assert waits[0] < 1 < waits[-1] and max(waits) < 6


@pytest.mark.parametrize(("answer", "stalled", "seconds"), [
    (Work(error="no answer within 5 s", timed_out=True), True, 2.5),
    (Work(error="Transport endpoint is not connected"), True, 2.5),
    (Work(error="no answer within 5 s", timed_out=True), False, 3),
])
def test_a_mount_that_hangs_is_replaced(answer, stalled, seconds):
    run = live()
    run.world.answers, run.world.stalled = answer, stalled
    run.go(seconds)
    assert run.world.deaths
    run.world.answers = Work()
    assert run.go(5).keeping.summary == "live"


def test_a_busy_mount_is_given_time():
    run = live()
    silences = [Work(error="no answer within 5 s", timed_out=True) for _dummy in range(3)]
    run.world.probe, run.world.stalled = lambda mount: silences.pop() if silences else Work(), False
    assert not run.go(10).world.deaths and not silences


def test_a_store_that_is_gone_closes_the_door_and_keeps_the_mount():
    run = live()
    run.world.store = GONE
    run.go(20)
    assert run.keeping.summary == "dead" and run.keeping.reason == GONE["reason"]
    assert run.world.bound and not run.world.allowed and not run.world.deaths
    run.world.store = dict(OK)
    run.go(5)
    assert run.keeping.summary == "live" and run.world.allowed and run.world.told[-2:] == ["store-lost", "store-back"]


def test_a_bucket_that_is_gone_is_taken_out_of_service():
    run = live()
    run.world.store = NO
    run.go(40)
    assert run.keeping.summary == "dead" and not run.world.bound and run.keeping.reason == NO["reason"]


@pytest.mark.parametrize("answer", [GONE, NO])
def test_what_the_store_refuses_is_never_mounted(answer):
    run = Run(store=answer).go(60)
    assert run.keeping.summary == "dead" and run.keeping.reason == answer["reason"]
    assert next(run.world.pids) == 100
    run.world.store = dict(OK)
    assert run.go(31).keeping.summary == "live"


def test_a_mount_whose_store_answers_and_that_does_not_is_replaced():
    run = live()
    run.world.reads = Work(error="Input/output error")
    run.go(20)
    assert run.world.deaths == [("the store answers, the mount does not: Input/output error", None)]


def test_one_that_does_not_mount_is_tried_again():
    run = Run(mounts=False).go(31)
    assert run.keeping.summary == "dead" and "nothing was mounted within 30 s" in run.keeping.reason
    run.world.mounts = True
    assert run.go(40).keeping.summary == "live"


def test_one_that_does_not_work_is_not_served():
    run = Run(comes_up=Work(error="Input/output error")).go(20)
    assert run.keeping.summary == "dead" and not run.world.allowed


def test_a_place_that_cannot_be_made_free_is_not_mounted_on():
    run = Run(leftover="busy").go(5)
    assert run.keeping.summary == "dead" and run.keeping.reason == "busy" and next(run.world.pids) == 100


def test_an_end_on_purpose_is_no_death():
    run = live()
    run.keeping.stop(run.now)
    assert not run.world.bound
    run.go(6)
    assert run.keeping.gone and not run.world.deaths


def test_new_users_are_bound_and_let_in():
    run = live()
    run.world.allowed = False
    run.keeping.rebind()
    assert run.keeping.summary == "starting"
    assert run.go(1).world.allowed and run.keeping.summary == "live"


@pytest.mark.parametrize(("failures", "longest", "free", "seconds"), [
    (1, 30, True, 0), (2, 30, True, 0.5), (3, 30, True, 1), (1, 30, False, 0.5), (7, 30, False, 30), (99, 30, False, 30), (9, 4, True, 4),
])
def test_the_back_off(failures, longest, free, seconds):
    assert mounts.backoff(failures, longest, free) == seconds
