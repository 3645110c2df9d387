"""Under a limit that nobody looked at, nginx answers some with errors and streaming hangs up, and hardly anything says why."""

import pytest
from load import WEBSOCKETS, claimed, in_force, media, websockets


@pytest.fixture(scope="module")
def low(fleet):
    return fleet.variables["edge-01"]["low_limit"]


@pytest.fixture(scope="module")
def requests(edge):
    return media(edge)


@pytest.fixture(scope="module")
def sockets(fleet, edge):
    return websockets(edge, fleet.address("edge-01"))


def test_nginx_answers_some_requests_with_errors(requests):
    assert requests["not_200"] + requests["broken"] + requests["timed_out"] > 0


def test_its_log_names_the_limit(edge, requests):
    assert edge.file("/var/log/nginx/error.log").contains("(24: Too many open files)")


def test_worker_rlimit_nofile_does_not_rescue_it(edge, requests, low):
    """A worker may not raise its own hard limit: that takes a capability which containers and hardened units lack."""
    assert edge.file("/var/log/nginx/error.log").contains("setrlimit(RLIMIT_NOFILE, 4096) failed")
    assert in_force(edge, "nginx.service") == {(low, low)}


def test_streaming_hangs_up_on_most_websockets(sockets, low):
    assert sockets["open"] < low
    assert sockets["hung_up"] > WEBSOCKETS / 2


def test_streaming_does_not_say_why(edge, sockets):
    said = edge.check_output("journalctl --unit mastodon-streaming@4000 --output cat")
    assert "open files" not in said and "EMFILE" not in said


def test_systemd_claims_a_limit_that_the_process_does_not_have(edge):
    """Above what the service manager itself may give, a limit is lowered without a word."""
    assert claimed(edge, "clamped.service") == 1_000_000_000
    ((soft, hard),) = in_force(edge, "clamped.service")
    assert soft == hard < 1_000_000_000
