# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fifty starters for one lock, a thousand rounds: exactly one of them runs."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from sabakan_exclusive.lock import Held, Lock

from .conftest import Wrapped

STARTERS = 50
# A minute on two busy cores.
ROUNDS = int(os.environ.get("SABAKAN_RACE_ROUNDS", "1000"))
PROGRAM_ROUNDS = int(os.environ.get("SABAKAN_RACE_PROGRAM_ROUNDS", "1"))


def starter(data: str, barrier: Barrier, inside: Any, wins: Any, overlaps: Any) -> None:
    for number in range(ROUNDS):
        lock = Lock(data, frozenset({"overlay"}), "")
        barrier.wait(60)
        try:
            lock.acquire(0)
        except Held:
            won = False
        else:
            won = True
            with inside.get_lock():
                inside.value += 1
                overlaps.value += inside.value > 1
            with wins.get_lock():
                wins[number] += 1
        # Nobody lets go before all have tried.
        barrier.wait(60)
        if won:
            with inside.get_lock():
                inside.value -= 1
            os.close(lock.descriptor)


def test_exactly_one_of_fifty_gets_the_lock_in_every_round(wrapped: Wrapped) -> None:
    context = multiprocessing.get_context("fork")
    barrier, inside = context.Barrier(STARTERS), context.Value("i", 0)
    wins, overlaps = context.Array("i", ROUNDS), context.Value("i", 0)
    processes = [
        context.Process(target=starter, args=(str(wrapped.data), barrier, inside, wins, overlaps)) for dummy in range(STARTERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
    assert [process.exitcode for process in processes] == [0] * STARTERS
    assert (list(wins), overlaps.value) == ([1] * ROUNDS, 0)


@pytest.mark.parametrize("number", range(PROGRAM_ROUNDS))
def test_exactly_one_of_fifty_programs_runs_its_command(wrapped: Wrapped, number: int) -> None:
    # The command ends when the last of the others was refused, so that nobody may win after it.
    starts = [wrapped.start("sh", "-c", f"echo $$ >> {wrapped.data}/ran; exec sleep 60") for dummy in range(STARTERS)]
    codes = [process.wait(60) for process in starts if not running_last(process, starts)]
    assert codes == [75] * (STARTERS - 1)
    assert len((wrapped.data / "ran").read_text().split()) == 1


def running_last(process: Any, starts: list[Any]) -> bool:
    """Whether this is the one that runs: all others have ended."""
    while process.poll() is None:
        if all(other.poll() is not None for other in starts if other is not process):
            return True
        time.sleep(0.02)
    return False
