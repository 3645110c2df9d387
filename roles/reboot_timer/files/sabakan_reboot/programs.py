# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs, which may fail, hang, or leave children behind that hold their output open."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import BinaryIO

from sabakan_reboot.decide import HOLD, PASS, UNKNOWN, Finding
from sabakan_reboot.settings import Hook

TEXT = 4000


@dataclass(frozen=True)
class Ended:
    code: int | None  # None: it did not end by itself, or could not be started
    text: str


def _memory(content: bytes = b"") -> BinaryIO:
    """A file that needs no disk: someone has to be told, and the timer masked, just when that is full or read-only."""
    file = open(os.memfd_create("sabakan-reboot"), "w+b")  # noqa: SIM115 - the caller closes it
    file.write(content)
    file.seek(0)
    return file


def run(argv: list[str], timeout: float, stdin: str = "", environment: dict[str, str] | None = None) -> Ended:
    """Output goes to a file, not to a pipe that a child could hold open; at the end of the time the whole group is killed."""
    with _memory() as output, _memory(stdin.encode()) as given:
        try:
            process = subprocess.Popen(
                argv, stdin=given, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            return Ended(None, f"{argv[0]}: {error.strerror}")
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        text = output.read(TEXT).decode(errors="replace").strip()
    return Ended(code, text if code is not None else f"it did not end within {timeout:g} s and was killed; {text}".rstrip("; "))


def output(argv: list[str], timeout: float = 30) -> str:
    """Of a program that must succeed; raises OSError otherwise. Long output is not cut."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{' '.join(argv)}: no answer in {timeout:g} s") from error
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: exit code {done.returncode}, {done.stderr.strip()[:200]}")
    return done.stdout


def ask(blocker: Hook) -> Finding:
    """0: no objection; 1: it objects; anything else is not known."""
    ended = run(blocker.argv, blocker.timeout)
    name = f"blocker {blocker.name}"
    line = ended.text.splitlines()[0] if ended.text else ""
    if ended.code in (0, 1):
        return Finding(name, HOLD if ended.code else PASS, line or ("objects" if ended.code else "no objection"))
    return Finding(name, UNKNOWN, line if ended.code is None else f"exit code {ended.code} {line}".rstrip())
