# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._budget import connection_budget
from hypothesis import given, settings
from hypothesis import strategies as st


def pooler(address: str = "10.91.0.21:6432", capacity: Any = 200, **more: Any) -> dict[str, Any]:
    return {"name": "pgbouncer", "address": address, "capacity": capacity, "kind": "pooler", "variable": "cap", **more}


def server(address: str = "10.91.0.21:5432", capacity: int = 100, reserved: int = 3) -> dict[str, Any]:
    return {
        "name": "postgresql",
        "address": address,
        "capacity": capacity,
        "reserved": reserved,
        "kind": "server",
        "variable": "max_connections",
    }


def opens(name: str, target: str, count: Any, kind: str = "client", variable: str = "n") -> dict[str, Any]:
    return {"name": name, "target": target, "count": count, "kind": kind, "variable": variable}


def host(name: str, address: str, endpoints: list[Any] | None = None, connections: list[Any] | None = None) -> Any:
    declaration = {"endpoints": endpoints or [], "connections": connections or []}
    return {"host": name, "address": address, "declarations": {"role": declaration}}


def database(name: str, address: str, capacity: int = 200) -> Any:
    return host(
        name,
        address,
        [pooler(f"{address}:6432", capacity), server(f"{address}:5432")],
        [opens("pool", f"{address}:5432", 45, "pool", "pool_size")],
    )


def app(count: Any = 30, target: str = "10.91.0.21:6432", name: str = "app-01", address: str = "10.91.0.11") -> Any:
    return host(name, address, [], [opens("puma", target, count, "client", "puma_threads")])


RDB = database("rdb-01", "10.91.0.21")
RDB2 = database("rdb-02", "10.91.0.22")


def used(report: Any, where: str) -> int:
    (row,) = [row for row in report.table if where in row["endpoint"]]
    return int(row["used"])


def test_clients_count_once_a_generation_and_pools_once() -> None:
    report = connection_budget([RDB, app(30)])
    assert report.errors == []
    assert used(report, ":6432") == 60
    assert used(report, ":5432") == 45


def test_a_client_of_a_server_counts_once_a_generation_too() -> None:
    assert used(connection_budget([RDB, app(20, "10.91.0.21:5432")]), ":5432") == 45 + 40


def test_the_refusal_names_terms_sum_limit_and_variables() -> None:
    fleet = [
        database("rdb-01", "10.91.0.21", 100),
        app(30),
        app(25, name="app-02", address="10.91.0.12"),
    ]
    (error,) = connection_budget(fleet).errors
    assert "pgbouncer on rdb-01 (10.91.0.21:6432) is asked for 110 connections but takes 100" in error
    assert "app-01 puma 2x30 + app-02 puma 2x25 = 110" in error
    assert "raise cap to at least 110, or lower puma_threads" in error


def test_what_is_reserved_is_not_given_away() -> None:
    fleet = [host("rdb-01", "10.91.0.21", [server(capacity=100, reserved=10)]), app(46, "10.91.0.21:5432")]
    (error,) = connection_budget(fleet).errors
    assert "takes 90 (capacity 100 - reserved 10)" in error
    assert "raise max_connections to at least 102" in error


@pytest.mark.parametrize(("count", "fits"), [(100, True), (101, False)])
def test_the_sum_may_reach_the_limit(count: int, fits: bool) -> None:
    assert (connection_budget([RDB, app(count)]).errors == []) is fits


@pytest.mark.parametrize(("outer", "fits"), [(200, True), (201, False)])
def test_a_chained_poolers_pools_are_counted_at_the_inner_one(outer: int, fits: bool) -> None:
    lankiq = host(
        "lankiq-01",
        "10.91.0.13",
        [pooler("127.0.0.1:6432", 400)],
        [opens("sidekiq", "127.0.0.1:6432", 150), opens("pool", "10.91.0.21:6432", outer, "pool")],
    )
    report = connection_budget([RDB, lankiq])
    assert (report.errors == []) is fits
    assert used(report, "on lankiq-01") == 300


