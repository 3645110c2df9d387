# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from sabakan_sftp.loop import LINE, Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    yield Loop()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def turn_until(loop: Loop, condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        loop.turn(0.05)


def test_a_job_tells_its_value_and_is_forgotten(loop):
    job = loop.job(lambda one, two: {"sum": one + two}, 1, 2, timeout=10)
    turn_until(loop, lambda: job.done)
    assert (job.value, job.error, loop.jobs) == ({"sum": 3}, "", {}) and not loop.selector.get_map()


def test_a_job_that_hangs_is_ended_at_its_time(loop):
    job = loop.job(time.sleep, 60, timeout=0.2)
    turn_until(loop, lambda: job.done)
    assert job.timed_out and not loop.jobs


def test_a_job_for_which_there_is_no_process_leaves_nothing_behind(loop, monkeypatch):
    def refuse():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", refuse)
        with pytest.raises(BlockingIOError):
            loop.job(time.sleep, 1, timeout=1)
    assert os.listdir("/proc/self/fd") == before and not loop.jobs


@pytest.mark.parametrize(("written", "lines"), [
    ([b"one\ntwo\n"], ["one", "two"]), ([b"on", b"e\n", b"rest"], ["one", "rest"]), ([b"\n \n"], []), ([b"\xff\n"], ["\\xff"]),
    ([b"x" * (LINE + 10)], ["x" * LINE]),
])
def test_what_is_written_comes_out_in_lines(loop, written, lines):
    heard: list[str] = []
    writer = loop.output(heard.append)
    for part in written:
        os.write(writer, part)
        loop.turn(0.01)
    os.close(writer)
    turn_until(loop, lambda: not loop.selector.get_map())
    assert heard == lines


def test_the_end_of_a_process_is_heard_once(loop):
    process, heard = subprocess.Popen(["sleep", "60"]), []
    assert loop.watch(process.pid, lambda: heard.append(1))
    process.kill()
    turn_until(loop, lambda: heard)
    process.wait()
    loop.turn(0.05)
    assert heard == [1] and not loop.watch(process.pid, lambda: heard.append(2))


def test_a_signal_ends_the_wait(loop):
    loop.take_signals(signal.SIGUSR1)
    began = time.monotonic()
    os.kill(os.getpid(), signal.SIGUSR1)
    loop.turn(5)
    assert loop.signals == {signal.SIGUSR1} and time.monotonic() - began < 2


def test_what_an_earlier_one_of_the_same_turn_forgot_is_not_done(loop):
    """Both ends are readable; the first that is heard closes the other, whose number may be another thing's by then."""
    pairs = [os.pipe(), os.pipe()]
    heard: list[int] = []

    def hear(number: int) -> Callable[[], None]:
        def done() -> None:
            heard.append(number)
            for reader, _writer in pairs:
                loop.forget(reader)
        return done

    for number, (reader, writer) in enumerate(pairs):
        loop.listen(reader, hear(number))
        os.write(writer, b"x")
    loop.turn(1)
    assert len(heard) == 1
