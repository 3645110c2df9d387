# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few S3 requests that the keeper needs."""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree

from sabakan_sftp._s3_request import Endpoint, NoAnswer, quoted
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
        self.bucket, self.keys = bucket, credentials(environment)
        url = bucket.endpoint or f"https://s3.{bucket.region}.amazonaws.com"
        virtual = not bucket.path_style and "." not in bucket.bucket
        authority = bucket.ca_file or environment.get("AWS_CA_BUNDLE") or os.environ.get("AWS_CA_BUNDLE") or ""
        self.endpoint = Endpoint(url, bucket.region, self.keys, timeout, authority, f"{bucket.bucket}.{urlsplit(url).netloc}" if virtual else "")
        self.base = "" if virtual else f"{bucket.bucket}/"

    @property
    def host(self) -> str:
        return self.endpoint.host

    def request(self, method: str, key: str = "", query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
                body: bytes = b"") -> tuple[int, http.client.HTTPMessage, bytes]:
        """(status, headers, body) of an answer below 500; Unreachable otherwise."""
        try:
            answer = self.endpoint.request(method, f"{self.base}{key}", query, headers, body)
        except NoAnswer as error:
            raise Unreachable(f"{self.host} does not answer: {error}") from error
        if answer.status >= 500 or answer.status == 429:
            raise Unreachable(f"{self.host} answers {answer.status} {answer.reason}")
        return answer.status, answer.headers, answer.body

    def refuse(self, status: int, body: bytes) -> Denied:
        document = _xml(body)
        code, message = find(document, "Code") or f"status {status}", find(document, "Message")
        names = {"NoSuchBucket": f"bucket {self.bucket.bucket} does not exist", "InvalidAccessKeyId": "the access key is not known",
                 "SignatureDoesNotMatch": "the secret key is wrong", "AccessDenied": f"access to {self.bucket.bucket}/{self.bucket.prefix} is denied"}
        return Denied(f"{self.host}: {names.get(code, message or 'refused')} ({code})")

    def first(self, count: int = 20) -> list[dict[str, Any]]:
        """The first objects of the prefix: proof that the bucket, the keys and the right to list are there."""
        return self._list(self.bucket.prefix, count)

    def _list(self, prefix: str, count: int) -> list[dict[str, Any]]:
        # XML cannot carry each character that a key may have, so one key with such a name would make the answer unreadable.
        query = {"list-type": "2", "max-keys": str(count), "prefix": prefix, "encoding-type": "url"}
        status, dummy, body = self.request("GET", query=query)
        if status >= 300:
            raise self.refuse(status, body)
        document = _xml(body)
        if not document.tag.endswith("ListBucketResult"):
            raise Unreachable(f"{self.host} does not speak S3: it answers {body[:60]!r}")
        read = unquote_plus if find(document, "EncodingType") == "url" else str
        contents = [child for child in document if child.tag.endswith("Contents")]
        return [{"key": read(find(one, "Key")), "size": int(find(one, "Size") or 0), "class": find(one, "StorageClass")} for one in contents]

    def head(self, key: str) -> dict[str, Any] | None:
        """Size, ETag, version and age in seconds by the store's own clock; None when there is no such object."""
        status, headers, body = self.request("HEAD", key)
        if status == 404 or (status == 403 and self._lacks(key)):
            return None
        if status >= 300:
            raise self.refuse(status, body)
        stamps = [_seconds(headers.get(name, "")) for name in ("Date", "Last-Modified")]
        age = stamps[0] - stamps[1] if all(stamps) else None
        return {"size": int(headers.get("Content-Length", 0)), "etag": headers.get("ETag", ""), "age": age,
                "version": headers.get("x-amz-version-id", "").replace("null", "")}

    def _lacks(self, key: str) -> bool:
        """Whether the listing has no such object: of one that is not there Amazon says 403 to keys that may list a prefix alone."""
        try:
            return all(one["key"] != key for one in self._list(key, 1))
        except Denied:
            return False

    def _on_condition(self, name: str, found: Mapping[str, Any], key: str, method: str, target: str, query: Mapping[str, str] | None = None,
                      headers: Mapping[str, str] | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        """A request on the condition that an object is still the one that was found.

        Swift misjudges it for an object in parts, of which it tells one ETag and compares another: where a look says that
        the object is unchanged, the request is made without.
        """
        answer = self.request(method, target, query, {**(headers or {}), name: found["etag"]})
        now = self.head(key) if answer[0] == 412 else None
        return self.request(method, target, query, headers) if now and now["etag"] == found["etag"] else answer

    def copy(self, source: str, target: str, found: Mapping[str, Any]) -> None:
        """A copy inside the store, of just the object that was found."""
        origin = {"x-amz-copy-source": quoted(f"/{self.bucket.bucket}/{source}", "/")}

        def put(query: Mapping[str, str] | None = None, more: Mapping[str, str] | None = None) -> str:
            return self._copied(*self._on_condition("x-amz-copy-source-if-match", found, source, "PUT", target, query, {**origin, **(more or {})}))

        if found["size"] <= COPY_LIMIT:
            put()
            return
        status, dummy, body = self.request("POST", target, {"uploads": ""})
        if status >= 300:
            raise self.refuse(status, body)
        upload = find(_xml(body), "UploadId")
        try:
            parts = []
            for number, start in enumerate(range(0, found["size"], PART), 1):
                reach = {"x-amz-copy-source-range": f"bytes={start}-{min(start + PART, found['size']) - 1}"}
                parts.append(put({"partNumber": str(number), "uploadId": upload}, reach))
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
        if found["version"]:
            status, dummy, body = self.request("DELETE", key, {"versionId": found["version"]})
        else:
            status, dummy, body = self._on_condition("If-Match", found, key, "DELETE", key)
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
