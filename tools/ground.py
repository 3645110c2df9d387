"""Paths, progress and commands: what the other parts of the development entry stand on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Absolute: commands run in other directories than the one that it was given in.
CACHE = Path(os.environ.get("SABAKAN_CACHE") or Path.home() / ".cache" / "sabakan").expanduser().absolute()
LOGS = CACHE / "logs"
STARTED = time.monotonic()
HEARTBEAT = 15  # seconds between signs of life of a long step
_running: set[subprocess.Popen[bytes]] = set()


class Failure(Exception):
    """A step that failed: what, where, and the next thing to try."""

    def __init__(self, what: str, next_step: str = "", log: Path | None = None) -> None:
        super().__init__(what)
        self.next_step = next_step
        self.log = log


def ensure_cache() -> None:
    """Failure where nothing can be kept, as with a home that is read-only."""
    try:
        LOGS.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=LOGS).close()
    except OSError as error:
        raise Failure(f"nothing can be kept below {LOGS}: {error.strerror}", "SABAKAN_CACHE=DIRECTORY before the same command, for another place") from error


def ensure_output(output: str) -> None:
    """Failure where a file cannot be written in the end, before what would be lost then is done."""
    path = Path(output)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise Failure(f"--output {output} cannot be written", "a file in a directory that is there")


def say(text: str) -> None:
    """One line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


def tail(log: Path, lines: int = 25) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def run(
    command: Sequence[str | Path],
    *,
    label: str = "",
    log: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    next_step: str = "",
) -> Path:
    """Runs a command with its output in a log file, a sign of life now and then; Failure when it exits non-zero."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log or Path(command[0]).name}.log"
    started = shown = time.monotonic()
    if label:
        say(label)
    with path.open("wb") as stream:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, cwd=cwd, env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        _running.add(process)
        while process.poll() is None:
            time.sleep(0.1)
            if label and time.monotonic() - shown > HEARTBEAT:
                shown = time.monotonic()
                say(f"  still at it after {shown - started:.0f} s: {label}")
        _running.discard(process)
    if process.returncode:
        raise Failure(f"{label or command[0]}: exit code {process.returncode}", next_step, path)
    return path


def end_commands() -> None:
    """Ends what run() has under way, with all that it started: left alone it would go on beside the next run."""
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def answers(command: Sequence[str]) -> bool:
    """Whether a command can be run and exits zero."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def report(failure: Failure) -> None:
    """Tells of a failure on standard error, with the end of its log."""
    if failure.log:
        print(tail(failure.log), file=sys.stderr)
    print(f"\nsabakan: {failure}", file=sys.stderr)
    if failure.log:
        print(f"  whole output: {failure.log}", file=sys.stderr)
    if failure.next_step:
        print(f"  next: {failure.next_step}", file=sys.stderr)
