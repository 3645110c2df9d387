# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sabakan.vps.plugins.module_utils import _service, _systemd
from ansible_collections.sabakan.vps.plugins.modules import service_in_force

NAME = "x.service"


class Host:
    """A systemd of one or more services that do what they are told, unless `breaks` says otherwise."""

    def __init__(self) -> None:
        self.units: dict[str, dict[str, str]] = {}
        self.limit = {}
        self.calls: list[tuple[str, ...]] = []
        self.breaks: dict[str, Any] = {}
        self.numbers = itertools.count(100)

    def add(self, name: str = NAME, **properties: str) -> None:
        self.units[name] = {
            "LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled",
            "NeedDaemonReload": "no", "CanReload": "yes", "Type": "simple", "NRestarts": "0", "MainPID": "0", **properties,
        }

    def start(self, name: str) -> None:
        number = next(self.numbers)
        state = self.breaks.get("state", {"ActiveState": "active", "SubState": "running"})
        # Long enough ago to have settled.
        started = str(int((time.monotonic() - 5) * 1e6))
        self.units[name].update(MainPID=str(number), InvocationID=f"i{number}", ExecMainStartTimestampMonotonic=started, **state)
        self.limit[name] = min(self.drop_in(name), self.breaks.get("hard", 10**9))

    @staticmethod
    def drop_in(name: str) -> int:
        text = _systemd._read(_service.DROP_IN.format(unit=name))
        return int(text.split("LimitNOFILE=")[1].split()[0]) if "LimitNOFILE=" in text else 1024

    def call(self, *words: str, check: bool = True) -> tuple[int, str]:
        self.calls.append(words)
        if words[0] == self.breaks.get("interrupt"):
            raise KeyboardInterrupt
        if words[0] in ("start", "restart"):
            if "code" in self.breaks:
                return self.breaks["code"], "Job for x.service failed."
            self.start(words[1])
        if words[0] == "enable":
            self.units[words[1]]["UnitFileState"] = "enabled"
        return 0, ""

    def show(self, names: list[str]) -> dict[str, dict[str, str]]:
        return {name: dict(self.units.get(name, {"LoadState": "not-found"})) for name in names}

    def processes(self, shown: dict[str, str]) -> tuple[_service.Process, ...]:
        name = next((name for name, unit in self.units.items() if unit["MainPID"] == shown.get("MainPID")), NAME)
        pid = int(shown.get("MainPID") or 0)
        limit = self.limit.get(name, 1024)
        return (_service.Process(pid, "x", {"nofile": (limit, limit)}),) if pid else ()


@pytest.fixture
def host(monkeypatch, tmp_path):
    found = Host()
    monkeypatch.setattr(_systemd, "RECORDS", str(tmp_path / "records"))
    monkeypatch.setattr(_service, "DROP_IN", str(tmp_path / "{unit}.d/50-sabakan-limits.conf"))
    for method in ("call", "show", "processes"):
        monkeypatch.setattr(_systemd.Systemd, method, lambda self, *a, method=method, **k: getattr(found, method)(*a, **k))
    monkeypatch.setattr(_systemd.Systemd, "pids", lambda self, shown: [])
    monkeypatch.setattr(_systemd.Systemd, "ceiling", lambda self: (20000, "reason"))
    monkeypatch.setattr(_systemd.Systemd, "journal", lambda self, name: ["its last words"])
    monkeypatch.setattr(service_in_force.AnsibleModule, "get_bin_path", lambda self, *a, **k: "/bin/true")
    clock = itertools.count(1000)
    monkeypatch.setattr(service_in_force, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None))
    return found


