"""The roles give each process what it needs and read it back from the kernel; a plan that is too low never reaches a host."""

import json
import re

import pytest
from load import WEBSOCKETS, in_force, media, websockets


def test_nginx_answers_every_request(edge):
    seen = media(edge)
    assert seen["answers"] > 0
    assert (seen["not_200"], seen["broken"], seen["timed_out"]) == (0, 0, 0)


def test_streaming_opens_every_websocket(fleet, edge):
    assert websockets(edge, fleet.address("edge-01"))["open"] == WEBSOCKETS


@pytest.mark.parametrize("unit", ["nginx.service", "mastodon-streaming@4000.service"])
def test_the_processes_that_ran_before_have_the_new_limit(edge, unit):
    assert in_force(edge, unit) == {(16384, 16384)}


def test_the_plan_fits(ansible):
    assert ansible("ansible-playbook", "sabakan.vps.plan").returncode == 0


def test_a_plan_with_a_low_limit_is_refused_before_the_host_is_touched(edge, ansible):
    state = "systemctl show -P InvocationID nginx; find /etc -type f | sort | xargs -d '\\n' sha256sum"
    before = edge.check_output(state)
    refused = ansible("ansible-playbook", "sabakan.vps.site", "--extra-vars", "media_proxy_limit_nofile=64")
    assert refused.returncode != 0
    assert "edge-01: nginx.service needs" in refused.text and "but its limit is 64" in refused.text
    assert "raise media_proxy_limit_nofile to at least" in refused.text and "changed=0" in refused.text
    assert edge.check_output(state) == before


@pytest.mark.parametrize("role", ["media_proxy", "streaming"])
def test_a_role_alone_refuses_a_low_limit_too(ansible, role):
    refused = ansible("ansible", "edge-01", "-m", "include_role", "-a", f"name=sabakan.vps.{role}", "-e", f"{role}_limit_nofile=64")
    assert refused.returncode != 0
    assert re.search(rf"{role}_limit_nofile (is )?64 ?[;a]", refused.text)


def test_a_limit_that_the_process_does_not_get_is_a_failure(ansible):
    words = json.dumps({"units": [{"name": "clamped.service", "limits": {"nofile": 1_000_000_000}}], "timeout": 5})
    failed = ansible("ansible", "edge-01", "-m", "sabakan.vps.service_in_force", "-a", words)
    assert failed.returncode != 0
    assert "clamped.service" in failed.text and "1000000000" in failed.text
