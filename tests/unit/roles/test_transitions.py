# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that was brought to one value is brought to another, and nothing of the first one stays in force."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from role_run import STACK, play, rendered
from test_power_cut import shims, task


def told(directory: Path, role: str, one: dict[str, Any], variables: dict[str, Any]) -> list[dict[str, Any]]:
    """The units that a task of a role asks for."""
    show = {"ansible.builtin.copy": {"dest": str(directory / "told"), "content": "{{ asked | to_json }}"},
            "vars": {**one.get("vars", {}), "asked": one["sabakan.vps.service_in_force"]["units"]}}
    code, output = play(directory, role, [show], variables)
    assert code == 0, output
    return json.loads((directory / "told").read_text())


def test_a_cache_that_moves_has_another_zone(tmp_path: Path) -> None:
    """nginx refuses another directory under one name in a reload, though not in its test, and keeps the whole former configuration."""
    store = {**STACK["stack_object_storage"], "public_url": "https://media.s3.example.org"}
    zones = []
    for directory in ("/var/cache/nginx/media", "/srv/cache"):
        text = rendered(tmp_path, "media_proxy", "nginx.conf.j2", {"stack_object_storage": store, "media_proxy_cache_directory": directory})
        declared, used = re.findall(r"keys_zone=(\w+):16m", text), re.findall(r"proxy_cache (\w+);", text)
        assert declared == used and len(used) == 1
        zones += used
    assert zones[0] != zones[1]


def test_a_standby_that_is_gone_holds_back_no_wal(tmp_path: Path) -> None:
    """A slot of another name, or in use, is left alone; one that was lost is made anew."""
    idle = [("standby_10_91_0_22", "reserved"), ("standby_10_91_0_23", "lost"), ("standby_10_91_0_29", "extended"), ("standby_10_91_0_28", "lost"),
            ("standby_archive", "reserved"), ("backup", "lost"), ("standby_10_91_0_24", None)]
    code, output = play(tmp_path, "postgresql", [{"ansible.builtin.debug": {"msg": "gone={{ __postgresql_slots_gone | sort | join(',') }}."}}], {
        "stack_postgresql_standbys": ["10.91.0.22", "10.91.0.23", "10.91.0.24"],
        "__postgresql_idle": {"query_result": [{"slot_name": name, "wal_status": status} for name, status in idle]},
    })
    assert code == 0, output
    assert "gone=standby_10_91_0_23,standby_10_91_0_28,standby_10_91_0_29." in output


def test_what_runs_under_a_lease_sees_other_settings_of_it(tmp_path: Path) -> None:
    """They are read at the start alone: a key that the store has revoked would end the service in the middle of its work."""
    units = task("exclusive_lock", "run", "Run the units as they are wrapped")["sabakan.vps.service_in_force"]["units"]
    container = task("exclusive_lock", "run", "Run the containers as they are wrapped")["vars"]
    found = {}
    for key in ("former", "new"):
        code, output = play(tmp_path, "exclusive_lock", [{"ansible.builtin.copy": {
            "dest": str(tmp_path / "told"), "content": "{{ {'units': units, 'unleased': __exclusive_lock_unleased, 'definition': leased} | to_json }}",
        }, "vars": {"units": units, "item": "ledger", "leased": container["leased"], "__exclusive_lock_container": container["__exclusive_lock_container"]}}], {
            "exclusive_lock_units": [{"name": "a.service", "lease": True}, {"name": "b.service"}],
            "exclusive_lock_containers": [{"name": "ledger", "lease": True, "definition": {"labels": {"own": "one"}}}, {"name": "c", "lease": False}],
            "exclusive_lock_lease": {"secret_key": key},
        })
        assert code == 0, output
        found[key] = json.loads((tmp_path / "told").read_text())
    read = {unit["name"]: unit["restart_on"] for unit in found["new"]["units"]}
    assert "/etc/sabakan/exclusive-a.service.json" in read["a.service"]
    assert read["b.service"] == ["/etc/systemd/system/b.service.d/60-sabakan-exclusive.conf"]
    assert found["new"]["unleased"] == ["b.service"]
    assert found["new"]["definition"]["labels"]["own"] == "one"
    assert found["new"]["definition"] != found["former"]["definition"]


