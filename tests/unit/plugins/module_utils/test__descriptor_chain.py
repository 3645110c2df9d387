# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._daemon_needs import Need
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_chain import Link, Reading, culprit, verdicts
from hypothesis import given
from hypothesis import strategies as st


def kernel(hard=1048576):
    return Link("kernel", "fs.nr_open", hard, hard, "sysctl")


def systemd(hard=524288):
    return Link("systemd", "PID 1", hard, hard, "system.conf")


def unit(soft=1024, hard=524288, asked=False):
    return Link("unit", "x.service", soft, hard, "LimitNOFILE=", asked=asked)


def supervisord(soft=1024, hard=524288, root=False):
    return Link("supervisord", "PID 9", soft, hard, "minfds", asked=False, can_raise=root)


def container(soft, hard, asked=False):
    return Link("container", "c", soft, hard, "--ulimit", asked=asked, can_raise=True)


def process(soft=1024, hard=524288):
    return Link("process", "p", soft, hard, "restart it")


@pytest.mark.parametrize(
    ("links", "wanted", "kind"),
    [
        ([kernel(1000), systemd(), unit(), process()], 4096, "kernel"),
        ([kernel(), systemd(2000), unit(), process()], 4096, "systemd"),
        ([kernel(), systemd(), unit(), process()], 4096, "unit"),
        ([kernel(), systemd(), unit(hard=2000), supervisord(hard=2000), process()], 4096, "unit"),
        ([kernel(), systemd(), unit(), supervisord(), process()], 4096, "supervisord"),
        ([kernel(), systemd(), unit(), supervisord(hard=2000), process()], 4096, "supervisord"),
        ([kernel(), systemd(), unit(), supervisord(soft=8192), process()], 4096, "process"),
        ([kernel(), systemd(), unit(), container(1024, 1024), process()], 4096, "container"),
        ([kernel(), systemd(), unit(), container(65536, 65536), process()], 4096, "process"),
        ([kernel(), systemd(-1), unit(-1, -1), process()], 4096, "process"),
        ([kernel(), Link("systemd", "PID 1", 2000, 2000, "", can_raise=True), unit(), process()], 4096, "unit"),
        ([kernel(), systemd(), process()], 4096, "process"),
    ],
)
def test_the_first_link_to_change(links, wanted, kind):
    assert culprit(links, wanted).kind == kind


def said(reading):
    return {found["verdict"]: found["link"] for found in verdicts(reading, 0.8)}


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        pytest.param(Reading(10, 65536, 65536, [kernel(), systemd(), unit(65536, 65536, True), process(65536, 65536)]), {}, id="fine"),
        pytest.param(Reading(819, 1024, 524288, [kernel(), systemd(), unit(asked=True), process()]), {}, id="just below near"),
        pytest.param(Reading(820, 1024, 524288, [kernel(), systemd(), unit(asked=True), process()]), {"near": "unit"}, id="near"),
        pytest.param(Reading(1, -1, -1, [kernel(), systemd(-1), unit(-1, -1, True), process(-1, -1)]), {}, id="unlimited"),
        pytest.param(
            Reading(3, 1024, 524288, [kernel(), systemd(), unit(), supervisord(), process()]), {"inherited": "supervisord"}, id="the story",
        ),
        pytest.param(
            Reading(3, 1024, 524288, [kernel(), systemd(), unit(asked=True), process()], Need(1025, "f", "d")),
            {"below_need": "unit"}, id="one too few",
        ),
        pytest.param(
            Reading(3, 1024, 524288, [kernel(), systemd(), unit(asked=True), process()], Need(1024, "f", "d")), {}, id="just enough",
        ),
        pytest.param(
            Reading(3, 20000, 20000, [kernel(), systemd(20000), unit(65536, 65536, True), process(20000, 20000)]),
            {"clamped": "systemd"}, id="clamped in silence",
        ),
        pytest.param(
            Reading(3, 65536, 65536, [kernel(), Link("systemd", "PID 1", 20000, 20000, "", can_raise=True),
                                      unit(65536, 65536, True), process(65536, 65536)]), {}, id="systemd may give more than it has",
        ),
        pytest.param(
            Reading(3, 1024, 4096, [kernel(), systemd(), unit(65536, 65536, True), process(1024, 4096)]),
            {"stale": "process"}, id="started before the unit was changed",
        ),
        pytest.param(
            Reading(3, 1024, 4096, [kernel(), systemd(), container(65536, 65536), process(1024, 4096)]),
            {"stale": "process"}, id="started before the runtime's default was changed",
        ),
    ],
)
def test_verdicts(reading, expected):
    assert said(reading) == expected


LIMITS = st.integers(-1, 1 << 21)


@given(LIMITS, LIMITS, LIMITS, LIMITS, LIMITS, st.booleans(), st.integers(0, 1 << 21))
def test_any_chain_has_a_culprit_among_its_links(a, b, c, d, e, flag, wanted):
    links = [kernel(a), systemd(b), unit(c, d, flag), supervisord(d, e, flag), process(d, e)]
    assert culprit(links, wanted) in links
    for found in verdicts(Reading(wanted, d, e, links, Need(wanted, "f", "d")), 0.8):
        assert found["message"].count("The link to change is") == 1
