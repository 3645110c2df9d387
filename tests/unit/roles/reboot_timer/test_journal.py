# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_reboot import journal
from sabakan_reboot.journal import Corrupt, Journal

DAY = 86400


def entry(event: str, boot: str = "a", uptime: float = 0, **more) -> journal.Entry:
    return {"event": event, "boot_id": boot, "uptime": uptime, "wall": 1000.0, **more}


@pytest.fixture
def kept(tmp_path):
    made = Journal(str(tmp_path))
    assert made.create(entry("armed"))
    return made


def test_what_is_added_is_read_and_is_never_there_by_half(kept):
    kept.add(entry("rebooting", why=["kernel"]))
    assert [one["event"] for one in kept.read()] == ["armed", "rebooting"]
    assert os.listdir(kept.path.parent) == ["journal"]
    assert not kept.create(entry("armed"))


@pytest.mark.parametrize("damage", [
    lambda text: "", lambda text: text[:-1], lambda text: text[:-20], lambda text: text.replace("armed", "named"), lambda text: text + "\n",
    lambda text: text + "0\0\0\0", lambda text: "\0" * len(text), lambda text: text.replace('"uptime": 0', '"uptime": 9'),
    lambda text: text + journal.seal({"event": "x"}) + "\n", lambda text: text + journal.seal([]) + "\n",  # type: ignore[arg-type]
])
def test_a_damaged_journal_is_none(kept, damage):
    kept.path.write_text(damage(kept.path.read_text()))
    with pytest.raises(Corrupt):
        kept.read()
    with pytest.raises(Corrupt):
        kept.add(entry("rebooting"))


def test_a_missing_journal_does_not_come_back_by_itself(kept):
    kept.path.unlink()
    with pytest.raises(Corrupt, match="No such file"):
        kept.add(entry("rebooting"))
    assert not kept.path.exists()


def test_a_full_disk_leaves_the_journal_as_it_was(kept, monkeypatch):
    def full(dummy: int) -> None:
        raise OSError(28, "No space left on device")

    before = kept.path.read_text()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        kept.add(entry("rebooting"))
    assert kept.path.read_text() == before and os.listdir(kept.path.parent) == ["journal"]


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_journal(content):
    try:
        journal.parse(content.decode(errors="surrogateescape"))
    except (Corrupt, UnicodeError):
        return
    raise AssertionError("taken")


@pytest.mark.parametrize(("entries", "boot", "uptime", "count"), [
    ([entry("armed")], "a", 99, 0),
    ([entry("armed"), entry("rebooting", "a", 100)], "b", 10, 1),
    # A hundred boots of a minute are not a week.
    ([entry("armed"), *[entry("rebooting", str(n), 60) for n in range(100)]], "z", 60, 100),
    # By uptime of that boot and the later ones.
    ([entry("armed"), entry("rebooting", "a", 100)], "b", 7 * DAY - 1, 1),
    ([entry("armed"), entry("rebooting", "a", 100)], "b", 7 * DAY, 0),
    ([entry("armed"), entry("rebooting", "a", 100), entry("seen", "b", 4 * DAY), entry("seen", "c", 2 * DAY)], "d", DAY, 0),
    ([entry("armed"), entry("rebooting", "a", 100), entry("seen", "b", 4 * DAY), entry("seen", "c", 2 * DAY)], "d", DAY - 1, 1),
    # The wall clock is nothing, whatever it says.
    ([entry("armed"), {**entry("rebooting", "a", 100), "wall": 1e12}], "b", 10, 1),
    ([entry("armed"), {**entry("rebooting", "a", 100), "wall": -1e12}], "b", 10, 1),
    # Armed by hand: what was before counts no more.
    ([entry("armed"), entry("rebooting", "a", 100), entry("armed", "b", 5)], "b", 10, 0),
    ([entry("armed"), entry("attempt"), entry("abandoned")], "a", 10, 0),
])
def test_the_budget_is_counted_by_boots_and_uptime(entries, boot, uptime, count):
    assert journal.spent(entries, 7 * DAY, boot, uptime) == count


@pytest.mark.parametrize(("events", "waits"), [
    (["armed"], None), (["attempt"], "attempt"), (["attempt", "rebooting"], "rebooting"), (["attempt", "rebooting", "seen"], "rebooting"),
    (["attempt", "rebooting", "verified"], None), (["attempt", "abandoned"], None), (["rebooting", "disarmed", "unhealthy"], None),
    (["rebooting", "verified", "attempt"], "attempt"),
])
def test_what_waits_to_be_ended(events, waits):
    found = journal.pending([entry(event) for event in events])
    assert (found or {"event": None})["event"] == waits


def test_who_disarmed_it():
    assert journal.disarmed([entry("armed"), entry("disarmed", why="the budget"), entry("seen")]) == "the budget"
    assert journal.disarmed([entry("disarmed", why="x"), entry("armed")]) == ""


def test_the_journal_stays_short_and_keeps_what_counts():
    entries = [entry("armed"), entry("rebooting")] + [entry("seen", "b", n) for n in range(1000)]
    short = journal.compact(entries)
    assert [one["event"] for one in short] == ["armed", "rebooting", "seen"] and short[-1]["uptime"] == 999
    assert len(journal.compact([entry("rebooting", str(n)) for n in range(1000)])) == journal.KEPT


@given(st.lists(st.tuples(st.sampled_from(["rebooting", "seen", "verified"]), st.integers(0, 5), st.floats(0, 1e6)), max_size=30), st.floats(0, 1e6))
def test_uptime_never_runs_back_and_compaction_changes_no_budget(raw, now):
    # Boots follow one another.
    entries = [entry("armed", "0")] + [entry(event, str(boot), uptime) for event, boot, uptime in sorted(raw, key=lambda one: one[1:])]
    assert all(journal.uptime_since(entries, n, "9", now) >= 0 for n in range(len(entries)))
    assert journal.spent(journal.compact(entries), 1e6, "9", now) == journal.spent(entries, 1e6, "9", now)


def test_a_gate_that_was_disarmed_stays_so_however_often_the_host_boots():
    entries = [entry("armed", "b0", 1), entry("disarmed", "b0", 2, why="a loop")]
    for number in range(3 * journal.KEPT):
        entries = journal.compact([*entries, entry("seen", f"b{number}", 900)])
    assert journal.disarmed(entries) == "a loop" and len(entries) == journal.KEPT
