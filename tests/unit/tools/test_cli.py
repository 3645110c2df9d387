# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the development entry."""

from __future__ import annotations

import pytest

from tools import cli


@pytest.mark.parametrize("words, release", [
    (["test", "cluster"], "13"), (["--debian", "12", "test", "cluster"], "12"), (["test", "cluster", "--debian", "12"], "12"),
    (["test", "--debian", "12", "cluster"], "12"), (["demo", "--debian", "12", "--down"], "12"), (["--debian", "12", "demo"], "12"),
    (["bench", "--debian=12", "sftp"], "12"), (["lint", "--debian", "12"], "12"),
])
def test_the_release_may_stand_before_the_command_or_after_it(monkeypatch, words, release):
    monkeypatch.delenv("SABAKAN_DEBIAN", raising=False)
    assert cli.parser().parse_args(words).debian == release


@pytest.mark.parametrize("words, release", [(["test"], "12"), (["test", "--debian", "13"], "13")])
def test_the_environment_gives_it_where_no_word_does(monkeypatch, words, release):
    monkeypatch.setenv("SABAKAN_DEBIAN", "12")
    assert cli.parser().parse_args(words).debian == release
