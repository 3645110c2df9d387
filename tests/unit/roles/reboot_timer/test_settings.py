# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_reboot.settings import DAYS, Refused, Window, parse

from .conftest import ROLES

HOOK = {"name": "backup", "argv": ["/bin/true"]}


def moment(text: str, zone: str = "UTC") -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()


def window(days: str = "Mon Tue Wed Thu Fri Sat Sun", start: int = 3 * 3600, end: int = 5 * 3600, zone: str = "UTC", offset: int = 600) -> Window:
    return Window(tuple(days.split()), start, end, zone, offset)


@pytest.mark.parametrize(("given_settings", "said"), [
    ({"timezone": "Mars/Olympus"}, "timezone is 'Mars/Olympus'; this host knows no such time zone"),
    ({"timezone": "../../etc/passwd"}, "timezone is '../../etc/passwd'"),
    ({"start": "03:00", "end": "03:00"}, "has 0 s and must have at least spread + 300"),
    ({"start": "03:00", "end": "03:30"}, "spread is 3600; the window 03:00 to 03:30 has 1800 s"),
    ({"start": "25:00"}, "start is '25:00'; it must be a time from 00:00 to 23:59"),
    ({"end": "5:00"}, "end is '5:00'"),
    ({"start": 1350}, "start is 1350; it must be a text, in quotes, without which YAML takes 22:30 for the number 1350"),
    ({"timezone": 1350}, "timezone is 1350; it must be a text"),
    ({"end": "٠٥:00"}, "it must be a time"),
    ({"days": []}, "days are []"),
    ({"days": ["Mon", "Someday"]}, "they must be one or more of Mon, Tue"),
    ({"budget": 0}, "budget is 0; it must be 1 to 50"),
    ({"minimum_uptime": 0}, "minimum_uptime is 0; it must be 30 to"),
    ({"minimum_uptime": "600"}, "minimum_uptime is '600'; it must be a whole number"),
    ({"budget": True}, "budget is True; it must be a whole number"),
    ({"kernel": "yes"}, "kernel is 'yes'; it must be true or false"),
    ({"maximum_uptime": 7200}, "maximum_uptime is 7200; it must be 0 or at least minimum_uptime 21600"),
    ({"lock_store": "etcd"}, "lock_store is 'etcd'"),
    ({"lock_store": "redis", "lock_ttl": 300}, "lock_ttl is 300; blockers, drain, undrain, health_timeout and 60 s of reboot may take 360"),
    ({"blockers": [{"name": "x", "argv": ["relative"]}]}, "begins with 'relative'; it must be an absolute path"),
    ({"blockers": [{"name": "x", "argv": []}]}, "argv of x is []"),
    ({"drain": [{**HOOK, "timeout": 0}]}, "timeout of backup is 0; it must be 1 to 3600"),
    ({"drain": [{**HOOK, "timout": 5}]}, "a program is name, argv and timeout"),
    ({"notify": {"name": "x"}}, "it must be a list of programs"),
    ({"command": []}, "command is empty"),
    ({"windw": 1}, "windw: no such setting"),
    ({"host": None}, "host is None"),
])
def test_settings_that_cannot_work_are_refused_by_name(given_settings, said):
    with pytest.raises(Refused) as refused:
        parse({"host": "app-01", **given_settings})
    assert said in str(refused.value)


@pytest.mark.parametrize("raw", [None, [], "x", {}, {"days": "Mon"}])
def test_what_is_no_settings_is_refused(raw):
    with pytest.raises(Refused):
        parse(raw)


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(Refused) as refused:
        parse({"host": "a", "budget": 0, "settle": 1, "spread": -1})
    assert len(refused.value.lines) == 3


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(st.dictionaries(st.sampled_from(["days", "start", "end", "timezone", "spread", "blockers", "notify", "command", "lock_ttl", "logins", "x"]), JSON))
def test_no_settings_break_the_reading(raw):
    try:
        parse({"host": "a", **raw}).window.calendar()
    except Refused as refused:
        assert refused.lines


