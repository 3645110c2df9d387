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
    told = {}
    for key in ("former", "new"):
        code, output = play(tmp_path, "exclusive_lock", [{"ansible.builtin.copy": {
            "dest": str(tmp_path / "told"), "content": "{{ {'units': units, 'unleased': __exclusive_lock_unleased, 'definition': leased} | to_json }}",
        }, "vars": {"units": units, "item": "ledger", "leased": container["leased"], "__exclusive_lock_container": container["__exclusive_lock_container"]}}], {
            "exclusive_lock_units": [{"name": "a.service", "lease": True}, {"name": "b.service"}],
            "exclusive_lock_containers": [{"name": "ledger", "lease": True, "definition": {"labels": {"own": "one"}}}, {"name": "c", "lease": False}],
            "exclusive_lock_lease": {"secret_key": key},
        })
        assert code == 0, output
        told[key] = json.loads((tmp_path / "told").read_text())
    read = {unit["name"]: unit["restart_on"] for unit in told["new"]["units"]}
    assert "/etc/sabakan/exclusive-a.service.json" in read["a.service"]
    assert read["b.service"] == ["/etc/systemd/system/b.service.d/60-sabakan-exclusive.conf"]
    assert told["new"]["unleased"] == ["b.service"]
    assert told["new"]["definition"]["labels"]["own"] == "one"
    assert told["new"]["definition"] != told["former"]["definition"]


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
    units = task("sidekiq", "run", "Run Sidekiq with what is configured and current")["sabakan.vps.service_in_force"]["units"]
    for role, expression in (("puma", "{{ __puma_units }}"), ("sidekiq", units)):
        show = {"ansible.builtin.copy": {"dest": str(tmp_path / "told"), "content": "{{ units | to_json }}"}, "vars": {"units": expression}}
        code, output = play(tmp_path, role, [show], {})
        assert code == 0, output
        assert "/usr/local/share/ca-certificates/sabakan-stack.crt" in json.loads((tmp_path / "told").read_text())[0]["restart_on"]
