# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One object of an S3 store, written only if it is still what was read: compare and set."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from sabakan_exclusive._s3_request import Endpoint, NoAnswer
from sabakan_exclusive.lease import Conflict, Unavailable, Unsuitable, record_of

# What is an answer and not a failure. 409: S3 saw two conditional writes at once and did neither for sure.
REFUSALS = {"GET": (404,), "PUT": (409, 412)}


class Store:
    """read, create and replace of a JSON object, by ETag."""

    def __init__(self, settings: dict[str, Any], timeout: float) -> None:
        keys = (settings["access_key"], settings["secret_key"], "")
        self.endpoint = Endpoint(settings["endpoint"], settings.get("region") or "us-east-1", keys, timeout, settings.get("ca_file") or "")
        self.path = f"{settings['bucket']}/{settings['key']}"

    def _request(self, method: str, body: bytes = b"", headers: dict[str, str] | None = None, suffix: str = "",
                 ) -> tuple[int, str, bytes]:
        try:
            answer = self.endpoint.request(method, self.path + suffix, headers={"Content-Type": "application/json", **(headers or {})}, body=body)
        except NoAnswer as error:
            raise Unavailable(f"{self.endpoint.host}: {error}") from error
        if answer.status < 300 or answer.status in REFUSALS[method]:
            return answer.status, answer.headers.get("ETag", ""), answer.body
        raise Unavailable(f"{self.endpoint.host} answered {answer.status}: {answer.body[:200].decode(errors='replace')}")

    def read(self) -> tuple[str, dict[str, Any]] | None:
        status, etag, answer = self._request("GET")
        if status == 404:
            if b"NoSuchBucket" in answer:
                raise Unavailable(f"{self.endpoint.host} has no bucket for {self.path}")
            return None
        return etag, record_of(answer, self.path)

    def _write(self, record: dict[str, Any], headers: dict[str, str], suffix: str = "") -> str:
        status, etag, dummy = self._request("PUT", json.dumps(record).encode(), headers, suffix)
        if status >= 300:
            raise Conflict
        return etag

    def create(self, record: dict[str, Any]) -> str:
        return self._write(record, {"If-None-Match": "*"})

    def replace(self, etag: str, record: dict[str, Any]) -> str:
        return self._write(record, {"If-Match": etag})

    def probe(self) -> None:
        """Raises Unsuitable if the store writes what a condition forbids: some take the headers and ignore them."""
        suffix = ".probe"
        with contextlib.suppress(Conflict):
            self._write({}, {"If-None-Match": "*"}, suffix)
        for headers in ({"If-None-Match": "*"}, {"If-Match": '"00000000000000000000000000000000"'}):
            try:
                self._write({}, headers, suffix)
            except Conflict:
                continue
            raise Unsuitable(f"{self.endpoint.host} ignores {next(iter(headers))} on writes: it cannot carry a lease")
