"""Media go up through the application to the object store and come down through the cache."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

PICTURE = b"\x89PNG\r\n\x1a\n" + os.urandom(3000)


@pytest.fixture(scope="module")
def url(stack):
    return urlsplit(stack.upload(PICTURE))


@pytest.fixture(scope="module")
def answers(stack, url):
    """The first and the second answer, asked with what must not be passed on."""
    private = {"Cookie": "session=private", "Authorization": "Bearer private"}
    return [stack.request("GET", url.path, host=url.netloc, headers=private) for _ in range(2)]


@pytest.mark.parametrize(("number", "status"), [(0, "MISS"), (1, "HIT")])
def test_the_cache_misses_first_and_hits_then(answers, number, status):
    assert (answers[number].status, answers[number].headers["X-Cache-Status"], answers[number].body) == (200, status, PICTURE)


def test_many_who_ask_for_a_new_object_at_once_are_one_request_to_the_store(stack):
    """The first fetches it, the others wait for the cache."""
    picture = PICTURE[:8] + os.urandom(3_000_000)
    fresh = urlsplit(stack.upload(picture))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _number: stack.request("GET", fresh.path, host=fresh.netloc), range(8)))
    assert sorted(answer.headers["X-Cache-Status"] for answer in found) == ["HIT"] * 7 + ["MISS"]
    assert {answer.body for answer in found} == {picture}


def test_media_are_in_the_object_store(stack, url):
    found = stack.run("swift-01", "find /srv/node/*/objects -name '*.data' -size 3008c | xargs -r sha256sum")
    assert hashlib.sha256(PICTURE).hexdigest() in found


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_get_and_head_is_allowed(stack, url, method):
    assert stack.request(method, url.path, host=url.netloc).status == 405


def test_head_is_answered(stack, url):
    assert stack.request("HEAD", url.path, host=url.netloc).status == 200


def test_no_answer_names_the_bucket_or_its_host(stack, answers, url):
    missing = stack.request("GET", "/no/such/object", host=url.netloc)
    listing = stack.request("GET", "/", host=url.netloc)
    assert (missing.status, listing.status) == (404, 404)
    for answer in [*answers, missing, listing]:
        told = str(answer.headers).encode() + (b"" if answer.body == PICTURE else answer.body)
        for word in (stack.address("swift-01"), "AUTH_mastodon", "swift", "x-trans-id", "x-openstack", "x-amz", "set-cookie"):
            assert word.encode() not in told.lower().replace(b"auth_", b"AUTH_"), f"{word} in {told!r}"


def test_no_credential_is_passed_on_to_the_object_store(stack, url):
    """Swift refuses a wrong token, and would keep a cookie from the cache: the object that comes is the public one."""
    fresh = urlsplit(stack.upload(PICTURE))
    private = {"X-Auth-Token": "wrong", "Authorization": "AWS4-HMAC-SHA256 Credential=wrong", "Cookie": "session=private"}
    answer = stack.request("GET", fresh.path, host=fresh.netloc, headers=private)
    assert (answer.status, answer.headers["X-Cache-Status"]) == (200, "MISS")


@pytest.mark.parametrize("path", ["/v1/AUTH_mastodon/media/fish", "/media/fish"])
def test_nobody_writes_to_the_object_store_without_its_key(stack, path):
    url = f"https://{stack.address('swift-01')}:8080{path}"
    assert stack.run("app-01", f"curl -s -o /dev/null -w '%{{http_code}}' -X PUT -d fish {url}") in ("400", "401", "403")
