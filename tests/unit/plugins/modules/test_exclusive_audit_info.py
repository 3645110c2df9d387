# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit reads from a host, planted in a directory, and what it makes of it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _exclusive as exclusive
from ansible_collections.sabakan.vps.plugins.modules import exclusive_audit_info as audit_info

WRAPPER = ["python3", "/opt/sabakan_exclusive", "--wait", "5"]


def inspected(name: str, source: Path, destination: str = "/data", command: list[str] | None = None, **fields: Any) -> dict[str, Any]:
    """As `docker inspect` tells of a container with one mount."""
    return {
        "Name": f"/{name}", "State": {"Running": False, "Pid": 0}, "HostConfig": {"RestartPolicy": {"Name": "always"}},
        "Config": {"Entrypoint": None, "Cmd": command or ["postgres"], "Image": "db"},
        "Mounts": [{"Source": str(source), "Destination": destination, "RW": True}], **fields,
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    (tmp_path / "volume" / "main").mkdir(parents=True)
    (tmp_path / "volume" / "main" / "PG_VERSION").write_text("17\n")
    return tmp_path / "volume"


def findings(*entries: dict[str, Any]) -> list[exclusive.Finding]:
    return exclusive.audit([audit_info.container(entry, set()) for entry in entries])


def test_two_containers_on_one_volume_by_two_paths_are_found(cluster: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(cluster)
    (finding,) = findings(inspected("a", cluster), inspected("b", tmp_path / "link", "/elsewhere"))
    assert finding.kind == "shared_data"
    assert f":{cluster.stat().st_ino}" in finding.place
    assert "it holds PG_VERSION" in finding.evidence


def test_a_mount_that_is_read_only_is_no_finding(cluster: Path) -> None:
    reader = inspected("b", cluster)
    reader["Mounts"][0]["RW"] = False
    assert findings(inspected("a", cluster), reader) == []


def test_two_that_take_the_same_lock_are_no_finding_whatever_they_call_the_place(cluster: Path) -> None:
    assert findings(
        inspected("a", cluster, "/data", [*WRAPPER, "/data", "--", "postgres"]),
        inspected("b", cluster, "/srv", [*WRAPPER, "/srv", "--", "postgres"]),
    ) == []


def test_two_that_lock_different_places_are_found(cluster: Path) -> None:
    assert len(findings(
        inspected("a", cluster, "/data", [*WRAPPER, "/data", "--", "postgres"]),
        inspected("b", cluster, "/data", [*WRAPPER, "/data/main", "--", "postgres"]),
    )) == 1


def test_the_kernels_own_directories_are_nobodys_data() -> None:
    assert findings(inspected("a", Path("/sys/fs/cgroup")), inspected("b", Path("/sys/fs/cgroup"))) == []


def test_a_unit_and_a_container_of_one_directory_are_found(cluster: Path) -> None:
    unit = audit_info.unit({
        "Id": "db.service", "ActiveState": "active", "UnitFileState": "enabled", "Restart": "no",
        "ExecStart": f"{{ path=/usr/bin/postgres ; argv[]=/usr/bin/postgres -D {cluster}/main ; ignore_errors=no }}",
    })
    (finding,) = exclusive.audit([unit, audit_info.container(inspected("a", cluster), set())])
    assert finding.users == ["unit db.service", "container a"]


def test_a_held_lock_is_told_with_its_path_and_file_system(tmp_path: Path) -> None:
    path = tmp_path / "fsid"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        locked = {identity for _pid, identity in exclusive.parse_locks(Path("/proc/locks").read_text().splitlines(keepends=True))}
        found = audit_info.held_locks(os.getpid(), locked)
    assert str(path) in [lock.path for lock in found]


def test_podman_tells_the_entrypoint_as_one_text_and_no_permissions_of_devices(cluster: Path) -> None:
    entry = inspected("a", cluster)
    entry["Config"].update(Entrypoint="/usr/bin/tini -- docker-entrypoint.sh", Cmd=["postgres"])
    found = audit_info.container(entry, set())
    assert found.command == ("/usr/bin/tini", "--", "docker-entrypoint.sh", "postgres")
    device = {"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": ""}
    assert audit_info.may_write(device)
    assert not audit_info.may_write({**device, "CgroupPermissions": "r"})


@pytest.mark.parametrize(("restart", "by_itself"), [("no", False), ("on-abnormal", True), ("on-failure", True), ("always", True)])
def test_a_unit_that_systemd_starts_again(restart: str, by_itself: bool) -> None:
    shown = {"Id": "db.service", "ExecStart": "{ path=/bin/db ; argv[]=/bin/db ; }", "Restart": restart}
    assert audit_info.unit(shown).starts_itself is by_itself
