# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole run on a directory of the test's own: what is written, what is run, and what is left when it is cut off anywhere."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from memory_store import Store
from sabakan_reboot import evidence, gate, health, host, journal, programs
from sabakan_reboot.decide import HOLD, PASS, UNKNOWN, Slab, Snapshot
from sabakan_reboot.gate import Gate
from sabakan_reboot.settings import Hook, Settings

DAY = 86400
WELL = {"failed": [], "running": ["ssh.service"], "listening": ["0.0.0.0:22"]}


class Killed(BaseException):
    """The power goes."""


class Bench:
    """A host: its boot, its clock, its services; a reboot is a new boot_id."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.boot, self.up, self.state_now, self.store = tmp_path, "boot-1", 2.0 * DAY, dict(WELL), Store()
        self.log = tmp_path / "log"
        self.log.touch()
        hook = [Hook("drain", ["/bin/sh", "-c", f"echo drain >> {self.log}"])], [Hook("undrain", ["/bin/sh", "-c", f"echo undrain >> {self.log}"])]
        self.asked = Settings(
            "app-01", spread=0, drain=hook[0], undrain=hook[1], health_timeout=10, state=str(tmp_path / "state"), runtime=str(tmp_path / "run"),
            command=["/bin/sh", "-c", f"echo reboot >> {self.log}"], lock_store="redis",
            notify=[Hook("mail", ["/bin/sh", "-c", f'echo "$SABAKAN_TEXT" >> {tmp_path}/mail'])],
        )
        self.found: dict[str, object] = {}
        for target, name, value in (
            (host, "boot_id", lambda: self.boot), (host, "uptime", lambda: self.up), (host, "gather", self.gather), (health, "state", lambda: self.state_now),
            (gate, "_signals", lambda handler: None), (evidence, "keep", self.evidence), (gate.turn, "store_of", lambda asked, secrets: self.store),
        ):
            monkeypatch.setattr(target, name, value)
        monkeypatch.setattr(health.await_health, "__defaults__", (lambda: self.state_now, lambda: self.up, self.sleep))
        real = programs.run
        self.systemctl: list[str] = []

        def run(argv, *more, **named):
            if argv[0] == "systemctl":
                self.systemctl.append(" ".join(argv[1:]))
                return programs.Ended(0, "")
            return real(argv, *more, **named)

        monkeypatch.setattr(programs, "run", run)
        Path(self.asked.state).mkdir()
        self.gate.journal.create(self.gate.entry("armed"))

    @property
    def gate(self) -> Gate:
        return Gate(self.asked, {}, [])

    def sleep(self, seconds: float) -> None:
        self.up += seconds

    def evidence(self, state: str, name: str) -> str:
        return f"{state}/evidence/{name}"

    def gather(self, asked, files, holder, trigger, immediate, waited) -> Snapshot:
        return Snapshot(**{
            "trigger": trigger, "immediate": immediate, "waited": waited, "wall": time.time(), "uptime": self.up, "boot_id": self.boot,
            "entries": host.look(journal.Journal(asked.state).read), "storage": 1 << 30, "synchronised": True, "step": 0.0, "changed": (9999.0, "x"),
            "sessions": [], "blockers": [], "lock": host.look(holder), "kernel": "", "libraries": [], "slab": Slab(1, 1000, 1000), "sentinel": "please",
            **self.found,
        })

    def run(self) -> int:
        return self.gate.run("", True, 0)

    def reboots(self) -> None:
        self.boot, self.up = f"{self.boot}+", 20.0

    @property
    def done(self) -> list[str]:
        return self.log.read_text().split()

    @property
    def mail(self) -> str:
        path = self.path / "mail"
        return path.read_text() if path.exists() else ""

    @property
    def events(self) -> list[str]:
        return [one["event"] for one in self.gate.journal.read()]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)


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


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_disk_that_is_full_at_any_write_does_not_reboot(bench, monkeypatch, at):
    """The n-th write fails, and all after it."""
    count = 0
    for allowed in range(40):
        bench.log.write_text("")
        made = [0]
        real = getattr(os, at)

        def failing(*arguments, made=made, allowed=allowed, real=real):  # pylint: disable=dangerous-default-value
            made[0] += 1
            if made[0] > allowed:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(os, at, failing)
            code = bench.run()
        if code == gate.YES:
            break
        count += 1
        assert code == gate.UNKNOWN and "reboot" not in bench.done and "No space left" in bench.mail
        assert bench.done in ([], ["drain", "undrain"], ["undrain"])
        # Ended later, when there is room again.
        bench.up += gate.ORDERED + 1
        bench.gate.verify()
        assert journal.pending(bench.gate.journal.read()) is None
        bench.gate.note("armed")
    assert code == gate.YES and count >= 3


def test_a_power_cut_anywhere_ends_right(bench, monkeypatch):
    """Killed at the n-th write; then the host boots, and the next run is as any other."""
    cuts = 0
    for allowed in range(40):
        made = [0]
        real = os.replace

        def cut(*arguments, made=made, allowed=allowed, real=real):  # pylint: disable=dangerous-default-value
            made[0] += 1
            if made[0] > allowed:
                raise Killed
            return real(*arguments)

        bench.up, ended = 2.0 * DAY, False
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", cut)
            try:
                ended = bench.run() == gate.YES
            except Killed:
                cuts += 1
        bench.reboots()
        assert bench.gate.verify() == gate.YES
        assert journal.pending(bench.gate.journal.read()) is None
        assert bench.store.object is None or bench.store.object[1]["released"] or not bench.store.object[1]["kept"]
        # As an operator would, so that the budget of this test does not end.
        bench.gate.note("armed")
        if ended:
            break
    assert ended and cuts >= 3


def test_an_interrupted_run_is_ended_in_the_same_boot(bench):
    mine = bench.gate.own_turn()
    mine.acquire(0)
    bench.gate.note("attempt", why=["x"], lock=mine.saved(), token=1)
    assert bench.gate.verify() == gate.YES
    assert bench.events[-1] == "abandoned" and bench.done == ["undrain"] and bench.store.object[1]["released"]
    assert "interrupted before the reboot was ordered" in bench.mail


def test_a_reboot_that_never_begins_is_given_up(bench):
    bench.run()
    assert bench.gate.verify() == gate.YES and bench.events[-1] == "rebooting"
    bench.up += gate.ORDERED + 1
    assert bench.gate.verify() == gate.YES and bench.events[-1] == "abandoned" and bench.store.object[1]["released"]


def test_a_store_that_is_away_at_the_boot_is_tried_again(bench, monkeypatch):
    monkeypatch.setattr(gate.time, "sleep", bench.sleep)
    bench.run()
    bench.reboots()
    bench.store.answers = False
    assert bench.gate.verify() == gate.UNKNOWN and bench.events[-1] == "rebooting"
    bench.store.answers = True
    assert bench.gate.verify() == gate.YES and bench.events[-1] == "verified" and bench.store.object[1]["released"]


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


def test_a_second_one_at_work_is_refused(bench):
    with bench.gate.alone(0), pytest.raises(gate.Busy), bench.gate.alone(0):
        raise AssertionError("both")


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


def test_a_webhook_that_fails_is_not_named(bench, capsys):
    teller = gate.Teller(bench.asked, {"webhook": "http://127.0.0.1:1/secret"})
    teller.alert("x")
    assert "secret" not in capsys.readouterr().err and (Path(bench.asked.state) / "undelivered").exists()


@pytest.mark.parametrize(("script", "verdict", "figure"), [
    ("exit 0", PASS, "no objection"), ("echo a backup runs; exit 1", HOLD, "a backup runs"), ("exit 1", HOLD, "objects"),
    ("echo broken; exit 2", UNKNOWN, "exit code 2 broken"), ("kill -9 $$", UNKNOWN, "exit code -9"),
    ("sleep 60", UNKNOWN, "it did not end within 1 s and was killed"),
    # A child that holds the output open is no reason to wait for it.
    ("sleep 60 & echo fine", PASS, "fine"), ("trap '' TERM; sleep 60", UNKNOWN, "it did not end within 1 s and was killed"),
])
def test_blockers(script, verdict, figure):
    began = time.monotonic()
    found = programs.ask(Hook("x", ["/bin/sh", "-c", script], 1))
    assert (found.verdict, found.figure) == (verdict, figure) and time.monotonic() - began < 10


def test_a_blocker_that_is_not_there_is_not_known():
    assert programs.ask(Hook("x", ["/no/such/program"])).verdict == UNKNOWN


def test_a_hook_that_hangs_takes_its_children_with_it(tmp_path):
    programs.run(["/bin/sh", "-c", f"sleep 61 & echo $! > {tmp_path}/pid; wait"], 1)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
