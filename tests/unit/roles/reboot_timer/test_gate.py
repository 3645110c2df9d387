# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole run on a directory of the test's own: what is written, what is run, and what is told."""

from __future__ import annotations

import contextlib
import http.client
import json
from pathlib import Path

import pytest
from sabakan_reboot import evidence, gate, health
from sabakan_reboot.decide import Slab
from sabakan_reboot.settings import Hook

from .bench import DAY


def test_a_reboot_from_the_lock_to_its_release(bench):
    (Path(bench.asked.state) / "requested").write_text("please")
    assert bench.run() == gate.YES
    assert bench.done == ["drain", "reboot"] and bench.events == ["armed", "attempt", "rebooting"]
    assert not (Path(bench.asked.state) / "requested").exists()
    assert bench.store.object[1]["kept"]
    # Before it has been verified nothing more happens, in this boot or the next.
    assert bench.run() == gate.HELD
    bench.reboots()
    assert bench.gate.verify() == gate.YES
    assert bench.done == ["drain", "reboot", "undrain"] and bench.events[-1] == "verified"
    assert bench.store.object[1]["released"] and bench.mail.count("\n") == 1
    assert bench.gate.verify() == gate.YES and bench.done[-1:] == ["undrain"] and len(bench.done) == 3


def test_a_host_that_is_not_as_before_keeps_the_lock_masks_its_timer_and_says_what_is_missing(bench):
    bench.run()
    bench.reboots()
    bench.state_now = {"failed": ["redis.service"], "running": [], "listening": []}
    assert bench.gate.verify() == gate.UNHEALTHY
    assert bench.systemctl == ["mask --now sabakan-reboot.timer"] and "undrain" not in bench.done
    for said in ("redis.service has failed", "ssh.service does not run", "nothing listens on 0.0.0.0:22", "the lock of token 1 is kept"):
        assert said in bench.mail
    assert bench.store.object[1]["kept"] and "redis.service has failed" in bench.store.object[1]["why"]
    bench.up = 2.0 * DAY
    assert bench.run() == gate.HELD and bench.done.count("reboot") == 1
    # Until an operator has looked.
    assert bench.gate.arm("mended") == gate.YES
    assert "unmask sabakan-reboot.timer" in bench.systemctl and bench.store.object[1]["released"]
    assert bench.run() == gate.YES


def test_a_baseline_that_is_gone_is_not_healthy(bench):
    bench.run()
    bench.reboots()
    (Path(bench.asked.state) / "baseline").unlink()
    assert bench.gate.verify() == gate.UNHEALTHY and "is not known" in bench.mail


def test_a_spent_budget_disarms(bench):
    bench.asked = gate.Settings(**{**bench.asked.__dict__, "budget": 1, "minimum_uptime": 30})
    bench.run()
    bench.reboots()
    bench.gate.verify()
    bench.up = 100.0
    assert bench.run() == gate.HELD
    assert bench.events[-1] == "disarmed" and bench.systemctl == ["mask --now sabakan-reboot.timer"] and "the budget is spent" in bench.mail
    assert bench.done.count("reboot") == 1


@pytest.mark.parametrize(("hooks", "said"), [
    ([Hook("slow", ["/bin/sleep", "60"], 1)], "drain slow: it did not end within 1 s and was killed"),
    ([Hook("bad", ["/bin/sh", "-c", "echo no; exit 3"])], "drain bad: no"),
    ([Hook("gone", ["/no/such"])], "drain gone: /no/such: No such file or directory"),
])
def test_a_drain_that_fails_or_hangs_is_undone(bench, hooks, said):
    bench.asked = gate.Settings(**{**bench.asked.__dict__, "drain": hooks})
    assert bench.run() == gate.UNKNOWN
    assert bench.done == ["undrain"] and said in bench.mail and bench.events[-1] == "abandoned"
    assert bench.store.object[1]["released"]


def test_a_reboot_that_cannot_be_ordered_is_undone(bench):
    bench.asked = gate.Settings(**{**bench.asked.__dict__, "command": ["/bin/false"]})
    assert bench.run() == gate.UNKNOWN
    assert bench.events[-1] == "abandoned" and bench.done == ["drain", "undrain"] and bench.store.object[1]["released"]


def test_what_is_not_known_after_the_lock_was_taken_lets_it_go(bench, monkeypatch):
    def unknown():
        raise OSError("systemctl does not answer")

    monkeypatch.setattr(health, "state", unknown)
    assert bench.run() == gate.UNKNOWN
    assert bench.done == [] and bench.store.object[1]["released"] and "systemctl does not answer" in bench.mail


