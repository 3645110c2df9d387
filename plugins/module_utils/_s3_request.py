# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request to an S3 store, signed with AWS Signature Version 4. Standard library only: programs that stay on hosts ship this file."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urlsplit


class NoAnswer(Exception):
    """The store did not answer; what was asked may or may not have been done."""


class Answer(NamedTuple):
    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


def quoted(text: str, safe: str = "") -> str:
    """As S3 signs it. Of bytes that are no UTF-8, which file names may have, a store says itself what it thinks."""
    return quote(text, safe=f"{safe}~", errors="surrogateescape")


def canonical_query(query: Mapping[str, str]) -> str:
    """In the order of what is sent, which differs from that of the plain text."""
    return "&".join(f"{name}={value}" for name, value in sorted((quoted(name), quoted(value)) for name, value in query.items()))


def sign(method: str, path: str, query: str, headers: Mapping[str, str], region: str, keys: tuple[str, str]) -> str:
    """The Authorization header over all these headers; x-amz-date and x-amz-content-sha256 are among them. path and query are quoted."""
    names = ";".join(sorted(name.lower() for name in headers))
    lines = "".join(f"{name}:{value}\n" for name, value in sorted((name.lower(), " ".join(value.split())) for name, value in headers.items()))
    stamp, payload = headers["x-amz-date"], headers["x-amz-content-sha256"]
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{keys[1]}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={signature}"


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


class Endpoint:
    """Where a store is and who asks.

    keys: access key, secret key and session token, which may be empty; None for requests that are not signed.
    Raises ValueError for a URL that names no host, as the loopback would be asked then.
    """

    def __init__(self, url: str, region: str, keys: tuple[str, str, str] | None, timeout: float, ca_file: str = "", host: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise ValueError(f"{url!r} is no address of a store; expected is https://NAME or https://NAME:PORT")
        self.host, self.path = host or parts.netloc, parts.path.rstrip("/")
        self.region, self.keys, self.timeout = region, keys, timeout
        self.tls = ssl.create_default_context(cafile=ca_file or None) if parts.scheme == "https" else None

    def _connect(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.host, timeout=self.timeout)
        return http.client.HTTPSConnection(self.host, timeout=self.timeout, context=self.tls)

    def request(self, method: str, path: str, query: Mapping[str, str] | None = None,
                headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """path begins below that of the URL and is plain text. Whatever the status is, it is an answer."""
        target, words = quoted(f"{self.path}/{path}", "/"), canonical_query(query or {})
        sent = {
            "Host": self.host, "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), **(headers or {}),
        }
        if self.keys:
            if self.keys[2]:
                sent["x-amz-security-token"] = self.keys[2]
            sent["Authorization"] = sign(method, target, words, sent, self.region, self.keys[:2])
        connection = self._connect()
        try:
            connection.request(method, f"{target}?{words}" if words else target, body=body or None, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, response.reason, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(getattr(error, "strerror", None) or str(error) or repr(error)) from error
        finally:
            connection.close()
