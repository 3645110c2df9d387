# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _release
from hypothesis import given
from hypothesis import strategies as st

A, B, C = "a" * 40, "b" * 40, "c" * 40
LISTING = f"{A}\trefs/tags/v1\n{B}\trefs/tags/v1^{{}}\n{C}\trefs/heads/main\n{A}\trefs/heads/v2\n{A}\tHEAD\n"


@pytest.mark.parametrize(("ref", "expected"), [
    ("v1", B), ("main", C), ("v2", A), ("v", ""), ("refs/heads/main", C), ("refs/tags/v1", B), ("v99", ""),
])
def test_a_ref_is_its_peeled_tag_then_its_branch(ref, expected):
    assert _release.commit_of(LISTING, ref) == expected


@given(st.text())
def test_no_listing_breaks_the_reader(text):
    assert _release.commit_of(text, "v1") == "" or "\t" in text


BUILT = (A, {"without": "test"}, "ruby3.3", "v20.19.2")


@pytest.mark.parametrize("change", [
    (B, {"without": "test"}, "ruby3.3", "v20.19.2"), (A, {"without": ""}, "ruby3.3", "v20.19.2"),
    (A, {"without": "test"}, "ruby3.1", "v20.19.2"), (A, {"without": "test"}, "ruby3.3", "v22.1.0"), (A, {"without": "test"}, "ruby3.3", ""),
])
def test_a_build_is_another_when_any_of_its_inputs_is(change):
    assert _release.digest_of(*change) != _release.digest_of(*BUILT)


def test_a_build_is_the_same_under_another_node_of_the_same_major():
    assert _release.digest_of(*BUILT[:3], "v20.20.0") == _release.digest_of(*BUILT)


@pytest.mark.parametrize(("text", "expected"), [
    ("def major\n  4\nend\ndef minor\n 5\nend\ndef patch\n 15\nend", "4.5.15"),
    ("def major\n4\nend", ""), ("", ""),
])
def test_the_version_is_read_only_when_whole(text, expected):
    assert _release.version_of(text) == expected


@pytest.mark.parametrize(("text", "expected"), [
    (":queues:\n  - [default, 8]\n  - [push, 6]\n  - [pull]\n:scheduler:\n  - [x]\n", ["default", "push", "pull"]),
    (":queues:\n  # first\n  - default\n\n  - 'push'\n", ["default", "push"]),
    ("---\n:concurrency: 5\n", []),
])
def test_queues_are_the_list_under_their_key(text, expected):
    assert _release.queues_in(text) == expected


QUEUES_4_5 = ["default", "push", "ingress", "mailers", "pull", "scheduler", "fasp"]


@pytest.mark.parametrize(("version", "queues", "declared", "words"), [
    ("4.5.15", QUEUES_4_5, "4.5", []),
    ("4.5.15", QUEUES_4_5, "v4.5.15", []),
    ("4.3.2", QUEUES_4_5, "4.5", ["mastodon_version says 4.5"]),
    ("4.5.15", QUEUES_4_5[:-1], "4.5", ["fasp"]),
    ("", [], "4.5", ["not a Mastodon release"]),
    ("4.9.0", ["default"], "4.9", []),
])
def test_problems_name_what_differs(version, queues, declared, words):
    problems = _release.problems_of(version, queues, declared)
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems))


@pytest.mark.parametrize(("releases", "keep", "target", "used", "expected"), [
    ({A: 1.0, B: 2.0, C: 3.0}, 3, C, [], []),
    ({A: 1.0, B: 2.0, C: 3.0, "d": 4.0}, 3, "d", [C], [A]),
    ({A: 1.0, B: 2.0, C: 3.0, "d": 4.0}, 3, "d", [A], []),
    ({A: 1.0, B: 2.0, C: 3.0}, 2, "new", [C], [A, B]),
    ({A: 0.0, B: 2.0}, 3, B, [], [A]),
    ({A: 0.0, B: 2.0}, 3, B, [A], []),
    ({A: 0.0}, 3, A, [], []),
])
def test_the_oldest_go_but_never_one_in_use(releases, keep, target, used, expected):
    assert _release.removable(releases, keep, target, used) == expected


def test_only_migrations_have_versions():
    names = ["20250901000000_create_tables.rb", "20160222143943_x.engine.rb", ".keep", "README.md", "x_1.rb"]
    assert _release.migration_versions(names) == {"20250901000000", "20160222143943"}


@pytest.mark.parametrize(("tables", "versions", "comment", "expected"), [
    (0, [], "", "empty"),
    (9, [], "", "foreign"),
    (2, ["1"], "", "ready"),
    (9, [], _release.INITIALISING, "initialising"),
    (9, ["1"], _release.INITIALISING, "initialising"),
    (2, ["1"], "somebody's comment", "ready"),
])
def test_a_database_is_loaded_over_only_with_proof(tables, versions, comment, expected):
    assert _release.database_state(tables, versions, comment) == expected


@pytest.mark.parametrize(("version", "state", "waiting", "expected"), [
    ("4.5.15", "ready", ["20240307180905", "20250520192024"], "4.3"),
    ("4.4.0", "ready", ["20240307180905"], "4.3"),
    ("4.3.23", "ready", ["20240307180905"], ""),
    ("4.5.15", "ready", ["20250520192024"], ""),
    ("4.5.15", "empty", ["20240307180905"], ""),
    ("4.5.15", "initialising", ["20240307180905"], ""),
    ("", "ready", ["20240307180905"], ""),
])
def test_a_database_from_before_4_3_takes_4_3_first(version, state, waiting, expected):
    assert _release.release_between(version, state, waiting) == expected


@pytest.mark.parametrize(("version", "current", "expected"), [
    ("4.4.9", "4.5.15", ["3"]),
    ("4.10.0", "4.9.2", []),
    ("4.5.15", "4.5.15", ["3"]),
    ("4.5.16", "4.5.15", []),
    ("4.4.9", "", []),
])
def test_what_a_release_has_taken_away_is_named_to_one_that_is_no_newer(version, current, expected):
    """Of the newer one's post-deployment migrations: 1 is known to both, 2 of the newer one's first ones, 4 waits."""
    assert _release.taken_away(version, current, ["1", "3", "4"], ["1"], ["1", "2", "3"]) == expected