@pytest.mark.parametrize(
    ("listens", "target"),
    [
        ("127.0.0.1:6432", "localhost:6432"),
        ("127.0.0.1:6432", "[::1]:6432"),
        ("127.0.0.1:6432", "/run/postgresql:6432"),
        ("0.0.0.0:6432", "127.0.0.1:6432"),
        ("*:6432", "10.91.0.13:6432"),
        ("*:6432", "lankiq-01:6432"),
        ("10.91.0.13:6432", "127.0.0.1:6432"),
    ],
)
def test_a_hosts_own_addresses_find_its_endpoint(listens: str, target: str) -> None:
    connections = [opens("sidekiq", target, 10), opens("pool", "10.91.0.21:6432", 5, "pool")]
    report = connection_budget([RDB, host("lankiq-01", "10.91.0.13", [pooler(listens)], connections)])
    assert report.errors == []
    assert used(report, "lankiq-01") == 20


@pytest.mark.parametrize(
    "target",
    ["10.91.0.21:6433", "10.91.0.12:6432", "127.0.0.1:6432", "rdb-1:6432"],
)
def test_a_target_where_nothing_listens_is_refused(target: str) -> None:
    (error,) = connection_budget([RDB, app(30, target)]).errors
    assert "app-01: role: connections[0].target" in error
    assert target in error
    assert "10.91.0.21:6432" in error


def test_a_loopback_endpoint_is_out_of_reach_for_others() -> None:
    lankiq = host("lankiq-01", "10.91.0.13", [pooler("127.0.0.1:6432")], [opens("p", "10.91.0.21:6432", 5, "pool")])
    assert connection_budget([RDB, lankiq, app(1, "10.91.0.13:6432")]).errors


def test_over_a_part_of_the_fleet_an_unknown_target_is_a_warning() -> None:
    report = connection_budget([app()], partial=True)
    assert report.errors == []
    assert len(report.warnings) == 1


@pytest.mark.parametrize("other", ["10.91.0.21:6432", "*:6432"])
def test_two_endpoints_on_one_address_and_port_are_refused(other: str) -> None:
    fleet = [host("rdb-01", "10.91.0.21", [pooler(), pooler(other, name="odyssey")], [opens("p", "", 1, "pool")])]
    fleet[0]["declarations"]["role"]["connections"][0]["target"] = "10.91.0.21:6432"
    assert any("one address and port" in error for error in connection_budget(fleet).errors)


def test_a_pooler_without_a_pool_is_refused() -> None:
    (error,) = connection_budget([host("rdb-01", "10.91.0.21", [pooler()])]).errors
    assert "has no pool of at least 1" in error


@pytest.mark.parametrize(
    ("first", "second"),
    [("10.91.0.13:6432", "10.91.0.21:5432"), ("10.91.0.14:6432", "10.91.0.13:6432")],
)
def test_pools_that_lead_back_are_refused(first: str, second: str) -> None:
    fleet = [
        RDB,
        host("lankiq-01", "10.91.0.13", [pooler("*:6432")], [opens("pool", first, 5, "pool")]),
        host("wankiq-01", "10.91.0.14", [pooler("*:6432")], [opens("pool", second, 5, "pool")]),
    ]
    assert any("lead back to itself" in error for error in connection_budget(fleet).errors)


LOSS = {"primary": "10.91.0.21", "standbys": ["10.91.0.22"]}


def with_replica(count: int) -> list[Any]:
    return [RDB, RDB2, app(count), app(count, "10.91.0.22:6432", "app-02", "10.91.0.12")]


def test_both_pools_fit_alone_but_not_on_the_survivor() -> None:
    report = connection_budget(with_replica(60), **LOSS)
    assert len(report.errors) == 2
    assert report.errors[0].startswith("With rdb-02 lost and its clients on 10.91.0.21: pgbouncer on rdb-01")
    assert "is asked for 240 connections but takes 200" in report.errors[0]
    assert report.errors[1].startswith("With rdb-01 lost")
    assert connection_budget(with_replica(50), **LOSS).errors == []


@pytest.mark.parametrize(("policy", "errors", "warnings"), [("refuse", 2, 0), ("warn", 0, 2), ("ignore", 0, 0)])
def test_the_policy_says_what_becomes_of_a_lost_server(policy: str, errors: int, warnings: int) -> None:
    report = connection_budget(with_replica(60), replica_loss=policy, **LOSS)
    assert (len(report.errors), len(report.warnings)) == (errors, warnings)


