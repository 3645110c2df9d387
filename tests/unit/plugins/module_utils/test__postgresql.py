# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._postgresql import (
    Found,
    Source,
    parse_controldata,
    parse_identify_system,
    refusal,
)
from ansible_collections.sabakan.vps.plugins.module_utils._postgresql_host import Host
from hypothesis import given
from hypothesis import strategies as st

CONTROLDATA = """\
pg_control version number:            1700
Database system identifier:           7575000000000000001
Database cluster state:               in production
Latest checkpoint location:           0/3000060
Latest checkpoint's TimeLineID:       2
Time of latest checkpoint:            Fri Nov 21 11:30:00 2025
max_connections setting:              100
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
Data page checksum version:           1
"""
PRIMARY = None
SAME = Source("7575000000000000001", 2)


def cluster(**more: Any) -> Found:
    control = {**parse_controldata(CONTROLDATA), **more.pop("control", {})}
    fields = {"entries": ("PG_VERSION", "base"), "version": "17", "control": control, **more}
    return Found("/var/lib/postgresql/17/main", **fields)


def test_controldata_gives_what_a_clone_shares_with_its_primary() -> None:
    found = cluster()
    assert (found.system_identifier, found.timeline, found.checksums) == ("7575000000000000001", 2, True)
    assert found.settings == {
        "max_connections": 100,
        "max_worker_processes": 8,
        "max_wal_senders": 10,
        "max_prepared_transactions": 0,
        "max_locks_per_transaction": 64,
    }


@pytest.mark.parametrize(
    ("found", "source"),
    [
        pytest.param(Found("/data"), PRIMARY, id="nothing there, a primary to be"),
        pytest.param(Found("/data"), SAME, id="nothing there, a standby to be"),
        pytest.param(cluster(), PRIMARY, id="the primary"),
        pytest.param(cluster(standby=True), SAME, id="a standby of its primary"),
        pytest.param(cluster(standby=True), Source("7575000000000000001", 3), id="a standby that has yet to switch timeline"),
        pytest.param(cluster(standby=True), Source(error="connection refused"), id="a standby whose primary is down"),
    ],
)
def test_a_directory_of_known_standing_is_not_refused(found: Found, source: Source | None) -> None:
    assert refusal(found, "17", source) == ""


@pytest.mark.parametrize(
    ("found", "source", "says"),
    [
        pytest.param(Found("/data", ("a", "b")), PRIMARY, "2 other entries (a, b)", id="somebody's files"),
        pytest.param(Found("/data", ("base",)), SAME, "no PostgreSQL cluster", id="half of a cluster"),
        pytest.param(Found("/data", fixed="a mount point"), PRIMARY, "is empty but a mount point", id="what no cluster can take the place of"),
        pytest.param(Found("/data", others=("/var/lib/postgresql/15/main",)), PRIMARY, "15/main", id="one of the release before"),
        pytest.param(Found("/data", others=("/var/lib/postgresql/15/main",)), SAME, "pg_upgradecluster", id="a standby of the release before"),
        pytest.param(Found("/data", fixed="a link"), SAME, "renamed into its place", id="nor that of a standby"),
        pytest.param(
            cluster(installed=False, control={"Database system identifier": ""}), PRIMARY,
            "postgresql-17 is not installed on this host, so that nothing can read it: install it", id="a disk of an earlier installation",
        ),
        pytest.param(cluster(version="15"), PRIMARY, "runs PostgreSQL 17", id="another release"),
        pytest.param(cluster(control={"Database system identifier": ""}), PRIMARY, "cannot read it", id="no control file"),
        pytest.param(cluster(control={"Data page checksum version": "0"}), PRIMARY, "pg_checksums", id="no checksums"),
        pytest.param(cluster(standby=True), PRIMARY, "makes this host the primary", id="a standby named primary"),
        pytest.param(cluster(), SAME, "makes this host a standby", id="a primary named standby"),
        pytest.param(cluster(), Source(error="refused"), "makes this host a standby", id="the same, the source down"),
        pytest.param(cluster(standby=True), Source("7", 2), "clone of something else", id="another cluster's standby"),
        pytest.param(cluster(standby=True), Source("7575000000000000001", 1), "was promoted", id="ahead of its primary"),
    ],
)
def test_any_other_is_refused_with_the_path_and_the_reason(found: Found, source: Source | None, says: str) -> None:
    message = refusal(found, "17", source)
    assert message.startswith(found.path)
    assert says in message


def test_a_refused_cluster_is_described_for_the_operator() -> None:
    message = refusal(cluster(), "17", SAME)
    for fact in ("PostgreSQL 17", "7575000000000000001", "timeline 2", "'in production'", "0/3000060"):
        assert fact in message


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("7575000000000000001|2|0/5000148|\n", SAME),
        ("NOTICE: hello\n7575000000000000001|2|A/5000148|\n", SAME),
    ],
)
def test_identify_system_is_read(text: str, source: Source) -> None:
    assert parse_identify_system(text) == source


@given(st.text())
def test_any_answer_is_a_source_or_an_error(text: str) -> None:
    source = parse_identify_system(text)
    assert bool(source.system_identifier) != bool(source.error)


@given(st.text())
def test_any_output_is_a_mapping_of_stripped_words(text: str) -> None:
    assert all(word == word.strip() for pair in parse_controldata(text).items() for word in pair)


class Module:
    def __init__(self, path: Path) -> None:
        self.params = {"data_directory": str(path), "version": "0", "source": None}


def test_an_empty_directory_that_cannot_be_renamed_over_is_told_from_one_that_can(tmp_path: Path) -> None:
    found = {}
    for name in ("missing", "empty", "volume", "link"):
        path = tmp_path / name
        if name == "link":
            path.symlink_to(tmp_path / "empty")
        elif name != "missing":
            (path / "lost+found" if name == "volume" else path).mkdir(parents=True)
        found[name] = Host(Module(path)).found()
    assert not any(one.entries for one in found.values())
    assert {name: one.fixed for name, one in found.items()} == {
        "missing": "", "empty": "", "volume": "the root of a file system (lost+found)", "link": "a link",
    }
    assert Host(Module(Path("/proc"))).found().fixed == ""  # not empty


def test_a_cluster_of_the_release_before_is_found_where_the_new_one_would_be(tmp_path: Path) -> None:
    """An upgrade of Debian changes the release: an empty database in the place of the one there would look like a success."""
    for place in ("15/main", "15/other", "0/other", "backup/main"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "PG_VERSION").touch()
    assert Host(Module(tmp_path / "0/main")).found().others == (str(tmp_path / "15/main"),)
    assert Host(Module(tmp_path / "0/other")).found().others == ()  # it is there itself
    assert Host(Module(tmp_path / "elsewhere/main")).found().others == ()
