# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from email.message import Message
from typing import Any

import pytest
from sabakan_sftp import config, s3

FOUND = {"size": 50, "etag": '"a-2"', "version": ""}
CONDITIONS = ("If-Match", "x-amz-copy-source-if-match")


class Shop(s3.Store):
    """An object whose ETag is told as one thing and compared as another, as Swift does with one in parts; `now` is what is told."""

    def __init__(self, now: str, compares: bool) -> None:
        super().__init__(config.Bucket("b", "p/", "http://store", path_style=True), {}, 1.0)
        self.now, self.compares, self.asked = now, compares, []

    def request(self, method: str, key: str = "", query: Any = None, headers: Any = None, body: bytes = b"") -> Any:
        conditional = any(name in (headers or {}) for name in CONDITIONS)
        self.asked.append((method, key, conditional))
        answer = Message()
        if method == "HEAD":
            answer["ETag"] = self.now
            return (200 if self.now else 404), answer, b""
        return (412 if conditional and self.compares else 200), answer, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>"


def test_a_condition_that_holds_is_asked_once():
    shop = Shop('"a-2"', compares=False)
    assert shop.delete("p/x", FOUND) and shop.asked == [("DELETE", "p/x", True)]


def test_a_store_that_misjudges_an_unchanged_object_is_asked_without_the_condition():
    shop = Shop('"a-2"', compares=True)
    assert shop.delete("p/x", FOUND)
    shop.copy("p/x", "quarantine/x", FOUND)
    assert shop.asked == [("DELETE", "p/x", True), ("HEAD", "p/x", False), ("DELETE", "p/x", False),
                          ("PUT", "quarantine/x", True), ("HEAD", "p/x", False), ("PUT", "quarantine/x", False)]


@pytest.mark.parametrize("now", ['"b"', ""])
def test_an_object_that_was_replaced_or_is_gone_is_left_alone(now):
    shop = Shop(now, compares=True)
    assert not shop.delete("p/x", FOUND)
    with pytest.raises(s3.Denied):
        shop.copy("p/x", "quarantine/x", FOUND)
    assert not [asked for asked in shop.asked if asked[0] in ("DELETE", "PUT") and not asked[2]]


def test_a_version_is_deleted_by_its_name():
    shop = Shop('"a-2"', compares=True)
    assert shop.delete("p/x", {**FOUND, "version": "v1"}) and shop.asked == [("DELETE", "p/x", False)]


@pytest.mark.parametrize(("bucket", "host", "path"), [
    (config.Bucket("b", endpoint="https://store:8080/below/", path_style=True), "store:8080", "/below/b/k"),
    (config.Bucket("b", region="eu-1"), "b.s3.eu-1.amazonaws.com", "/k"),
    (config.Bucket("b.c", region="eu-1"), "s3.eu-1.amazonaws.com", "/b.c/k"),
])
def test_where_a_bucket_is(bucket, host, path):
    store = s3.Store(bucket, {}, 1.0)
    assert (store.host, f"{store.endpoint.path}/{store.base}k", store.keys) == (host, path, None)


class Listed(s3.Store):
    """A store of these answers, by the method of the request."""

    def __init__(self, **answers: tuple[int, str]) -> None:
        super().__init__(config.Bucket("b", "p/", "http://store", path_style=True), {}, 1.0)
        self.answers, self.queries = answers, []

    def request(self, method: str, key: str = "", query: Any = None, headers: Any = None, body: bytes = b"") -> Any:
        self.queries.append(query)
        status, text = self.answers[method]
        return status, Message(), text.encode()


def listing(*keys: str, encoding: str = "") -> str:
    return f"<ListBucketResult>{encoding}{''.join(f'<Contents><Key>{key}</Key><Size>3</Size></Contents>' for key in keys)}</ListBucketResult>"


@pytest.mark.parametrize(("answer", "keys"), [
    (listing("p/a%01b+c%2Bd%25", encoding="<EncodingType>url</EncodingType>"), ["p/a\x01b c+d%"]),
    (listing("p/a+b%25"), ["p/a+b%25"]),  # a store that does not know the parameter
])
def test_a_name_that_xml_cannot_carry_does_not_make_the_store_unreadable(answer, keys):
    store = Listed(GET=(200, answer))
    assert [one["key"] for one in store.first()] == keys
    assert store.queries[0]["encoding-type"] == "url"


DENIED = (403, "<Error><Code>AccessDenied</Code></Error>")


def test_an_object_is_missing_where_head_is_denied_and_the_listing_has_none():
    # Amazon says 403 of what is not there to keys whose right to list is bound to a prefix.
    store = Listed(HEAD=DENIED, GET=(200, listing("p/x.txt")))
    assert store.head("p/x") is None and store.queries[-1]["prefix"] == "p/x"


@pytest.mark.parametrize("listed", [(200, listing("p/x")), DENIED])
def test_an_object_that_may_be_there_is_denied(listed):
    with pytest.raises(s3.Denied):
        Listed(HEAD=DENIED, GET=listed).head("p/x")
