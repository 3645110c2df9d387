# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._descriptors import descriptor_budget
from hypothesis import given
from hypothesis import strategies as st


def fleet(need: Any, limit: Any) -> list[Any]:
    item = {"service": "haproxy.service", "need": need, "limit": limit, "formula": "2 * maxconn", "variable": "nofile"}
    return [{"host": "front-01", "declarations": {"haproxy": {"descriptors": [item]}}}]


@pytest.mark.parametrize(("need", "limit"), [(1, 1), (40100, 65536), ("500", "1024"), (1024, 1 << 20)])
def test_a_need_up_to_the_limit_fits(need: Any, limit: Any) -> None:
    report = descriptor_budget(fleet(need, limit))
    assert report.errors == []
    assert report.table[0]["need"] == int(need)


def test_the_refusal_names_need_formula_limit_and_variable() -> None:
    (error,) = descriptor_budget(fleet(70000, 65536)).errors
    assert "front-01: haproxy.service needs 70000 descriptors (2 * maxconn) but its limit is 65536" in error
    assert "raise nofile to at least 70000" in error


@pytest.mark.parametrize("limit", ["infinity", "unlimited", -1, (1 << 20) + 1, 1 << 30])
def test_a_limit_without_bound_is_refused_with_the_reason(limit: Any) -> None:
    (error,) = descriptor_budget(fleet(10, limit)).errors
    assert "memory and time" in error
    assert "set nofile between 10 and 1048576" in error


@pytest.mark.parametrize(
    ("need", "limit", "field"),
    [(0, 5, "need"), (-3, 5, "need"), (None, 5, "need"), (5, 0, "limit"), (5, -2, "limit"), (5, "64k", "limit")],
)
def test_a_figure_that_is_none_is_named_by_its_path(need: Any, limit: Any, field: str) -> None:
    with pytest.raises(ValueError, match=rf"front-01: haproxy: descriptors\[0\]\.{field}"):
        descriptor_budget(fleet(need, limit))


@given(need=st.integers(1, 1 << 21), limit=st.integers(1, 1 << 21))
def test_it_fits_exactly_when_need_is_covered_and_the_limit_bounded(need: int, limit: int) -> None:
    assert (descriptor_budget(fleet(need, limit)).errors == []) == (need <= limit <= 1 << 20)
