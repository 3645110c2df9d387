"""Jobs with needs, two at a time, each with a log of its own; one line when a job ends, its log when it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.ground import Failure, say, tail

WORKERS = 2  # the machines that this is made for have two cores
FAILED_LINES = 80


@dataclass
class Job:
    """`action` raises Failure when it fails. A job whose need failed is not run and counts as failed."""

    name: str
    action: Callable[[], None]
    needs: Sequence[str] = ()
    counted: bool = True  # preparation is not a test
    state: str = field(default="waiting", init=False)
    seconds: float = field(default=0.0, init=False)


def _ready(job: Job, jobs: dict[str, Job]) -> bool:
    return job.state == "waiting" and all(jobs[need].state not in ("waiting", "running") for need in job.needs if need in jobs)


def _run(job: Job, jobs: dict[str, Job]) -> None:
    lacking = [need for need in job.needs if need in jobs and jobs[need].state == "failed"]
    if lacking:
        job.state = "failed"
        say(f"FAIL {job.name}: not run, {', '.join(lacking)} failed")
        return
    started = time.monotonic()
    say(f"START {job.name}")
    try:
        job.action()
        job.state = "passed"
    except Failure as failure:
        job.state = "failed"
        if failure.log:
            print(tail(failure.log, FAILED_LINES), flush=True)
        say(f"FAIL {job.name}: {failure}" + (f"; {failure.next_step}" if failure.next_step else ""))
    except Exception as error:  # noqa: BLE001 - a bug here must not look like a pass
        job.state = "failed"
        say(f"FAIL {job.name}: {type(error).__name__}: {error}")
    job.seconds = time.monotonic() - started
    if job.state == "passed":
        say(f"PASS {job.name} ({job.seconds:.0f} s)")


def run_all(jobs: Sequence[Job]) -> bool:
    """Runs all jobs; prints a line each and the summary; whether all passed."""
    table = {job.name: job for job in jobs}
    lock = threading.Condition()

    def work() -> None:
        while True:
            with lock:
                while True:
                    if all(job.state not in ("waiting",) for job in jobs):
                        return
                    job = next((one for one in jobs if _ready(one, table)), None)
                    if job:
                        job.state = "running"
                        break
                    lock.wait(1)
            _run(job, table)
            with lock:
                lock.notify_all()

    workers = [threading.Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    counted = [job for job in jobs if job.counted or job.state == "failed"]
    print()
    for job in jobs:
        print(f"  {job.state:7} {job.seconds:6.0f} s  {job.name}")
    passed = sum(job.state == "passed" for job in counted)
    print(f"\nsabakan: {passed} passed, {len(counted) - passed} failed", flush=True)
    return passed == len(counted)
