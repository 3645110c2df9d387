# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._queues import queue_contract, queue_names, queues_of
from hypothesis import given
from hypothesis import strategies as st

SIX = ["default", "push", "ingress", "mailers", "pull", "scheduler"]
SEVEN = [*SIX, "fasp"]


def host(name: str, *processes: tuple[str, Any], concurrency: Any = 5) -> Any:
    listed = [{"name": process, "queues": queues, "concurrency": concurrency} for process, queues in processes]
    return {"host": name, "services": ["sidekiq"], "declarations": {"sidekiq": {"queues": {"processes": listed}}}}


@pytest.mark.parametrize(
    ("version", "queues", "warned"),
    [
        ("4.2", SIX, False),
        ("v4.3.23", SIX, False),
        ("4.4", SEVEN, False),
        ("v4.5.15", SEVEN, False),
        (4.5, SEVEN, False),
        ("4.6.5", SEVEN, False),
        ("4.7.2", SEVEN, False),
        ("4.8.0-alpha.1", SEVEN, True),
        ("5.0", SEVEN, True),
        ("4.10", SEVEN, True),
        ("4.1.2", SIX, True),
    ],
)
def test_the_queues_are_those_of_the_version(version: Any, queues: list[str], warned: bool) -> None:
    found, warning = queues_of(version)
    assert sorted(found) == sorted(queues)
    assert bool(warning) is warned


@pytest.mark.parametrize("version", ["", "main", "four", "4", None])
def test_a_version_that_is_none_is_refused(version: Any) -> None:
    with pytest.raises(ValueError, match="version"):
        queue_contract([host("a", ("all", None))], version)


@pytest.mark.parametrize(
    "queues",
    [None, [], SEVEN, [f"{q}, 2" for q in SEVEN], [[q, 2] for q in SEVEN], [{q: 2} for q in SEVEN]],
)
def test_one_process_may_consume_all_in_any_notation(queues: Any) -> None:
    assert queue_contract([host("lankiq-01", ("all", queues))], "4.5").errors == []


@pytest.mark.parametrize("missing", SEVEN)
def test_a_queue_without_consumer_is_refused(missing: str) -> None:
    (error,) = queue_contract([host("lankiq-01", ("most", [q for q in SEVEN if q != missing]))], "4.5").errors
    assert f"Queue {missing} of Mastodon 4.5 is consumed by no process" in error
    assert "most on lankiq-01" in error


@pytest.mark.parametrize("second", ["scheduler", "scheduler,1", ["scheduler", 1], {"scheduler": 1}])
def test_a_second_scheduler_is_refused_whatever_its_weight(second: Any) -> None:
    fleet = [host("lankiq-01", ("one", SEVEN)), host("wankiq-01", ("two", ["default", second]))]
    (error,) = queue_contract(fleet, "4.5").errors
    assert "consumed by 2 processes, one on lankiq-01, two on wankiq-01" in error


def test_a_process_without_list_consumes_the_scheduler_too() -> None:
    (error,) = queue_contract([host("a", ("one", SEVEN)), host("b", ("two", []))], "4.5").errors
    assert "two on b (no list, so all queues)" in error


def test_an_unknown_queue_is_refused_with_the_nearest_name() -> None:
    (error,) = queue_contract([host("lankiq-01", ("all", [*SEVEN, "mailer"]))], "4.5").errors
    assert "all on lankiq-01 consumes 'mailer'" in error
    assert "Did you mean mailers?" in error


def test_fasp_is_unknown_before_4_4() -> None:
    assert any("'fasp'" in error for error in queue_contract([host("a", ("all", SEVEN))], "4.3").errors)


def test_two_processes_of_one_name_on_a_host_are_refused_on_two_hosts_not() -> None:
    (error,) = queue_contract([host("a", ("x", SEVEN), ("x", ["push"]))], "4.5").errors
    assert "x on a is declared 2 times" in error
    assert queue_contract([host("a", ("x", SEVEN)), host("b", ("x", ["push"]))], "4.5").errors == []


@pytest.mark.parametrize(("services", "errors"), [(["redis"], 0), (["puma"], 1), (["sidekiq", "redis"], 1)])
def test_no_sidekiq_is_refused_only_beside_mastodon(services: list[str], errors: int) -> None:
    report = queue_contract([{"host": "a", "services": services, "declarations": {}}], "4.5")
    assert len(report.errors) == errors


def test_over_a_part_of_the_fleet_what_is_not_consumed_is_a_warning() -> None:
    report = queue_contract([host("a", ("x", ["push"]))], "4.5", partial=True)
    assert report.errors == []
    assert len(report.warnings) == 6


@pytest.mark.parametrize("concurrency", [0, -1, None, "many"])
def test_a_process_without_threads_is_refused(concurrency: Any) -> None:
    with pytest.raises(ValueError, match=r"a: sidekiq: queues.processes\[0\].concurrency"):
        queue_contract([host("a", ("x", SEVEN), concurrency=concurrency)], "4.5")


@pytest.mark.parametrize("queues", [7, [7], [[]], ["push,0"], ["push,often"], [["push", 1, 2]], [{}], [None], "scheduler", dict.fromkeys(SEVEN, 1)])
def test_a_malformed_queue_is_named_by_its_path(queues: Any) -> None:
    with pytest.raises(ValueError, match=r"^here"):
        queue_names(queues, "here")


@given(st.lists(st.sets(st.sampled_from(SEVEN)), min_size=1, max_size=5), st.randoms())
def test_the_contract_holds_exactly_when_it_should_in_any_order(lists: list[set[str]], random: Any) -> None:
    fleet = [host(f"h{i}", ("p", sorted(queues))) for i, queues in enumerate(lists)]
    report = queue_contract(fleet, "4.5")
    eaten = [queues or set(SEVEN) for queues in lists]
    holds = set().union(*eaten) == set(SEVEN) and sum("scheduler" in queues for queues in eaten) == 1
    assert (report.errors == []) is holds
    random.shuffle(fleet)
    assert queue_contract(fleet, "4.5") == report
