# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis as the store of a lease: compare and set by a script, over a plain socket."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
from typing import Any, BinaryIO

from sabakan_exclusive.lease import Conflict, Unavailable, record_of

REPLACE = "if redis.sha1hex(redis.call('get', KEYS[1]) or '') ~= ARGV[1] then return 0 end redis.call('set', KEYS[1], ARGV[2]) return 1"
LONGEST = 1 << 20


class Refusal(Exception):
    """An answer that is an error."""


def encode(words: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def decode(stream: BinaryIO) -> Any:
    """One answer; raises Refusal for an error, ValueError for what is no RESP, EOFError when it is cut off."""
    line = stream.readline(LONGEST)
    if not line.endswith(b"\r\n"):
        raise EOFError("the answer is cut off")
    kind, text = line[:1], line[1:-2]
    if kind == b"-":
        raise Refusal(text.decode(errors="replace"))
    if kind == b"+":
        return text
    if kind == b":":
        return int(text)
    if kind == b"$":
        size = int(text)
        if size < 0:
            return None
        if size > LONGEST:
            raise ValueError(f"an answer of {size} bytes")
        body = stream.read(size + 2)
        if len(body) != size + 2:
            raise EOFError("the answer is cut off")
        return body[:-2]
    raise ValueError(f"no RESP: {line[:40]!r}")


class Store:
    """read, create and replace of a JSON value, by its SHA-1. It has no expiry: the fencing token must never go back."""

    def __init__(self, settings: dict[str, Any], timeout: float) -> None:
        self.address = (str(settings["host"]), int(settings.get("port") or 6379))
        self.key = str(settings["key"]).encode()
        self.user, self.timeout = str(settings.get("user") or ""), timeout
        self.password = str(settings.get("password") or "")
        self.tls = ssl.create_default_context(cafile=settings.get("ca_file") or None) if settings.get("tls") else None

    def _do(self, *words: bytes) -> Any:
        name = f"{self.address[0]}:{self.address[1]}"
        try:
            with socket.create_connection(self.address, self.timeout) as plain:
                connection = self.tls.wrap_socket(plain, server_hostname=self.address[0]) if self.tls else plain
                with connection.makefile("rwb") as both:
                    if self.password:
                        user = [self.user.encode()] if self.user else []
                        _ask(both, [b"AUTH", *user, self.password.encode()])
                    return _ask(both, list(words))
        except (OSError, EOFError, ValueError, Refusal) as error:
            raise Unavailable(f"{name}: {error}") from error

    def read(self) -> tuple[str, dict[str, Any]] | None:
        value = self._do(b"GET", self.key)
        if value is None:
            return None
        return _etag(value), record_of(value, self.key.decode())

    def create(self, record: dict[str, Any]) -> str:
        value = json.dumps(record).encode()
        if self._do(b"SET", self.key, value, b"NX") is None:
            raise Conflict
        return _etag(value)

    def replace(self, etag: str, record: dict[str, Any]) -> str:
        value = json.dumps(record).encode()
        if self._do(b"EVAL", REPLACE.encode(), b"1", self.key, etag.encode(), value) != 1:
            raise Conflict
        return _etag(value)


def _ask(both: BinaryIO | Any, words: list[bytes]) -> Any:
    both.write(encode(words))
    both.flush()
    return decode(both)


def _etag(value: bytes) -> str:
    return hashlib.sha1(value, usedforsecurity=False).hexdigest()
