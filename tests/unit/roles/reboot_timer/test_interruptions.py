# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole run that is cut off anywhere, and what the next one makes of it."""

from __future__ import annotations

import os

import pytest
from sabakan_reboot import evidence, gate, host, journal, redis

from .bench import DAY


class Killed(BaseException):
    """The power goes."""


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_disk_that_is_full_at_any_write_does_not_reboot(bench, monkeypatch, at):
    """The n-th write fails, and all after it."""
    count = 0
    for allowed in range(40):
        bench.log.write_text("")
        made = [0]
        real = getattr(os, at)

        def failing(*arguments, made=made, allowed=allowed, real=real):  # pylint: disable=dangerous-default-value
            made[0] += 1
            if made[0] > allowed:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(os, at, failing)
            code = bench.run()
        if code == gate.YES:
            break
        count += 1
        assert code == gate.UNKNOWN and "reboot" not in bench.done and "No space left" in bench.mail
        assert bench.done in ([], ["drain", "undrain"], ["undrain"])
        # Ended later, when there is room again.
        bench.up += gate.ORDERED + 1
        bench.gate.verify()
        assert journal.pending(bench.gate.journal.read()) is None
        bench.gate.note("armed")
    assert code == gate.YES and count >= 3


def test_a_power_cut_anywhere_ends_right(bench, monkeypatch):
    """Killed at the n-th write; then the host boots, and the next run is as any other."""
    cuts = 0
    for allowed in range(40):
        made = [0]
        real = os.replace

        def cut(*arguments, made=made, allowed=allowed, real=real):  # pylint: disable=dangerous-default-value
            made[0] += 1
            if made[0] > allowed:
                raise Killed
            return real(*arguments)

        bench.up, ended = 2.0 * DAY, False
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", cut)
            try:
                ended = bench.run() == gate.YES
            except Killed:
                cuts += 1
        bench.reboots()
        assert bench.gate.verify() == gate.YES
        assert journal.pending(bench.gate.journal.read()) is None
        assert bench.store.object is None or bench.store.object[1]["released"] or not bench.store.object[1]["kept"]
        # As an operator would, so that the budget of this test does not end.
        bench.gate.note("armed")
        if ended:
            break
    assert ended and cuts >= 3


def test_an_interrupted_run_is_ended_in_the_same_boot(bench):
    mine = bench.gate.own_turn()
    mine.acquire(0)
    bench.gate.note("attempt", why=["x"], lock=mine.saved(), token=1)
    assert bench.gate.verify() == gate.YES
    assert bench.events[-1] == "abandoned" and bench.done == ["undrain"] and bench.store.object[1]["released"]
    assert "interrupted before the reboot was ordered" in bench.mail


def test_a_reboot_that_never_begins_is_given_up(bench):
    bench.run()
    assert bench.gate.verify() == gate.YES and bench.events[-1] == "rebooting"
    bench.up += gate.ORDERED + 1
    assert bench.gate.verify() == gate.YES and bench.events[-1] == "abandoned" and bench.store.object[1]["released"]


def test_a_store_that_is_away_at_the_boot_is_tried_again(bench, monkeypatch):
    monkeypatch.setattr(gate.time, "sleep", bench.sleep)
    bench.run()
    bench.reboots()
    bench.store.answers = False
    assert bench.gate.verify() == gate.UNKNOWN and bench.events[-1] == "rebooting"
    bench.store.answers = True
    assert bench.gate.verify() == gate.YES and bench.events[-1] == "verified" and bench.store.object[1]["released"]


def test_a_second_one_at_work_is_refused(bench):
    with bench.gate.alone(0), pytest.raises(gate.Busy), bench.gate.alone(0):
        raise AssertionError("both")


@pytest.mark.parametrize("place", ["look", "request", "process"])
def test_a_signal_to_stop_is_no_failure_of_what_it_interrupts(place, monkeypatch):
    """What goes on after a failure, as a lock's store that is asked again, or evidence without one of the processes, must not after a signal."""
    def stop(*dummy, **more):
        gate._terminate(15, None)

    with pytest.raises(gate.Terminated):
        if place == "look":
            host.look(stop)
        elif place == "request":
            monkeypatch.setattr("socket.create_connection", stop)
            redis.Store({"host": "127.0.0.1", "key": "k"}, 1).read()
        else:
            monkeypatch.setattr("os.sysconf", stop)
            evidence.processes()


def test_a_run_that_is_stopped_when_it_looks_again_lets_the_lock_go(bench, monkeypatch):
    looks = []

    def gather(*arguments):
        looks.append(arguments)
        if len(looks) == 2:
            gate._terminate(15, None)
        return bench.gather(*arguments)

    monkeypatch.setattr(host, "gather", gather)
    with pytest.raises(gate.Terminated):
        bench.run()
    assert bench.store.object[1]["released"] and bench.done == []
