# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One object of an S3 store, written only if it is still what was read: compare and set."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import ssl
import time
from typing import Any
from urllib.parse import quote, urlsplit

from sabakan_exclusive.lease import Conflict, Unavailable, Unsuitable


def authorization(method: str, host: str, path: str, payload: str, region: str, keys: tuple[str, str], stamp: str) -> str:
    """The Authorization header of AWS Signature Version 4 over the headers host, x-amz-content-sha256 and x-amz-date."""
    signed = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{stamp}\n\n{signed}\n{payload}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{keys[1]}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders={signed}, Signature={signature}"


# What is an answer and not a failure. 409: S3 saw two conditional writes at once and did neither for sure.
REFUSALS = {"GET": (404,), "PUT": (409, 412)}


class Store:
    """read, create and replace of a JSON object, by ETag."""

    def __init__(self, settings: dict[str, Any], timeout: float) -> None:
        self.endpoint = urlsplit(settings["endpoint"])
        self.path = quote(f"{self.endpoint.path.rstrip('/')}/{settings['bucket']}/{settings['key']}")
        self.region = settings.get("region") or "us-east-1"
        self.keys = (settings["access_key"], settings["secret_key"])
        self.tls = ssl.create_default_context(cafile=settings.get("ca_file") or None)
        self.timeout = timeout

    def _request(self, method: str, body: bytes = b"", headers: dict[str, str] | None = None, suffix: str = "",
                 ) -> tuple[int, str, bytes]:
        host, path = self.endpoint.netloc, self.path + suffix
        connection: http.client.HTTPConnection
        if self.endpoint.scheme == "https":
            connection = http.client.HTTPSConnection(host, timeout=self.timeout, context=self.tls)
        else:
            connection = http.client.HTTPConnection(host, timeout=self.timeout)
        payload, stamp = hashlib.sha256(body).hexdigest(), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        sent = {
            "x-amz-content-sha256": payload, "x-amz-date": stamp, "Content-Type": "application/json", **(headers or {}),
            "Authorization": authorization(method, host, path, payload, self.region, self.keys, stamp),
        }
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self.endpoint.netloc}: {error}") from error
        finally:
            connection.close()
        if response.status < 300 or response.status in REFUSALS[method]:
            return response.status, response.headers.get("ETag", ""), answer
        raise Unavailable(f"{self.endpoint.netloc} answered {response.status}: {answer[:200].decode(errors='replace')}")

    def read(self) -> tuple[str, dict[str, Any]] | None:
        status, etag, answer = self._request("GET")
        if status == 404:
            if b"NoSuchBucket" in answer:
                raise Unavailable(f"{self.endpoint.netloc} has no bucket for {self.path}")
            return None
        try:
            return etag, json.loads(answer)
        except ValueError as error:
            raise Unavailable(f"{self.path} holds no lease: {error}") from error

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
            raise Unsuitable(f"{self.endpoint.netloc} ignores {next(iter(headers))} on writes: it cannot carry a lease")
