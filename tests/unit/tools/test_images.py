# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the images of the test hosts are called."""

from __future__ import annotations

import subprocess
import time

from tools import images, machine_images


def test_a_run_over_the_end_of_a_week_keeps_to_the_images_that_it_made(monkeypatch, tmp_path):
    """They are made first and named again by every scenario, an hour later: there were none of the new week's name."""
    keys = tmp_path / "keys"
    keys.touch()
    before = images.tags("13"), machine_images.directory("13", keys)
    monkeypatch.setattr(time, "strftime", lambda form: "209901")
    assert (images.tags("13"), machine_images.directory("13", keys)) == before


def test_images_of_before_the_last_week_go_and_no_others(monkeypatch):
    own, removed = images.tags("13")["host"], []
    old = ["sabakan/host:13-0123456789ab-202601", "sabakan/base:13-0123456789ab-202601"]
    last = time.strftime("%G%V", time.localtime(time.time() - 7 * 86400))
    others = [own, f"sabakan/host:13-0123456789ab-{last}"]
    others += ["sabakan/host:12-0123456789ab-202601", "sabakan/host:13-mine", "registry/host:13-0123456789ab-202601"]

    def run(command, **more):
        if command[2] == "rm":
            removed.append(command[3])
        return subprocess.CompletedProcess(command, 0, "\n".join(old + others), "")

    monkeypatch.setattr(images.subprocess, "run", run)
    images._forget_old("13")
    assert removed == old