def test_without_a_replica_nothing_is_lost_or_moved() -> None:
    assert connection_budget([RDB, app(100)], primary="10.91.0.21").errors == []


def test_what_a_lost_server_opened_itself_is_gone() -> None:
    standby = database("rdb-02", "10.91.0.22", 400)
    standby["declarations"]["role"]["connections"].append(opens("copy", "10.91.0.21:6432", 170, "direct"))
    fleet = [RDB, standby, app(5), app(15, "10.91.0.22:6432", "app-02", "10.91.0.12")]
    assert connection_budget(fleet, **LOSS).errors == []


def test_what_does_not_fit_as_configured_is_told_once() -> None:
    (error,) = connection_budget([RDB, database("rdb-02", "10.91.0.22", 400), app(101)], **LOSS).errors
    assert error.startswith("pgbouncer on rdb-01")


def test_clients_of_a_port_that_the_survivor_lacks_are_told() -> None:
    fleet = [RDB, host("rdb-02", "10.91.0.22", [server("10.91.0.22:5433")]), app(1, "10.91.0.22:5433")]
    report = connection_budget(fleet, **LOSS)
    assert any("nothing listens on 10.91.0.21:5433" in warning for warning in report.warnings)


MALFORMED = [
    (("endpoints", "capacity"), "many"),
    (("endpoints", "capacity"), 0),
    (("endpoints", "capacity"), True),
    (("endpoints", "reserved"), 200),
    (("endpoints", "reserved"), -1),
    (("endpoints", "address"), "10.91.0.21"),
    (("endpoints", "address"), "10.91.0.21:99999"),
    (("endpoints", "kind"), "pool"),
    (("endpoints", "variable"), None),
    (("endpoints", "capcity"), 5),
    (("connections", "count"), -1),
    (("connections", "count"), 1.5),
    (("connections", "target"), 6432),
    (("connections", "kind"), "server"),
]


@pytest.mark.parametrize(("where", "value"), MALFORMED)
def test_a_malformed_field_is_named_by_its_path(where: tuple[str, str], value: Any) -> None:
    fleet = [copy.deepcopy(RDB)]
    fleet[0]["declarations"]["role"][where[0]][0][where[1]] = value
    with pytest.raises(ValueError, match=rf"rdb-01: role: {where[0]}\[0\].*{where[1]}"):
        connection_budget(fleet)


def test_figures_from_an_ini_inventory_are_strings() -> None:
    assert used(connection_budget([RDB, app("30")]), ":6432") == 60


@given(counts=st.lists(st.integers(0, 300), max_size=6), more=st.integers(0, 300), data=st.data())
@settings(deadline=None, max_examples=60)
def test_the_budget_is_monotone_and_knows_no_order(counts: list[int], more: int, data: st.DataObject) -> None:
    fleet = [RDB, RDB2] + [
        app(n, f"10.91.0.2{1 + i % 2}:6432", f"app-{i}", f"10.91.0.5{i}") for i, n in enumerate(counts)
    ]
    shuffled = data.draw(st.permutations(fleet))
    report = connection_budget(fleet, **LOSS)
    assert connection_budget(shuffled, **LOSS) == report
    larger = connection_budget([*fleet, app(more, name="app-x", address="10.91.0.99")], **LOSS)
    assert bool(larger.errors) >= bool(report.errors)
    assert used(larger, "on rdb-01 (10.91.0.21:6432)") == used(report, "on rdb-01 (10.91.0.21:6432)") + 2 * more


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("10.91.0.1:5"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "address", "target", "capacity", "reserved", "count", "kind", "variable", "x"]),
            inner,
            max_size=7,
        )
    ),
    max_leaves=12,
)


@given(
    kind=st.sampled_from(["endpoints", "connections", "other"]),
    declaration=JSON | st.lists(JSON, max_size=2),
    whole=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_a_malformed_declaration_is_a_valueerror_with_the_host(kind: str, declaration: Any, whole: bool) -> None:
    role = declaration if whole else {kind: declaration}
    try:
        connection_budget([{"host": "app-01", "address": "10.91.0.11", "declarations": {"role": role}}])
    except ValueError as error:
        assert str(error).startswith("app-01: role")