@pytest.mark.parametrize(("given_window", "at", "inside"), [
    (window(), "2026-11-21T03:00:00", True),
    (window(), "2026-11-21T04:59:59", True),
    (window(), "2026-11-21T05:00:00", False),
    (window(), "2026-11-21T02:59:59", False),
    (window("Sat"), "2026-11-21T03:30:00", True),
    (window("Sun"), "2026-11-21T03:30:00", False),
    # Over midnight: it belongs to the day on which it starts.
    (window("Sat", 23 * 3600, 2 * 3600), "2026-11-22T01:00:00", True),
    (window("Sun", 23 * 3600, 2 * 3600), "2026-11-22T01:00:00", False),
    (window("Sat", 23 * 3600, 2 * 3600), "2026-11-21T01:00:00", False),
])
def test_when_the_window_is(given_window, at, inside):
    assert (given_window.ends(moment(at)) is not None) is inside


def test_the_window_is_in_its_time_zone():
    tokyo = window(zone="Asia/Tokyo")
    assert tokyo.ends(moment("2026-11-21T03:30:00", "Asia/Tokyo")) == moment("2026-11-21T05:00:00", "Asia/Tokyo")
    assert tokyo.ends(moment("2026-11-21T03:30:00")) is None


@pytest.mark.parametrize(("at", "late"), [
    ("2026-11-21T03:10:00", 0), ("2026-11-21T03:11:30", 90), ("2026-11-21T03:09:59", 86399), ("2026-11-22T03:00:00", 85800),
])
def test_how_late_a_turn_is(at, late):
    assert window().late(moment(at)) == late


def test_the_next_turn_is_of_a_window_that_has_not_begun():
    assert window().next_turn(moment("2026-11-21T03:05:00")) == moment("2026-11-22T03:10:00")
    assert window("Wed").next_turn(moment("2026-11-21T03:05:00")) == moment("2026-11-25T03:10:00")


@pytest.mark.parametrize(("given_window", "expected"), [
    (window(), "*-*-* 03:10:00 UTC"),
    (window("Mon Fri"), "Mon,Fri *-*-* 03:10:00 UTC"),
    (window("Sun", 23 * 3600, 3 * 3600, "Asia/Tokyo", 5400), "Mon *-*-* 00:30:00 Asia/Tokyo"),
])
def test_the_calendar_of_the_timer(given_window, expected):
    assert given_window.calendar() == expected


def test_an_offset_stays_with_its_host_and_differs_between_hosts():
    offsets = {parse({"host": f"app-{n:02}"}).offset for n in range(40)}
    assert len(offsets) > 35 and all(0 <= offset < 3600 for offset in offsets)
    assert parse({"host": "app-01"}).offset == parse({"host": "app-01"}).offset
    assert parse({"host": "app-01", "spread": 0}).offset == 0


@given(st.integers(1_700_000_000, 1_900_000_000), st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
       st.sets(st.sampled_from(DAYS), min_size=1), st.integers(0, 1439), st.integers(5, 1439), st.integers(0, 3600))
def test_a_turn_is_in_the_window_whatever_the_season(now, zone, days, start, length, offset):
    given_window = Window(tuple(days), start * 60, (start + length) % 1440 * 60, zone, min(offset, length * 60 - 60))
    turn = given_window.next_turn(now)
    assert turn > now and turn - now < 9 * 86400
    # On the day of the change an hour of a window may not be, or be twice.
    if all(given_window._local(turn - 7200).utcoffset() == given_window._local(turn + shift).utcoffset() for shift in (-90000, 90000)):
        assert given_window.ends(turn) is not None and given_window.late(turn) == 0


def test_it_runs_alone_where_nothing_is_installed():
    program = (ROLES / "reboot_timer" / "files" / "sabakan_reboot" / "settings.py").read_text()

    def check(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, check=False)

    assert set(json.loads(check('{"host": "app-01"}').stdout)) == {"calendar", "offset"}
    refused = check('{"host": "app-01", "timezone": "Mars/Olympus", "budget": -1}')
    assert refused.returncode == 1 and "Mars/Olympus" in refused.stdout and not refused.stderr
    assert check("{").returncode == 1
