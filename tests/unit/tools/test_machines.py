"""The helper of the machine tier, without an emulator."""

from __future__ import annotations

import json

import pytest

from tools import machines
from tools.machines import Machine, MachineError, Settings


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path / "fleet" / "swap-13")
    made.directory.mkdir(parents=True)
    (made.directory / "settings.json").write_text(json.dumps({"image": "/images/13", "port": 20001, "disks": {"data": "1G"}}))
    return made


def test_no_port_is_opened_beyond_the_loopback(machine):
    command = machine._command(machine.settings, "", "again")
    network = command[command.index("-netdev") + 1]
    assert network.count("hostfwd=") == 1 and "hostfwd=tcp:127.0.0.1:20001-:22" in network
    assert command[command.index("-display") + 1] == "none" and "-nodefaults" in command


@pytest.mark.parametrize("clock, base", [("", "base=utc,clock=host"), ("2026-07-14T03:29:00", "base=2026-07-14T03:29:00,clock=host")])
def test_the_clock_begins_where_it_is_asked(machine, clock, base):
    command = machine._command(machine.settings, clock, "again")
    assert command[command.index("-rtc") + 1] == base


@pytest.mark.parametrize("instruction, accelerator, clock, shift", [
    (0, "tcg,thread=multi,tb-size=256", "host", None), (1, "tcg,thread=single,tb-size=256", "vm", "0"), (2, "tcg,thread=single,tb-size=256", "vm", "1"),
])
def test_time_is_the_hosts_or_that_of_the_instructions(machine, instruction, accelerator, clock, shift):
    command = machine._command(Settings(instruction=instruction), "", "again")
    assert command[command.index("-accel") + 1] == accelerator and command[command.index("-rtc") + 1] == f"base=utc,clock={clock}"
    assert (f"shift={shift},sleep=on" in command) is bool(instruction)


@pytest.mark.parametrize("on_reboot, ends", [("again", False), ("exit", True)])
def test_a_reboot_ends_the_emulator_if_asked(machine, on_reboot, ends):
    assert ("-no-reboot" in machine._command(machine.settings, "", on_reboot)) is ends


def test_each_machine_has_an_identity_of_its_own(tmp_path):
    identities = {
        word for name in ("a", "b") for word in " ".join(Machine(tmp_path / name)._command(Settings(), "", "again")).split()
        if word.startswith("systemd.machine_id=")
    }
    assert len(identities) == 2


def test_boots_are_counted_over_all_starts(machine):
    (machine.directory / "console.log").write_text("[0.0] Linux version 6.1\nx\n[0.0] Linux version 6.1\n")
    assert machine.boots == 2


def test_what_runs_is_found_by_its_arguments(machine, monkeypatch):
    monkeypatch.setattr(machines, "_emulators", lambda: [(7, machine.directory), (8, machine.directory.parent / "other")])
    assert machine.pids() == [7] and machine.running


def test_a_machine_that_was_never_made_is_told_of(tmp_path):
    with pytest.raises(MachineError, match="no machine was created"):
        Machine(tmp_path / "none").start()


def test_a_comma_that_would_break_the_arguments_is_refused(tmp_path):
    with pytest.raises(MachineError, match="comma"):
        Machine(tmp_path / "a,b")


HELD = ["cannot create PID file: Cannot lock pid file: Resource temporarily unavailable", 'Failed to get "write" lock',
        "Could not set up host forwarding rule 'tcp:127.0.0.1:20001-:22'"]


@pytest.fixture
def emulator(machine, tmp_path, monkeypatch):
    """One that says this, at its first starts or at all; and how often it was started."""
    def install(said, times):
        program, starts = tmp_path / "emulator", tmp_path / "starts"
        program.write_text(f"#!/bin/sh\necho >> {starts}\n[ $(wc -l < {starts}) -gt {times} ] || {{ echo '{said}' >&2; exit 1; }}\n")
        program.chmod(0o755)
        monkeypatch.setattr(machines, "EMULATOR", str(program))
        return lambda: len(starts.read_text().splitlines())
    return install


@pytest.mark.parametrize("said", HELD)
def test_a_start_waits_for_what_the_last_emulator_still_holds(machine, emulator, said):
    starts = emulator(said.replace("'", ""), 2)
    machine.start()
    assert starts() == 3


def test_what_another_holds_for_good_is_an_error(machine, emulator, monkeypatch):
    monkeypatch.setattr(machines, "RELEASE", 0)
    emulator(HELD[0], 99)
    with pytest.raises(MachineError, match="Cannot lock pid file"):
        machine.start()


def test_any_other_trouble_is_one_at_once(machine, emulator):
    starts = emulator("no such image", 1)
    with pytest.raises(MachineError, match="no such image"):
        machine.start()
    assert starts() == 1


@pytest.mark.parametrize("settings", ['{"memroy": 1}', "nonsense", "[]"])
def test_settings_that_are_none_are_refused_by_the_command(tmp_path, capsys, settings):
    assert machines.main(["create", str(tmp_path / "m"), settings]) == 1
    assert "settings" in capsys.readouterr().err


def test_clearing_removes_every_machine_and_an_empty_place_is_no_error(machine):
    fleet = machine.directory.parent
    machines.clear(fleet)
    machines.clear(fleet)
    assert not fleet.exists()
