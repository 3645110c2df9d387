# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keeper's socket: one line of JSON each way. That it answers is itself the proof that the keeper is not stuck."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 4 * 1024**2


class Silent(Exception):
    """No keeper answers."""


class Control:
    def __init__(self, path: Path, answer: Callable[[str], dict[str, Any]]) -> None:
        self.path, self.answer = path, answer
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self.socket.bind(str(path))
        os.chmod(path, 0o600)
        self.socket.listen(16)
        self.socket.setblocking(False)

    def fileno(self) -> int:
        return self.socket.fileno()

    def serve(self) -> None:
        """Answers who is there. One that is slow is left, so that it holds nothing up."""
        try:
            connection, dummy = self.socket.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError, UnicodeDecodeError):
            connection.settimeout(0.5)
            words = connection.recv(64).decode().strip()
            connection.sendall(json.dumps(self.answer(words)).encode() + b"\n")


def ask(path: Path, words: str, timeout: float = 5.0) -> dict[str, Any]:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(f"{words}\n".encode())
            data = b""
            while part := connection.recv(65536):
                data += part
                if len(data) > LONGEST:
                    break
        return json.loads(data)
    except (OSError, ValueError) as error:
        raise Silent(f"no keeper answers at {path}: {getattr(error, 'strerror', None) or error}") from error
