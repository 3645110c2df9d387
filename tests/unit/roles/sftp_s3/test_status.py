# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from sabakan_sftp import status


def test_memory_is_read_from_either_cgroup(tmp_path):
    new, old = tmp_path / "new", tmp_path / "old"
    new.mkdir(), old.mkdir()
    (old / "memory.limit_in_bytes").write_text("157286400\n")
    (old / "memory.oom_control").write_text("oom_kill 3\n")
    assert status.memory(new, old)["limit"] == 157286400 and status.events(new, old) == "oom_kill 3\n"
    (new / "memory.max").write_text("max\n")
    (new / "memory.events").write_text("oom_kill 1\n")
    assert status.memory(new, old)["limit"] is None and status.events(new, old) == "oom_kill 1\n"


def test_a_mount_that_does_not_serve_makes_the_container_unhealthy():
    live, dead = {"state": "live", "error": ""}, {"state": "dead", "error": "bucket b does not exist"}
    assert not status.reasons({"a": live}, "")
    assert status.reasons({"a": live, "b": dead}, "sshd ended") == ["mount b: bucket b does not exist", "sshd: sshd ended"]
