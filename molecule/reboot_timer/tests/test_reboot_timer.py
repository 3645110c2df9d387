"""The gate as systemd starts it, and as an operator does."""

from __future__ import annotations

import json
import time

import pytest
from gate import CHANGE, HOSTS, run


@pytest.fixture(params=HOSTS)
def host(request, fleet, kept):
    """As the role left it, and as it was found."""
    with kept(request.param):
        yield fleet[request.param]


def log_since(host, cursor):
    return host.check_output(f"journalctl -u sabakan-reboot.service -o cat --after-cursor='{cursor}' | grep '^sabakan-reboot: ' || true")


def cursor_of(host):
    return host.check_output("journalctl -n 1 -o export | grep -a ^__CURSOR= | cut -d= -f2-")


def test_no_run_is_caught_up_and_the_turn_is_in_the_window(host):
    shown = dict(line.split("=", 1) for line in host.check_output("systemctl show sabakan-reboot.timer").splitlines() if "=" in line)
    assert (shown["Persistent"], shown["ActiveState"], shown["UnitFileState"]) == ("no", "active", "enabled")
    calendar = json.loads(host.check_output("sabakan-reboot status --json"))["turn"]
    assert f"OnCalendar={calendar} " in shown["TimersCalendar"] and calendar.endswith("Asia/Tokyo")
    assert "03:00" <= calendar.split()[1] <= "04:00"
    assert not host.file("/var/lib/systemd/timers/stamp-sabakan-reboot.timer").exists
    assert host.check_output("systemctl show -P UnitFileState sabakan-reboot.service") == "static"


def test_a_start_by_hand_or_at_boot_does_nothing(host):
    before = cursor_of(host)
    host.check_output("sabakan-reboot request 'please'; systemctl start sabakan-reboot.service")
    assert "trigger: started by something else than a timer" in log_since(host, before)
    assert not host.file("/run/rebooted").exists


def test_a_timer_that_is_changed_or_started_when_its_time_is_past_does_not_reboot(host):
    """Started by its own timer each second, in its turn and window, with a reason: only that it was changed holds it back."""
    now = time.strptime(host.check_output("date '+%H:%M'"), "%H:%M")
    minute = time.strftime("%H:%M", now)
    until = time.strftime("%H:%M", time.gmtime((now.tm_hour * 3600 + now.tm_min * 60 + 3600) % 86400))
    here = {"start": minute, "end": until, "timezone": "Etc/UTC", "spread": 0, "lock_store": "none"}
    host.check_output("sabakan-reboot request please")
    before = cursor_of(host)
    host.check_output(CHANGE % here)
    host.check_output(
        "mkdir -p /etc/systemd/system/sabakan-reboot.timer.d; printf '[Timer]\\nOnCalendar=\\nOnCalendar=*:*:0/2\\n' "
        "> /etc/systemd/system/sabakan-reboot.timer.d/often.conf; systemctl daemon-reload; systemctl restart sabakan-reboot.timer")
    deadline = time.monotonic() + 60
    while "changed: " not in log_since(host, before) and time.monotonic() < deadline:
        time.sleep(1)
    said = log_since(host, before).splitlines()
    assert said and all(line.startswith("sabakan-reboot: no, held back by changed: ") for line in said)
    assert not host.file("/run/rebooted").exists
    # And it is that alone: with ten seconds as the least age it reboots.
    host.check_output(CHANGE % {"settle": 10})
    deadline = time.monotonic() + 60
    while not host.file("/run/rebooted").exists and time.monotonic() < deadline:
        time.sleep(1)
    host.check_output("systemctl stop sabakan-reboot.timer")
    assert host.file("/run/rebooted").exists, log_since(host, before)


def test_a_blocker_an_unknown_blocker_and_none(host):
    assert run(host).rc == 10
    host.check_output("touch /run/backup")
    held = run(host, "--reason please")
    assert held.rc == 11 and "blocker backup" in held.stderr
    host.check_output(CHANGE % {"blockers": [{"name": "hangs", "argv": ["/bin/sleep", "60"], "timeout": 1}]})
    unknown = run(host, "--reason please")
    assert unknown.rc == 12 and "blocker hangs: it did not end within 1 s and was killed" in unknown.stderr
    assert not host.file("/run/rebooted").exists and not host.file("/run/drained").exists


