# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sabakan.vps.plugins.filter import plan

FILTERS = plan.FilterModule().filters()


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_every_filter_is_documented_with_an_example_of_itself(name: str) -> None:
    documents = yaml.safe_load((Path(plan.__file__).parent / f"{name}.yml").read_text())
    assert documents["DOCUMENTATION"]["name"] == name
    task = yaml.safe_load(documents["EXAMPLES"])[0]
    assert f"sabakan.vps.{name}" in str(task)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("address_plan", ("nonsense",)),
        ("connection_budget", ([{"host": "a", "declarations": {"r": {"endpoints": [{}]}}}],)),
        ("descriptor_budget", ([{"host": "a", "declarations": {"r": {"descriptors": [{}]}}}],)),
        ("queue_contract", ([{"host": "a", "services": ["puma"]}], "latest")),
        ("environment_lint", ({}, "latest")),
    ],
)
def test_a_malformed_input_is_an_error_in_the_report(name: str, arguments: tuple[Any, ...]) -> None:
    report = FILTERS[name](*arguments)
    assert report["ok"] is False
    assert len(report["errors"]) == 1
    assert sorted(report) == ["errors", "ok", "table", "warnings"]


@pytest.mark.parametrize("name", ["address_plan", "connection_budget", "descriptor_budget"])
def test_an_empty_fleet_is_fine(name: str) -> None:
    assert FILTERS[name]([]) == {"ok": True, "errors": [], "warnings": [], "table": []}