def test_another_host_with_the_lock_holds_it_back(bench):
    other = gate.turn.Turn(gate.Settings("app-02", lock_store="redis"), bench.store)
    other.acquire(0)
    assert bench.run() == gate.HELD and bench.done == [] and bench.mail == ""
    bench.store.answers = False
    assert bench.run() == gate.UNKNOWN and "no answer" in bench.mail


def test_evidence_is_kept_before_a_leak_is_answered(bench, monkeypatch):
    bench.found = {"slab": Slab(500, 1000, 100)}
    bench.run()
    assert any("evidence in" in why for why in bench.gate.journal.read()[-1]["why"])


def test_without_evidence_a_leak_is_not_wiped_out(bench, monkeypatch):
    def broken(*dummy):
        raise OSError("slabinfo: Permission denied")

    monkeypatch.setattr(evidence, "keep", broken)
    bench.found = {"slab": Slab(500, 1000, 100)}
    assert bench.run() == gate.UNKNOWN and "reboot" not in bench.done and "slabinfo" in bench.mail


def test_what_could_not_be_told_is_told_later(bench):
    marker = bench.path / "works"
    bench.asked = gate.Settings(**{**bench.asked.__dict__, "notify": [
        Hook("mail", ["/bin/sh", "-c", f'test -e {marker} && echo "$SABAKAN_TEXT" >> {bench.path}/mail'])]})
    bench.gate.teller.alert("first")
    bench.gate.teller.alert("second")
    assert bench.mail == "" and len(json.loads((Path(bench.asked.state) / "undelivered").read_text())) == 2
    marker.touch()
    bench.gate.teller.deliver()
    assert bench.mail == "app-01: first\napp-01: second\n" and not (Path(bench.asked.state) / "undelivered").exists()


@pytest.mark.parametrize("at", ["replace", "fsync"])
def test_what_waits_to_be_told_outlasts_a_kill_and_a_full_disk(bench, monkeypatch, at):
    class Killed(BaseException):
        pass

    bench.asked = gate.Settings(**{**bench.asked.__dict__, "notify": [Hook("mail", ["/bin/false"])]})
    bench.gate.teller.alert("first")
    with monkeypatch.context() as patched:
        def cut(*dummy):
            raise Killed if at == "replace" else OSError(28, "No space left on device")

        patched.setattr("os." + at, cut)
        with contextlib.suppress(Killed):
            bench.gate.teller.alert("second")
    assert [one["text"] for one in gate.Teller(bench.asked, {})._waiting()] == ["app-01: first"]


@pytest.mark.parametrize("script", ["printf 'a\\000b'; exit 3", "head -c 200000 /dev/zero; exit 3"])
def test_what_a_hook_says_in_zero_bytes_is_told_all_the_same(bench, script):
    bench.asked = gate.Settings(**{**bench.asked.__dict__, "drain": [Hook("odd", ["/bin/sh", "-c", script])]})
    assert bench.run() == gate.UNKNOWN
    assert "no reboot: drain odd" in bench.mail and bench.events[-1] == "abandoned"


def test_a_message_longer_than_an_environment_may_be_is_told(bench):
    bench.gate.teller.alert("\u932b" * 100_000)
    assert bench.mail.startswith("app-01: \u932b") and not (Path(bench.asked.state) / "undelivered").exists()


def test_a_webhook_that_fails_is_not_named(bench, capsys):
    teller = gate.Teller(bench.asked, {"webhook": "http://127.0.0.1:1/secret"})
    teller.alert("x")
    assert "secret" not in capsys.readouterr().err and (Path(bench.asked.state) / "undelivered").exists()


@pytest.mark.parametrize("path", ["/with a space/secret", "/secret\x7f"])
def test_a_webhook_that_is_no_url_for_http_stops_no_alert(bench, capsys, path):
    gate.Teller(bench.asked, {"webhook": f"http://127.0.0.1:1{path}"}).alert("x")
    error = capsys.readouterr().err
    assert "the webhook did not take it: InvalidURL" in error and "secret" not in error
    assert (Path(bench.asked.state) / "undelivered").exists()


def test_a_webhook_that_answers_with_something_else_stops_no_alert(bench, monkeypatch):
    def answer(*dummy, **more):
        raise http.client.BadStatusLine("SSH-2.0-OpenSSH_10.0")

    monkeypatch.setattr("urllib.request.urlopen", answer)
    gate.Teller(bench.asked, {"webhook": "http://127.0.0.1:22/"}).alert("x")
    assert (Path(bench.asked.state) / "undelivered").exists()