def test_one_host_of_the_group_at_a_time_by_redis(fleet):
    first, second = (fleet[name] for name in HOSTS)
    for host in (first, second):
        host.check_output("cp -a /var/lib/sabakan/reboot/journal /root/journal")
    try:
        assert run(first, "--reason please").rc == 0 and first.file("/run/rebooted").exists and first.file("/run/drained").exists
        held = run(second, "--reason please")
        assert held.rc == 11 and "reboot-13 has the lock of the group, token" in held.stderr and "has not come back healthy yet" in held.stderr
        assert not second.file("/run/rebooted").exists
        # It does not boot here; an operator ends it.
        second.check_output("sabakan-reboot unlock --host reboot-13")
        assert run(second, "--reason please").rc == 0 and second.file("/run/rebooted").exists
        first.check_output("systemctl stop redis-server")
        unknown = run(first, "--reason please")
        assert unknown.rc == 12 and ":6379: " in unknown.stderr and "a-password" not in unknown.stderr
    finally:
        first.check_output("systemctl start redis-server; sleep 1")
        for host in (first, second):
            host.run("sabakan-reboot arm; cp -a /root/journal /var/lib/sabakan/reboot/; rm -f /run/rebooted /run/drained")


def test_a_run_that_is_killed_leaves_the_host_as_it_was(host):
    host.check_output(CHANGE % {"lock_store": "none", "drain": [
        {"name": "d", "argv": ["/usr/bin/touch", "/run/drained"]}, {"name": "slow", "argv": ["/bin/sleep", "50"]}]})
    host.check_output("systemd-run --unit=killed --property=ExecStopPost='/usr/local/sbin/sabakan-reboot recover' sabakan-reboot run --now --reason please")
    host.check_output("for i in $(seq 100); do test -e /run/drained && break; sleep 0.2; done; systemctl kill -s KILL killed.service")
    assert host.run("for i in $(seq 100); do test -e /run/drained || exit 0; sleep 0.2; done; exit 1").rc == 0
    last = json.loads(host.check_output("sabakan-reboot status --json"))["last"]
    assert last["event"] == "abandoned" and "interrupted" in last["why"]
    assert not host.file("/run/rebooted").exists


def test_disarmed_it_stays_so_through_the_role(fleet, apply):
    host = fleet["reboot-12"]
    host.check_output("sabakan-reboot disarm 'a holiday'")
    try:
        assert host.check_output("systemctl is-enabled sabakan-reboot.timer || true") == "masked"
        assert run(host, "--reason please").rc == 11
        done = apply("reboot_timer", "--limit", "reboot-12")
        assert done.returncode == 0 and "changed=0" in done.text, done.text
        assert "stays so until `sabakan-reboot arm`" in done.text
        assert host.check_output("systemctl is-enabled sabakan-reboot.timer || true") == "masked"
    finally:
        host.check_output("sabakan-reboot arm")
    assert host.check_output("systemctl is-active sabakan-reboot.timer") == "active"


def test_bad_input_is_refused_before_anything_changes(apply):
    given = {
        "reboot_timer_timezone": "Mars/Olympus", "reboot_timer_budget": 0, "reboot_timer_lock_settings": {"host": "10.94.7.13"},
        "reboot_timer_webhook": "mailto:root", "reboot_timer_end": "03:00",
    }
    refused = apply("reboot_timer", "--limit", "reboot-13", "--extra-vars", json.dumps(given))
    assert refused.returncode and "changed=0" in refused.text
    for said in (
        "reboot-13: reboot_timer_timezone is 'Mars/Olympus'; this host knows no such time zone", "reboot_timer_budget is 0; it must be 1 to 50",
        "reboot_timer_lock_settings lacks password (reboot_timer_lock_store redis)", "reboot_timer_webhook is no http or https URL",
    ):
        assert said in refused.text
    window = apply("reboot_timer", "--limit", "reboot-13", "--extra-vars", json.dumps({"reboot_timer_end": "03:00"}))
    assert window.returncode and "reboot_timer_spread is 3600; the window 03:00 to 03:00 has 0 s" in window.text
