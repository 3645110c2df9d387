# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures against those of botocore, and what is really sent."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._s3_request import Endpoint, NoAnswer, canonical_query, sign
from hypothesis import given
from hypothesis import strategies as st

botocore_auth = pytest.importorskip("botocore.auth")
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402

STAMP = "20261121T120000Z"
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
NAME = st.from_regex(r"x-amz-[a-z]{1,8}", fullmatch=True).filter(lambda name: name not in ("x-amz-date", "x-amz-content-sha256"))
SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def reference(method: str, url: str, query: dict[str, str], headers: dict[str, str], body: bytes, region: str, keys: tuple[str, str]) -> str:
    request = AWSRequest(method, url, headers, body, params=query)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = botocore_auth.S3SigV4Auth(Credentials(*keys), "s3", region)
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"]), key=PLAIN, query=st.dictionaries(PLAIN.filter(bool), PLAIN, max_size=4),
    more=st.dictionaries(NAME, VALUE, max_size=3), body=st.binary(max_size=20), region=st.sampled_from(["us-east-1", "eu-1"]), secret=SECRET)
def test_the_signature_is_that_of_the_reference_implementation(method, key, query, more, body, region, secret):
    from urllib.parse import quote

    path = quote(f"/bucket/{key}", safe="/~")
    headers = {"Host": "store:8080", "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": STAMP, **more}
    wanted = reference(method, f"http://store:8080{path}", query, headers, body, region, ("key", secret))
    made = sign(method, path, canonical_query(query), headers, region, ("key", secret))
    assert made.endswith(f"Signature={wanted}")
    assert made.startswith(f"AWS4-HMAC-SHA256 Credential=key/20261121/{region}/s3/aws4_request, SignedHeaders=host;")


class Handler(BaseHTTPRequestHandler):
    """Tells what came, as the answer."""

    server: Listener

    def answer(self) -> None:
        self.server.seen = {**{name.lower(): value for name, value in self.headers.items()}, "line": self.requestline}
        self.server.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(404, "Nowhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = answer

    def log_message(self, *_: Any) -> None:
        pass


class Listener(HTTPServer):
    seen: dict[str, str]
    body: bytes


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_what_is_sent_is_what_was_signed(listener):
    endpoint = Endpoint(f"http://127.0.0.1:{listener.server_port}/below/", "eu-1", ("key", "secret", "token"), 5.0)
    answer = endpoint.request("PUT", "bucket/a b+c", {"uploadId": "x/y", "a": ""}, {"If-Match": '"1"'}, b"body")
    assert (answer.status, answer.reason, answer.body) == (404, "Nowhere", b"")
    seen = listener.seen
    assert seen["line"] == "PUT /below/bucket/a%20b%2Bc?a=&uploadId=x%2Fy HTTP/1.1" and listener.body == b"body"
    assert (seen["if-match"], seen["x-amz-security-token"]) == ('"1"', "token")
    signed = {name: seen[name.lower()] for name in ("Host", "x-amz-date", "x-amz-content-sha256", "If-Match", "x-amz-security-token")}
    wanted = reference("PUT", f"http://127.0.0.1:{listener.server_port}/below/bucket/a%20b%2Bc", {"uploadId": "x/y", "a": ""}, signed, b"body",
                       "eu-1", ("key", "secret"))
    assert seen["authorization"].endswith(f"Signature={wanted}")


def test_without_keys_nothing_is_signed(listener):
    Endpoint(f"http://127.0.0.1:{listener.server_port}", "eu-1", None, 5.0).request("GET", "bucket/")
    assert "authorization" not in listener.seen and listener.seen["line"] == "GET /bucket/ HTTP/1.1"


def test_a_store_that_is_not_there_does_not_answer():
    with pytest.raises(NoAnswer, match="refused"):
        Endpoint("http://127.0.0.1:9", "eu-1", None, 5.0).request("GET", "bucket/")


@pytest.mark.parametrize("url", ["store.example:9000", "store.example", "", "https://", "ftp://store.example", "https://store.example:port", "https://:9000"])
def test_what_is_no_address_is_refused_before_another_host_is_asked(url):
    """Without a scheme the name of the host is empty, which is the loopback."""
    with pytest.raises(ValueError, match="https://NAME"):
        Endpoint(url, "eu-1", None, 5.0)


def test_a_name_that_is_no_utf_8_is_sent_as_its_bytes(listener):
    r"""As the log of a session gives it: a client with an old character set, here Shift JIS for カラオケ, names files so."""
    name = "カラオケ".encode("cp932").decode("utf-8", "surrogateescape")
    answer = Endpoint(f"http://127.0.0.1:{listener.server_port}", "eu-1", ("k", "s", ""), 5.0).request("GET", f"bucket/{name}", {"prefix": name})
    assert answer.status == 404
    assert listener.seen["line"] == "GET /bucket/%83J%83%89%83I%83P?prefix=%83J%83%89%83I%83P HTTP/1.1"
