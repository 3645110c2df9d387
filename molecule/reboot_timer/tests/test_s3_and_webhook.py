"""The lock in S3 and the webhook, as the role configures them."""

from __future__ import annotations

import json

import pytest
from gate import CHANGE, HOSTS, run

GIVEN = {
    "reboot_timer_lock_store": "s3",
    "reboot_timer_lock_settings": {"endpoint": "http://10.94.7.12:9000", "bucket": "locks", "access_key": "test", "secret_key": "test-of-a-fleet"},
    "reboot_timer_webhook": "http://10.94.7.12:9001/a-secret-of-the-tests",
}


@pytest.fixture(scope="module")
def hosts(apply, fleet):
    done = apply("reboot_timer", "--extra-vars", json.dumps(GIVEN))
    assert done.returncode == 0, done.text
    yield [fleet[name] for name in HOSTS]
    assert apply("reboot_timer").returncode == 0


def test_one_host_of_the_group_at_a_time_by_s3(hosts, kept):
    first, second = hosts
    with kept(HOSTS[0]), kept(HOSTS[1]):
        assert run(first, "--reason please").rc == 0 and first.file("/run/rebooted").exists
        held = run(second, "--reason please")
        assert held.rc == 11 and "reboot-13 has the lock of the group, token 1" in held.stderr and not second.file("/run/rebooted").exists
        # It does not boot here; an operator ends it.
        second.check_output("sabakan-reboot unlock --host reboot-13")
        assert run(second, "--reason please").rc == 0 and second.file("/run/rebooted").exists
        second.check_output("systemctl stop store.service")
        unknown = run(first, "--reason please")
        assert unknown.rc == 12 and "10.94.7.12:9000" in unknown.stderr and "test-of-a-fleet" not in unknown.stderr
        second.check_output("systemctl start store.service; sleep 1")


def test_trouble_reaches_the_webhook_and_what_it_missed_reaches_it_later(hosts, kept):
    first, second = hosts
    received = "cat /run/received"
    second.check_output("systemctl stop hook.service; rm -f /run/received")
    with kept(HOSTS[0]):
        first.check_output(CHANGE % {"lock_store": "none", "drain": [{"name": "hangs", "argv": ["/bin/sleep", "60"], "timeout": 1}]})
        hung = run(first, "--reason please")
        assert hung.rc == 12 and "the webhook did not take it" in hung.stderr and "a-secret" not in hung.stderr
        second.check_output("systemctl start hook.service; sleep 1")
        first.check_output("sabakan-reboot verify")
        path, body = second.check_output(received).splitlines()[0].split(" ", 1)
        message = json.loads(body)
        assert path == "/a-secret-of-the-tests" and message["host"] == "reboot-13" and message["time"].endswith("Z")
        assert "no reboot: drain hangs: it did not end within 1 s and was killed" in message["text"]
        # Once.
        first.check_output("sabakan-reboot verify")
        assert len(second.check_output(received).splitlines()) == 1 and not first.file("/run/rebooted").exists
