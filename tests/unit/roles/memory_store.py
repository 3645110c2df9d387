# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of a lease, for the tests of whoever takes one."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "roles" / "exclusive_lock" / "files"))
from sabakan_exclusive.lease import Conflict, Unavailable  # noqa: E402


class Store:
    """Compare and set in memory; it can stop answering, before or after the write."""

    def __init__(self) -> None:
        self.object: tuple[str, dict[str, Any]] | None = None
        self.answers, self.writes_unanswered = True, False
        self.etags = (str(number) for number in itertools.count(1))

    def read(self) -> tuple[str, dict[str, Any]] | None:
        if not self.answers:
            raise Unavailable("no answer")
        return self.object

    def _set(self, expected: str | None, record: dict[str, Any]) -> str:
        if (self.read() or (None,))[0] != expected:
            raise Conflict
        self.object = (next(self.etags), dict(record))
        if self.writes_unanswered:
            self.writes_unanswered = False
            raise Unavailable("the answer was lost")
        return self.object[0]

    def create(self, record: dict[str, Any]) -> str:
        return self._set(None, record)

    def replace(self, etag: str, record: dict[str, Any]) -> str:
        return self._set(etag, record)
