# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few S3 requests that the keeper needs, signed with AWS Signature Version 4. Standard library only."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from sabakan_sftp.config import Bucket

COPY_LIMIT = 5 * 1024**3
PART = 512 * 1024**2
KEYS = (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWSACCESSKEYID", "AWSSECRETACCESSKEY"))


class Unreachable(Exception):
    """No answer, or one that tells of trouble on the store's side; later it may be another."""


class Denied(Exception):
    """A definite no: the bucket, the key or the right to it is not there."""


def credentials(environment: Mapping[str, str]) -> tuple[str, str, str] | None:
    """(access key, secret, session token) of a mount's environment; None where it has none of its own."""
    for access, secret in KEYS:
        if environment.get(access) and environment.get(secret):
            return environment[access], environment[secret], environment.get("AWS_SESSION_TOKEN") or environment.get("AWSSESSIONTOKEN") or ""
    return None


def sign(method: str, path: str, query: str, headers: Mapping[str, str], region: str, keys: tuple[str, str]) -> str:
    """The Authorization header over all these headers; x-amz-date and x-amz-content-sha256 are among them."""
    names = ";".join(sorted(name.lower() for name in headers))
    lines = "".join(f"{name}:{value}\n" for name, value in sorted((name.lower(), value.strip()) for name, value in headers.items()))
    stamp, payload = headers["x-amz-date"], headers["x-amz-content-sha256"]
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{keys[1]}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def find(element: ElementTree.Element, name: str) -> str:
    """The text of a child, whatever its name space is."""
    return next((child.text or "" for child in element if child.tag.rpartition("}")[2] == name), "")


def _xml(body: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return ElementTree.Element("nothing")


class Store:
    """One bucket of one store."""

    def __init__(self, bucket: Bucket, environment: Mapping[str, str], timeout: float) -> None:
        self.bucket, self.timeout = bucket, timeout
        self.keys = credentials(environment)
        parts = urlsplit(bucket.endpoint or f"https://s3.{bucket.region}.amazonaws.com")
        virtual = not bucket.path_style and "." not in bucket.bucket
        self.secure = parts.scheme == "https"
        self.host = f"{bucket.bucket}.{parts.netloc}" if virtual else parts.netloc
        self.base = parts.path.rstrip("/") + ("" if virtual else f"/{bucket.bucket}")
        self.tls = None
        if self.secure:
            self.tls = ssl.create_default_context(cafile=bucket.ca_file or environment.get("AWS_CA_BUNDLE") or os.environ.get("AWS_CA_BUNDLE") or None)

    def request(self, method: str, key: str = "", query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
                body: bytes = b"") -> tuple[int, http.client.HTTPMessage, bytes]:
        """(status, headers, body) of an answer below 500; Unreachable otherwise."""
        path = quote(f"{self.base}/{key}", safe="/~")
        words = urlencode(sorted((query or {}).items()), quote_via=quote, safe="~")
        sent = {"Host": self.host, "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
                "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), **(headers or {})}
        if self.keys:
            if self.keys[2]:
                sent["x-amz-security-token"] = self.keys[2]
            sent["Authorization"] = sign(method, path, words, sent, self.bucket.region, self.keys[:2])
        connection: http.client.HTTPConnection
        if self.secure:
            connection = http.client.HTTPSConnection(self.host, timeout=self.timeout, context=self.tls)
        else:
            connection = http.client.HTTPConnection(self.host, timeout=self.timeout)
        try:
            connection.request(method, f"{path}?{words}" if words else path, body=body or None, headers=sent)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.host} does not answer: {getattr(error, 'strerror', None) or error or repr(error)}") from error
        finally:
            connection.close()
        if response.status >= 500 or response.status == 429:
            raise Unreachable(f"{self.host} answers {response.status} {response.reason}")
        return response.status, response.headers, answer

    def refuse(self, status: int, body: bytes) -> Denied:
        document = _xml(body)
        code, message = find(document, "Code") or f"status {status}", find(document, "Message")
        names = {"NoSuchBucket": f"bucket {self.bucket.bucket} does not exist", "InvalidAccessKeyId": "the access key is not known",
                 "SignatureDoesNotMatch": "the secret key is wrong", "AccessDenied": f"access to {self.bucket.bucket}/{self.bucket.prefix} is denied"}
        return Denied(f"{self.host}: {names.get(code, message or 'refused')} ({code})")

    def first(self, count: int = 20) -> list[dict[str, Any]]:
        """The first objects of the prefix: proof that the bucket, the keys and the right to list are there."""
        query = {"list-type": "2", "max-keys": str(count), "prefix": self.bucket.prefix}
        status, dummy, body = self.request("GET", query=query)
        if status >= 300:
            raise self.refuse(status, body)
        document = _xml(body)
        if not document.tag.endswith("ListBucketResult"):
            raise Unreachable(f"{self.host} does not speak S3: it answers {body[:60]!r}")
        contents = [child for child in document if child.tag.endswith("Contents")]
        return [{"key": find(one, "Key"), "size": int(find(one, "Size") or 0), "class": find(one, "StorageClass")} for one in contents]

    def head(self, key: str) -> dict[str, Any] | None:
        """Size, ETag, version and age in seconds by the store's own clock; None when there is no such object."""
        status, headers, body = self.request("HEAD", key)
        if status == 404:
            return None
        if status >= 300:
            raise self.refuse(status, body)
        stamps = [_seconds(headers.get(name, "")) for name in ("Date", "Last-Modified")]
        age = stamps[0] - stamps[1] if all(stamps) else None
        return {"size": int(headers.get("Content-Length", 0)), "etag": headers.get("ETag", ""), "age": age,
                "version": headers.get("x-amz-version-id", "").replace("null", "")}

    def copy(self, source: str, target: str, found: Mapping[str, Any]) -> None:
        """A copy inside the store, of just the object that was found."""
        origin = {"x-amz-copy-source": quote(f"/{self.bucket.bucket}/{source}", safe="/~"), "x-amz-copy-source-if-match": found["etag"]}
        if found["size"] <= COPY_LIMIT:
            self._copied(*self.request("PUT", target, headers=origin))
            return
        status, dummy, body = self.request("POST", target, {"uploads": ""})
        if status >= 300:
            raise self.refuse(status, body)
        upload = find(_xml(body), "UploadId")
        try:
            parts = []
            for number, start in enumerate(range(0, found["size"], PART), 1):
                reach = {"x-amz-copy-source-range": f"bytes={start}-{min(start + PART, found['size']) - 1}"}
                parts.append(self._copied(*self.request("PUT", target, {"partNumber": str(number), "uploadId": upload}, {**origin, **reach})))
            rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in enumerate(parts, 1))
            self._copied(*self.request("POST", target, {"uploadId": upload}, body=f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()))
        except BaseException:
            self.request("DELETE", target, {"uploadId": upload})
            raise

    def _copied(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> str:
        # A copy that takes long begins with 200 and tells of its failure in the body.
        document = _xml(body)
        if status >= 300 or document.tag.endswith("Error"):
            raise self.refuse(status, body)
        return find(document, "ETag")

    def delete(self, key: str, found: Mapping[str, Any]) -> bool:
        """Whether just the object that was found was deleted. A store that knows no condition ignores the header."""
        query = {"versionId": found["version"]} if found["version"] else {}
        headers = {} if found["version"] else {"If-Match": found["etag"]}
        status, dummy, body = self.request("DELETE", key, query, headers)
        if status in (404, 409, 412):
            return False
        if status >= 300:
            raise self.refuse(status, body)
        return True


def _seconds(text: str) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return 0.0
