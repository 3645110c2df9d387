# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _tcp_settings
from ansible_collections.sabakan.vps.plugins.modules import tcp_settings
from hypothesis import given
from hypothesis import strategies as st

STORY = """# the story's
net.ipv4.tcp_fin_timeout = 30
net.ipv4.tcp_tw_recycle = 1
 -net/ipv4/tcp_tw_recycle=1
#net.ipv4.tcp_tw_recycle = 1
net.ipv4.tcp_tw_recycled = 1
"""


def test_dead_settings_are_taken_out_and_nothing_else():
    after, found = _tcp_settings.without_dead(STORY)
    assert found == ["tcp_tw_recycle", "tcp_tw_recycle"]
    assert after.splitlines() == [line for line in STORY.splitlines() if line.startswith("#") or "tw_recycle " not in line and "recycle=" not in line]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tcp_tw_recycle": "1"}, "gone since Linux 4.12"),
        ({"tcp_tw_recycle": "0"}, "gone since Linux 4.12"),
        ({"tcp_syncookies": "0"}, "flood"),
        ({"tcp_timestamps": "0"}, "old segments"),
        ({"tcp_timestamps": "1"}, "is none of"),
        ({"tcp_fin_timeout": "soon"}, "is no number"),
        ({"tcp_fin_timeout": "1"}, "FIN"),
        ({"ip_local_port_range": "5000 65000"}, "listened on: 5432, 6379"),
        ({"ip_local_port_range": "65000 5000"}, "no range"),
        ({"ip_local_port_range": "5000"}, "no range"),
        ({"somaxconn": "1"}, "is none of"),
    ],
)
def test_what_does_harm_is_refused(settings, says):
    (refusal,) = _tcp_settings.refusals(settings, {22, 5432, 6379, 8080, 40000}, {8080})
    assert says in refusal


def test_what_is_asked_and_harmless_is_set():
    settings = {"tcp_fin_timeout": "30", "tcp_syncookies": "1", "tcp_tw_reuse": "2", "ip_local_port_range": "32768 60999"}
    assert _tcp_settings.refusals(settings, {22, 5432, 40000}, set()) == []
    assert "net.ipv4.tcp_fin_timeout = 30\n" in _tcp_settings.render(settings)


@pytest.mark.parametrize(
    ("text", "ports"), [("8080,9000-9002\n", {8080, 9000, 9001, 9002}), ("\n", set()), ("a,1-,-2,3", {3}), ("9-1", set())]
)
def test_reserved_ports(text, ports):
    assert _tcp_settings.parse_reserved(text) == ports


@given(st.text(max_size=100))
def test_no_text_is_an_error(text):
    after, found = _tcp_settings.without_dead(text)
    assert bool(found) is (after != text)
    _tcp_settings.parse_range(text)
    _tcp_settings.parse_reserved(text)
    assert len(_tcp_settings.refusals({text: text}, {1}, set())) == 1


SPEC = Path(__file__).parents[4] / "roles" / "descriptor_limits" / "meta" / "argument_specs.yml"


@pytest.mark.parametrize("text", [tcp_settings.DOCUMENTATION, SPEC.read_text()], ids=["module", "role"])
def test_the_settings_that_are_taken_are_told(text):
    """Any other is refused, whether it does harm or not."""
    assert [name for name in _tcp_settings.ALLOWED if f"C({name})" not in text] == []