@pytest.fixture
def run(capsys):
    def module(*units: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        arguments = {"units": list(units), "_ansible_check_mode": check, "_ansible_diff": True, **more}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            service_in_force.main()
        return json.loads(capsys.readouterr().out)

    return module


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "x.conf"
    path.write_text("one")
    return path


def test_first_run_starts_second_run_does_nothing(host, run, config):
    host.add()
    unit = {"name": NAME, "enabled": True, "restart_on": [str(config)], "limits": {"nofile": 4096}}
    first = run(unit)
    assert first["changed"] and first["units"][0]["action"] == "start"
    assert ("enable", NAME) in host.calls and host.limit[NAME] == 4096
    host.calls.clear()
    second = run(unit)
    assert not second["changed"] and second["units"][0]["action"] == "none" and host.calls == []


def test_check_mode_foretells_and_touches_nothing(host, run, config, tmp_path):
    host.add()
    unit = {"name": NAME, "enabled": True, "restart_on": [str(config)], "limits": {"nofile": 4096}}
    before = sorted(tmp_path.rglob("*"))
    foretold = run(unit, check=True)
    assert foretold["changed"] and foretold["units"][0]["action"] == "start" and host.calls == []
    assert sorted(tmp_path.rglob("*")) == before
    assert "LimitNOFILE=4096" in json.dumps(foretold["diff"])


def test_check_mode_on_an_untouched_host_passes(run, host):
    assert run({"name": "none.service", "enabled": True, "listens_on": ["10.0.0.1:80"]}, check=True)["changed"]


def test_a_unit_that_does_not_exist_is_told(run, host):
    assert "none.service: no such unit" in run({"name": "none.service"})["msg"]


@pytest.mark.parametrize("interrupted", ["daemon-reload", "restart"])
def test_a_run_interrupted_anywhere_is_finished_by_the_next(host, run, config, interrupted):
    host.add()
    unit = {"name": NAME, "restart_on": [str(config)], "limits": {"nofile": 4096}}
    run(unit)
    config.write_text("two")
    unit["limits"] = {"nofile": 8192}
    host.breaks["interrupt"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(unit)
    del host.breaks["interrupt"]
    assert run(unit)["units"][0]["action"] == "restart" and host.limit[NAME] == 8192
    assert not run(unit)["changed"]


def test_a_file_that_appears_is_a_change(host, run, tmp_path):
    host.add()
    unit = {"name": NAME, "reload_on": [str(tmp_path / "later")]}
    run(unit)
    (tmp_path / "later").write_text("x")
    assert run(unit)["units"][0]["action"] == "reload"
    assert not run(unit)["changed"]


def test_a_unit_that_runs_and_does_not_listen_is_restarted_once(host, run, monkeypatch):
    host.add()
    unit = {"name": NAME, "listens_on": ["10.0.0.1:80"]}
    serving = {"now": {("10.0.0.1", 80)}}
    monkeypatch.setattr(_systemd.Systemd, "listening", lambda self, name, shown: serving["now"])
    monkeypatch.setattr(_systemd._sockets, "is_listening", lambda address, listening: bool(listening))
    run(unit)
    serving["now"] = set()
    host.calls.clear()
    deaf = run(unit)
    assert "does not listen on 10.0.0.1:80" in deaf["msg"] and host.calls.count(("restart", NAME)) == 1
    monkeypatch.setattr(host, "start", lambda name, start=host.start: (start(name), serving.update(now={("10.0.0.1", 80)})))
    healed = run(unit)
    assert healed["changed"] and healed["units"][0]["action"] == "restart" and not run(unit)["changed"]


def test_a_unit_without_reload_is_restarted(host, run, config):
    host.add(CanReload="no")
    unit = {"name": NAME, "reload_on": [str(config)]}
    run(unit)
    config.write_text("two")
    assert run(unit)["units"][0]["action"] == "restart"


def test_a_record_of_an_earlier_boot_does_not_count(host, run, config):
    host.add()
    unit = {"name": NAME, "restart_on": [str(config)]}
    run(unit)
    host.start(NAME)
    config.write_text("changed, and then the process was started by a boot")
    host.units[NAME]["ExecMainStartTimestampMonotonic"] = str(int((time.monotonic() + 5) * 1e6))
    assert run(unit)["units"][0]["action"] == "none"


def test_empty_limits_take_the_own_drop_in_away_and_no_limits_leave_it(host, run, tmp_path):
    host.add()
    run({"name": NAME, "limits": {"nofile": 4096}})
    own = tmp_path / f"{NAME}.d"
    assert not run({"name": NAME})["changed"] and own.is_dir()
    host.breaks["interrupt"] = "restart"
    with pytest.raises(KeyboardInterrupt):
        run({"name": NAME, "limits": {}})
    host.breaks.clear()
    assert not own.exists() and host.limit[NAME] == 4096
    assert run({"name": NAME, "limits": {}})["units"][0]["action"] == "restart" and host.limit[NAME] == 1024
    assert not run({"name": NAME, "limits": {}})["changed"]


def test_a_foreign_drop_in_stays(host, run, tmp_path):
    host.add()
    run({"name": NAME, "limits": {"nofile": 4096}})
    (tmp_path / f"{NAME}.d" / "foreign.conf").write_text("")
    run({"name": NAME, "limits": {}})
    assert [path.name for path in (tmp_path / f"{NAME}.d").iterdir()] == ["foreign.conf"]


def test_a_limit_above_the_ceiling_is_refused_before_anything_changes(host, run, tmp_path):
    host.add()
    result = run({"name": NAME, "limits": {"nofile": 65536}})
    assert "x.service: nofile 65536 is above 20000, reason" in result["msg"]
    assert host.calls == [] and list(tmp_path.iterdir()) == []


def test_a_limit_that_was_clamped_in_silence_fails(host, run):
    host.add()
    host.breaks["hard"] = 4096
    assert "nofile is soft 4096, hard 4096, asked 8192" in run({"name": NAME, "limits": {"nofile": 8192}})["msg"]


@pytest.mark.parametrize("state", [
    {"ActiveState": "failed", "SubState": "failed"}, {"ActiveState": "inactive", "SubState": "dead"},
    {"ActiveState": "activating", "SubState": "auto-restart"},
])
def test_a_service_that_dies_fails_at_once_with_its_last_words(host, run, state):
    host.add()
    host.breaks["state"] = state
    shows: list[Any] = []
    original = host.show

    def show(names: list[str]) -> dict[str, dict[str, str]]:
        shows.append(names)
        if state["SubState"] == "auto-restart":
            host.units[NAME]["NRestarts"] = str(3 * len(shows))
        return original(names)

    host.show = show
    result = run({"name": NAME}, timeout=60)
    assert result["failed"] and result["journal"] == {NAME: ["its last words"]} and "is not running" in result["msg"]
    assert len(shows) < 8


def test_a_service_that_starts_and_dies_in_a_loop_is_not_believed(host, run):
    host.add()
    host.breaks["state"] = {"ActiveState": "active", "SubState": "running"}
    start = host.start

    def young(name: str) -> None:
        start(name)
        host.units[name]["ExecMainStartTimestampMonotonic"] = str(int((time.monotonic() + 60) * 1e6))

    host.start = young
    assert "has not run for 1 s yet" in run({"name": NAME}, timeout=3)["msg"]


def test_a_start_that_fails_tells_the_journal(host, run):
    host.add()
    host.breaks["code"] = 1
    result = run({"name": NAME})
    assert "did not start" in result["msg"] and result["journal"] == ["its last words"]


def test_a_masked_unit_is_refused(host, run):
    host.add(LoadState="masked", UnitFileState="masked")
    assert "systemctl unmask" in run({"name": NAME, "enabled": True})["msg"]


@pytest.mark.parametrize("state", ["masked", "bad-setting", "error"])
def test_a_unit_file_that_has_been_mended_since_systemd_read_it_is_read_again(host, run, state):
    host.add(LoadState=state, NeedDaemonReload="yes")
    call = host.call

    def reading(*words: str, check: bool = True) -> tuple[int, str]:
        if words == ("daemon-reload",):
            host.units[NAME].update(LoadState="loaded", NeedDaemonReload="no")
        return call(*words, check=check)

    host.call = reading
    assert run({"name": NAME}, check=True)["units"][0]["action"] == "start"
    assert run({"name": NAME})["units"][0]["action"] == "start"


def test_a_masked_unit_is_refused_though_a_reload_does_not_settle_it(host, run):
    host.add(LoadState="masked", NeedDaemonReload="yes")  # for ever where it has drop-ins, before systemd 257
    assert "systemctl unmask" in run({"name": NAME})["msg"]
    assert [words[0] for words in host.calls] == ["daemon-reload"]


def test_units_are_acted_on_in_order_and_only_where_needed(host, run, config):
    for name in ("a.service", "b.service"):
        host.add(name)
    units = [{"name": "a.service", "restart_on": [str(config)]}, {"name": "b.service"}]
    run(*units)
    config.write_text("two")
    assert [unit["action"] for unit in run(*units)["units"]] == ["restart", "none"]


@pytest.mark.parametrize("limits, complaint", [({"nofiles": 1}, "unknown"), ({"nofile": "many"}, "whole number")])
def test_limits_that_do_not_parse_are_refused(host, run, limits, complaint):
    host.add()
    assert complaint in run({"name": NAME, "limits": limits})["msg"]


def test_a_directory_among_the_files_is_told_as_such(host, run, tmp_path):
    host.add()
    told = run({"name": NAME, "restart_on": [str(tmp_path)]})
    assert told["failed"] and told["msg"] == f"{tmp_path}: Is a directory"


def test_a_disk_that_cannot_be_written_is_told(host, run, monkeypatch):
    def refuse(path, *dummy):
        raise OSError(30, "Read-only file system", path)

    host.add()
    monkeypatch.setattr(_systemd._files, "replace_file", refuse)
    told = run({"name": NAME, "limits": {"nofile": 4096}})
    assert told["failed"] and told["msg"].endswith("50-sabakan-limits.conf: Read-only file system") and host.calls == []


@pytest.mark.parametrize("check", [False, True])
def test_what_a_timer_starts_is_read_anew(host, run, check):
    """A timer's own file is as it was; the service that it starts stays loaded with the timer."""
    host.add("x.timer", Triggers=NAME, ActiveState="active", SubState="waiting", UnitFileState="enabled")
    host.add(NeedDaemonReload="yes", Type="oneshot")
    result = run({"name": "x.timer", "enabled": True}, check=check)
    assert not result["changed"]
    assert (("daemon-reload",) in host.calls) is not check
    assert [words[0] for words in host.calls if words[0] != "daemon-reload"] == []
