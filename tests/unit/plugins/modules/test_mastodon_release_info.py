# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As whom mastodon_release_info runs what lies in the home of Mastodon's user, and what of its releases it would remove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.modules import mastodon_release_info

COMMIT = "4be8a1d0" * 5


class Module:
    def __init__(self, home: Path, user: str) -> None:
        self.params = {"path": f"{home}/shims:/nowhere", "home": str(home), "user": user}
        self.words: list[str] = []

    def get_bin_path(self, name: str, required: bool) -> str:
        return f"/usr/sbin/{name}"

    def run_command(self, words: list[str], **dummy: Any) -> tuple[int, str, str]:
        self.words = words
        return 0, "3.3.0\n", ""


@pytest.mark.parametrize(("user", "prefix"), [("nobody", ["/usr/sbin/runuser", "-u", "nobody", "--"]), ("not-made-yet", [])])
def test_root_runs_no_ruby_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str, prefix: list[str]) -> None:
    monkeypatch.setattr(mastodon_release_info.os, "geteuid", lambda: 0)
    shim = tmp_path / "shims" / "ruby"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\n")
    shim.chmod(0o755)
    module = Module(tmp_path, user)
    assert mastodon_release_info.found_by(module, "ruby", ["-v"], None) == "3.3.0"
    assert module.words == [*prefix, str(shim), "-v"]


def test_only_what_a_deployment_leaves_counts_among_the_releases(tmp_path: Path) -> None:
    for name in (COMMIT, "lost+found", "before-the-move", "passwd"):
        (tmp_path / name).mkdir()
    for name in (f"{COMMIT}-{COMMIT}.tar.gz", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / COMMIT / ".sabakan-complete").touch()
    found = mastodon_release_info.releases_in(str(tmp_path))
    assert found == {COMMIT: pytest.approx((tmp_path / COMMIT / ".sabakan-complete").stat().st_mtime), f"{COMMIT}-{COMMIT}.tar.gz": 0.0}
    assert mastodon_release_info.releases_in(str(tmp_path / "not-there")) == {}