@pytest.mark.parametrize("there", ["authority.crt", "authority.crt.gone", ""], ids=["trusted", "interrupted", "never trusted"])
def test_an_authority_that_is_no_longer_asked_for_is_not_trusted(tmp_path: Path, there: str) -> None:
    place = tmp_path / "trusted"
    place.mkdir()
    if there:
        (place / there).write_text("PEM")
    environment = shims(tmp_path, **{"update-ca-certificates": f"ls {place} >> {tmp_path}/log"})
    tasks = [{**task("mastodon", "install", "Trust it no longer where the store has none"), "environment": environment}]
    code, output = play(tmp_path, "mastodon", tasks, {"__mastodon_authority": str(place / "authority.crt")})
    assert code == 0, output
    assert list(place.iterdir()) == []
    log = (tmp_path / "log").read_text().splitlines() if there else []
    assert log == (["update-ca-certificates --fresh", "authority.crt.gone"] if there else [])


@pytest.mark.parametrize(("asked", "written", "left"), [({}, "[http]\n\tproxy = http://hand\n", True), ({"http.proxy": "http://p"}, "", True), ({}, "", False)],
                         ids=["somebody's own", "asked", "no longer asked"])
def test_git_goes_no_former_way(tmp_path: Path, asked: dict[str, str], written: str, left: bool) -> None:
    (tmp_path / "home").mkdir()
    former = written or rendered(tmp_path, "mastodon", "gitconfig.j2", {"mastodon_git_config": {"http.proxy": "http://former"}})
    (tmp_path / "home/.gitconfig").write_text(former)
    tasks = [task("mastodon", "configure", name) for name in ("Look for git's configuration where none is asked any more", "Remove it")]
    code, output = play(tmp_path, "mastodon", tasks, {"mastodon_home": str(tmp_path / "home"), "mastodon_git_config": asked})
    assert code == 0, output
    assert (tmp_path / "home/.gitconfig").exists() is left


def test_whoever_speaks_to_the_store_sees_another_authority(tmp_path: Path) -> None:
    puma = {"sabakan.vps.service_in_force": {"units": "{{ __puma_units }}"}}
    for role, one in (("puma", puma), ("sidekiq", task("sidekiq", "run", "Run Sidekiq with what is configured and current"))):
        assert "/usr/local/share/ca-certificates/sabakan-stack.crt" in told(tmp_path, role, one, {})[0]["restart_on"]


def test_tokens_of_a_user_who_is_gone_are_forgotten(tmp_path: Path) -> None:
    units = {unit["name"]: unit for unit in told(tmp_path, "object_storage", task("object_storage", "run", "Run Swift with what is configured"), {})}
    assert "/etc/swift/proxy-server.conf" in units["memcached.service"]["restart_on"]  # where the users are


@pytest.mark.parametrize(("former", "now", "refused"), [(True, False, True), (True, True, False), (False, False, False)],
                         ids=["left behind", "moved", "none yet"])
def test_a_store_that_moves_does_not_leave_its_data_behind(tmp_path: Path, former: bool, now: bool, refused: bool) -> None:
    for name, there in (("former", former), ("now", now)):
        (tmp_path / name / "d1").mkdir(parents=True)
        if there:
            (tmp_path / name / "d1/objects").mkdir()
    (tmp_path / "object-server.conf").write_text(f"# devices = /srv/node\ndevices = {tmp_path}/former\n")
    names = ["Look for data", "Read where the data has been until now", "Look for data there", "Refuse to leave data behind"]
    tasks = [task("object_storage", "data", name) for name in names]
    tasks[1]["ansible.builtin.command"]["argv"][-1] = str(tmp_path / "object-server.conf")
    code, output = play(tmp_path, "object_storage", tasks, {"object_storage_directory": str(tmp_path / "now")})
    assert (code != 0) is refused, output
    assert ("every object would be gone" in output) is refused


@pytest.mark.parametrize(("bind", "served"), [("127.0.0.1:8404", ["127.0.0.1:8404"]), ("*:8404", ["0.0.0.0:8404"]), ("[::1]:8404", ["[::1]:8404"]), ("", [])])
def test_statistics_that_cannot_be_served_are_noticed(tmp_path: Path, bind: str, served: list[str]) -> None:
    units = told(tmp_path, "haproxy", task("haproxy", "run", "Run HAProxy with what is configured"), {
        "haproxy_stats_bind": bind, "haproxy_certificates": [{"name": "front"}]})
    assert units[0]["listens_on"] == ["0.0.0.0:80", "0.0.0.0:443", *served]


def test_the_key_of_a_certificate_that_is_gone_goes_too(tmp_path: Path) -> None:
    tasks = [task("haproxy", "configure", "Put the certificates in place"), task("haproxy", "run", "Look for certificates of before"),
             task("haproxy", "run", "Remove those that are no longer served, with their keys")]
    (tmp_path / "by-hand.pem").write_text("KEY\n")
    for names in (["one", "two"], ["two"]):
        certificates = [{"name": name, "pem": "PEM\n"} for name in names]
        code, output = play(tmp_path, "haproxy", tasks, {"haproxy_certificates": certificates, "__haproxy_certificate_directory": str(tmp_path)})
        assert code == 0, output
    assert sorted(path.name for path in tmp_path.glob("*.pem")) == ["by-hand.pem", "two.pem"]
    assert (tmp_path / "two.pem").read_text().endswith("\nPEM\n")


