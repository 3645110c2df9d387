# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._addresses import address_plan, parse_socket
from hypothesis import given
from hypothesis import strategies as st


def host(name: str, address: Any, network: Any = "10.91.0.0/24") -> dict[str, Any]:
    return {"host": name, "address": address, "network": network}


def test_distinct_addresses_in_the_network_pass() -> None:
    report = address_plan([host("a", "10.91.0.11"), host("b", "10.91.0.12")])
    assert report.errors == []
    assert [row["address"] for row in report.table] == ["10.91.0.11", "10.91.0.12"]


@pytest.mark.parametrize(
    ("address", "network", "says"),
    [
        ("10.91.1.11", "10.91.0.0/24", "is not in stack_network"),
        ("10.91.0.0", "10.91.0.0/24", "broadcast"),
        ("10.91.0.255", "10.91.0.0/24", "broadcast"),
        ("10.91.0.11", "10.91.0.5/24", "stack_network is no network"),
        ("10.91.0.300", "10.91.0.0/24", "stack_address is no address"),
        (None, "10.91.0.0/24", "stack_address is no address"),
        ("fd00::1", "10.91.0.0/24", "is not in stack_network"),
        ("fd00::1", "fd00::/64", "stack_network fd00::/64 is of IPv6"),
    ],
)
def test_a_wrong_address_is_refused_with_the_host(address: Any, network: str, says: str) -> None:
    (error,) = address_plan([host("app-01", address, network)]).errors
    assert error.startswith("app-01: ")
    assert says in error


def test_two_hosts_of_one_address_are_refused_together() -> None:
    (error,) = address_plan([host("b", "10.91.0.11"), host("a", "10.91.0.11")]).errors
    assert error.startswith("a and b have one address, 10.91.0.11")


def test_hosts_that_disagree_on_the_network_are_refused() -> None:
    (error,) = address_plan([host("a", "10.91.0.1"), host("b", "10.92.0.1", "10.92.0.0/24")]).errors
    assert "do not agree" in error


@pytest.mark.parametrize("value", ["10.91.0.1", ":5432", "10.91.0.1:", "10.91.0.1:0", "10.91.0.1:65536", "", None])
def test_what_is_no_address_and_port_is_refused_with_its_path(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^here"):
        parse_socket(value, "here", "app-01", {})


@given(st.text(max_size=30))
def test_any_text_is_a_socket_or_a_valueerror_with_its_path(value: str) -> None:
    try:
        assert 1 <= parse_socket(value, "here", "app-01", {}).port <= 65535
    except ValueError as error:
        assert str(error).startswith("here")
