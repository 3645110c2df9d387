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
