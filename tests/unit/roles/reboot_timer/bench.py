# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host of the test's own in a directory, on which the gate runs as a whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from memory_store import Store
from sabakan_reboot import evidence, gate, health, host, journal, programs
from sabakan_reboot.decide import Slab, Snapshot
from sabakan_reboot.gate import Gate
from sabakan_reboot.settings import Hook, Settings

DAY = 86400
WELL = {"failed": [], "running": ["ssh.service"], "listening": ["0.0.0.0:22"]}


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
