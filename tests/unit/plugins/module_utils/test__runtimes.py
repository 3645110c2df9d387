# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _runtimes
from hypothesis import given
from hypothesis import strategies as st

GEMFILE_4_5 = "# frozen_string_literal: true\n\nsource 'https://example.org'\nruby '>= 3.2.0', '< 3.5.0'\n\ngem 'propshaft'\n"


def package(node):
    return json.dumps({"name": "x", "engines": {"node": node}})


@pytest.mark.parametrize(("gemfile", "expected"), [
    (GEMFILE_4_5, [">= 3.2.0", "< 3.5.0"]),
    ("ruby '>= 3.1.0'\n", [">= 3.1.0"]),
    ('ruby "3.3.5"\n', ["3.3.5"]),
    ("ruby file: '.ruby-version'\n", []),
    ("gem 'ruby-vips', '~> 2.2'\n  ruby-progressbar '1'\n", []),
    ("", []),
])
def test_the_ruby_line_is_read(gemfile, expected):
    assert _runtimes.ruby_wanted(gemfile) == expected


@pytest.mark.parametrize(("text", "expected"), [
    (package(">=22"), ">=22"), ("{}", ""), ("[]", ""), ("no json", ""), (package(22), ""), ('{"engines": ["node"]}', ""),
])
def test_the_engine_is_read(text, expected):
    assert _runtimes.node_wanted(text) == expected


@pytest.mark.parametrize(("version", "clause", "expected"), [
    ("3.1.2", ">= 3.2.0", False), ("3.2.0", ">= 3.2.0", True), ("3.10.0", ">= 3.2.0", True),
    ("3.5.0", "< 3.5.0", False), ("3.4.9", "<3.5.0", True), ("3.5.0", "<= 3.5", True), ("3.5.0", "> 3.5", False),
    ("3.3.8", "3.3.8", True), ("3.3.8", "= 3.3.7", False), ("20.19.2", "20", True),
    ("3.3.8", "~> 3.2", True), ("4.0.0", "~> 3.2", False), ("3.3.8", "~> 3.2.1", False), ("3.2.9", "~> 3.2.1", True),
    ("20.19.2", "^20.19", True), ("20.18.0", "^20.19", False), ("21.0.0", "^20.19", False), ("20.20.0", "~20.19", False),
    ("20.19.2", "20.x", True), ("20.19.2", "lts/*", True),
])
def test_a_clause_holds_or_not(version, clause, expected):
    assert _runtimes.meets(version, clause) is expected


@pytest.mark.parametrize(("version", "wanted", "expected"), [
    ("v20.19.2", ">=22", False), ("v22.0.0", ">=22", True), ("v18.20.4", ">= 18", True),
    ("20.19.2", "^20.19 || >=22.12", True), ("21.1.0", "^20.19 || >=22.12", False), ("24.1.0", "^20.19 || >=22.12", True),
    ("20.1.0", ">=18 <20", False), ("18.1.0", ">=18 <20", True), ("1.0.0", "*", True),
])
def test_a_range_is_of_alternatives(version, wanted, expected):
    assert _runtimes.meets_range(version, wanted) is expected


# What the distributions have against what each Mastodon asks for.
@pytest.mark.parametrize(("ruby", "node", "gemfile", "engine", "words"), [
    ("3.1.2", "v18.20.4", "ruby '>= 3.1.0'\n", ">=18", []),
    ("3.1.2", "v18.20.4", GEMFILE_4_5, ">=20", ["mastodon_ruby to rbenv", "mastodon_node_version"]),
    ("3.3.8", "v20.19.2", GEMFILE_4_5, ">=20", []),
    ("3.3.8", "v20.19.2", "ruby '>= 3.3.0', '< 4.1.0'\n", ">=22", ["Node >=22 and this host has v20.19.2"]),
    ("4.0.5", "v24.21.0", GEMFILE_4_5, ">=22", ["Ruby >= 3.2.0, < 3.5.0 and this host has 4.0.5"]),
    ("", "", GEMFILE_4_5, ">=22", []),
    ("3.1.2", "v18.20.4", "", "", []),
])
def test_a_host_is_refused_by_what_to_change(ruby, node, gemfile, engine, words):
    problems = _runtimes.unsuited(ruby, node, gemfile, [package(engine), package(engine), ""])
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems))


@given(st.text(), st.text())
def test_no_text_breaks_the_readers(text, version):
    _runtimes.unsuited(version, version, f"ruby '{text}'", [text, package(text)])
