# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Telling someone: on the console and in the journal always, by a command or a webhook if there is one.

What could not be delivered is kept and tried again at the next opportunity.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from sabakan_reboot import journal, programs
from sabakan_reboot.settings import Settings

KEPT = 50
TIMEOUT = 15
# The kernel takes 128 KiB for one variable, and a character may have four bytes. The message on standard input is whole.
VARIABLE = 30_000
Message = dict[str, Any]


def say(text: str, alert: bool = False) -> None:
    """The number is the priority for journald."""
    print(f"{'<3>' if alert and not sys.stderr.isatty() else ''}sabakan-reboot: {text}", file=sys.stderr, flush=True)


class Teller:
    def __init__(self, asked: Settings, secrets: dict[str, Any]) -> None:
        self.asked, self.webhook = asked, str(secrets.get("webhook") or "")
        self.places = [Path(asked.state) / "undelivered", Path(asked.runtime) / "undelivered"]

    def alert(self, text: str) -> None:
        say(text, alert=True)
        self.deliver({"host": self.asked.host, "text": f"{self.asked.host}: {text}",
                      "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})

    def deliver(self, *messages: Message) -> None:
        """Those that waited first; what fails waits on, where there is room: on the disk, else in memory."""
        waiting = [*self._waiting(), *messages]
        left = [message for message in waiting if not self._send(message)][-KEPT:]
        if left == waiting and not messages:
            return
        kept = self._keep(left) if left else None
        for place in self.places if kept or not left else []:
            if place != kept:
                with contextlib.suppress(OSError):
                    place.unlink()

    def _keep(self, messages: list[Message]) -> Path | None:
        for place in self.places:
            with contextlib.suppress(OSError):
                place.parent.mkdir(parents=True, exist_ok=True)
                journal.write_atomically(place, json.dumps(messages))
                return place
        return None

    def _waiting(self) -> list[Message]:
        found: list[Message] = []
        for place in self.places:
            with contextlib.suppress(OSError, ValueError):
                found += [one for one in json.loads(place.read_text(encoding="utf-8")) if isinstance(one, dict)]
        return found

    def _send(self, message: Message) -> bool:
        sent = True
        for hook in self.asked.notify:
            ended = programs.run(hook.argv, hook.timeout, json.dumps(message), {"SABAKAN_TEXT": message["text"].replace("\0", " ")[:VARIABLE]})
            if ended.code != 0:
                sent = False
                say(f"{hook.name} did not deliver: {ended.text or f'exit code {ended.code}'}", alert=True)
        if self.webhook:
            request = urllib.request.Request(self.webhook, json.dumps(message).encode(), {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT):
                    pass
            except (OSError, ValueError, http.client.HTTPException) as error:
                sent = False
                # Not the URL: it is the secret.
                say(f"the webhook did not take it: {type(error).__name__} {getattr(error, 'code', '') or getattr(error, 'reason', '')}", alert=True)
        return sent