@pytest.mark.parametrize(("keys", "appended", "refused"), [(12, False, True), (12, True, False), (0, False, False)],
                         ids=["a snapshot alone", "append-only too", "an empty one"])
def test_a_redis_that_would_start_empty_is_refused(tmp_path: Path, keys: int, appended: bool, refused: bool) -> None:
    (tmp_path / "dump.rdb").touch()
    if appended:
        (tmp_path / "appendonlydir").mkdir()
    environment = shims(tmp_path, **{"redis-check-rdb": f"echo '[info] {keys} keys read'"})
    names = ("Look for data that is in no append-only file", "Refuse to start without it")
    tasks = json.loads(json.dumps([task("redis", "preflight", name) for name in names]).replace("/var/lib/redis", str(tmp_path)))
    code, output = play(tmp_path, "redis", [{**one, "environment": environment} for one in tasks], {})
    assert (code != 0) is refused, output
    assert (f"{keys} keys read), and there is no append-only file" in output) is refused


@pytest.mark.parametrize(("role", "unit", "kept"), [("sidekiq", "mastodon-sidekiq", "default"), ("streaming", "mastodon-streaming", "4000")])
def test_settings_for_all_processes_are_not_of_one_that_is_gone(tmp_path: Path, role: str, unit: str, kept: str) -> None:
    """`systemctl edit mastodon-sidekiq@.service` makes a directory of that name, which was removed with what is in it."""
    for name in ("", kept, "gone"):
        (tmp_path / f"{unit}@{name}.service.d").mkdir()
    look = task(role, "preflight", f"Find the {'processes' if role == 'sidekiq' else 'ports'} that run or are left over")
    look["ansible.builtin.find"]["paths"] = str(tmp_path)
    show = {"ansible.builtin.debug": {"msg": f"removed={{{{ __{role}_removed | join(',') }}}}."}}
    code, output = play(tmp_path, role, [look, show], {})
    assert code == 0, output
    assert f"removed={unit}@gone.service." in output


@pytest.mark.parametrize(("owner", "source", "refused"), [("social", "", True), ("mastodon", "", False), ("", "", False), ("social", "10.91.0.22", False)],
                         ids=["another's", "its own", "none yet", "a standby's"])
def test_a_database_does_not_change_its_user_without_its_tables(tmp_path: Path, owner: str, source: str, refused: bool) -> None:
    environment = shims(tmp_path, psql=f"echo {owner}")
    tasks = [{**task("postgresql", "owner", name), "environment": environment}
             for name in ("Ask whose the database is", "Refuse another user than the one whose tables they are")]
    code, output = play(tmp_path, "postgresql", tasks, {"__postgresql_cluster": {"running": True}, "postgresql_replication_source": source})
    assert (code != 0) is refused, output
    assert ("ALTER ROLE social RENAME TO mastodon" in output) is refused


def test_an_image_that_serves_no_more_is_removed(tmp_path: Path) -> None:
    """Nothing else of the engine is: no image of another name, none that somebody has tagged."""
    remove = task("sftp_s3", "images", "Remove them")
    show = {"ansible.builtin.debug": {"msg": "gone={{ gone | join(',') }}."}, "vars": {**remove["vars"], "gone": remove["loop"]}}
    names = ["sabakan-sftp:0123456789ab", "sabakan-sftp:ba9876543210", "sabakan-sftp:by-hand", "other:0123456789ab"]
    code, output = play(tmp_path, "sftp_s3", [show], {
        "__sftp_s3_images": {"stdout_lines": names}, "__sftp_s3_info": {"container": {"Config": {"Image": names[1]}}}})
    assert code == 0, output
    assert "gone=sabakan-sftp:0123456789ab." in output


def test_a_unit_is_told_as_left_wrapped_only_where_the_list_has_it_no_more(tmp_path: Path) -> None:
    wrapped = [{"path": f"/etc/systemd/system/{name}.service.d/60-sabakan-exclusive.conf"} for name in ("listed", "former")]
    show = {"ansible.builtin.debug": {"msg": "left={{ __exclusive_lock_left | join(',') }}."}}
    variables = {"__exclusive_lock_found": {"files": wrapped}, "exclusive_lock_units": [{"name": "listed.service"}]}
    code, output = play(tmp_path, "exclusive_lock", [show], variables)
    assert code == 0, output
    assert f"left={wrapped[1]['path']}." in output
