# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_exclusive.lease import Unavailable, record_of
from sabakan_exclusive.lock import RECORD, Lock, container, describe

ONE, OTHER = "a" * 64, "b" * 64
DOCKER = "9 1 254:0 /var/lib/docker/containers/{}/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
PODMAN = "9 1 0:9 /containers/storage/overlay-containers/{}/userdata/resolv.conf /etc/resolv.conf rw - tmpfs tmpfs rw\n"


@pytest.mark.parametrize(
    ("mountinfo", "expected"),
    [
        pytest.param(DOCKER.format(ONE), ONE[:12], id="docker"),
        pytest.param(PODMAN.format(ONE), ONE[:12], id="podman"),
        pytest.param(DOCKER.format(ONE) + DOCKER.format(OTHER), OTHER[:12], id="the one that lies over the other"),
        pytest.param(f"9 1 0:9 / /var/lib/docker/containers/{ONE}/mounts/shm rw - tmpfs shm rw\n", "", id="a host with an engine"),
        pytest.param(f"9 1 254:0 /var/lib/docker/volumes/{ONE}/_data /data rw - ext4 /dev/vda rw\n", "", id="a volume"),
        pytest.param("a line of no form\n", "", id="nonsense"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_container_is_the_one_that_this_runs_in(mountinfo: str, expected: str) -> None:
    assert container(mountinfo) == expected


def test_a_full_disk_leaves_neither_a_part_nor_an_earlier_holders_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock(str(tmp_path), frozenset(), "")
    lock.record = tmp_path / RECORD
    lock.write_record({"host": "earlier"})

    def full(dummy: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        lock.write_record({"host": "now"})
    assert list(tmp_path.iterdir()) == []


def test_a_record_is_not_written_through_a_link_of_the_datas_owner(tmp_path: Path) -> None:
    """Root tries the lock of other users' data, and its process number can be guessed."""
    data, foreign = tmp_path / "data", tmp_path / "passwd"
    data.mkdir()
    foreign.write_text("root:x:0:0\n")
    (data / f"{RECORD}.{os.getpid()}").symlink_to(foreign)
    lock = Lock(str(data), frozenset(), "")
    lock.record = data / RECORD
    lock.write_record({"host": "now"})
    assert foreign.read_text() == "root:x:0:0\n"
    assert [path.name for path in data.iterdir()] == [RECORD] and not lock.record.is_symlink() and lock.read_record() == {"host": "now"}


def test_a_record_that_cannot_be_written_keeps_nothing_from_running(wrapped) -> None:
    (wrapped.data / RECORD).mkdir()  # as good as a full disk, and as a file system that has become read-only at the end
    code, out, error = wrapped.run("sh", "-c", "echo ran; exit 7")
    assert (code, out) == (7, "ran\n")
    assert "who holds it is not written down" in error


@pytest.mark.parametrize("command", [None, 5, {}, ["postgres", 1], "postgres"])
def test_a_record_of_another_form_is_told_as_far_as_it_goes(command: object) -> None:
    """The data's owner may write it; who runs is still to be told, and that with the exit code that says so."""
    assert describe({"host": "h", "pid": 7, "command": command}).startswith("host h, PID 7")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)
FIELDS = st.sampled_from(["host", "container", "pid", "boot_id", "since", "command", "token"])


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_object_of_a_store_is_a_lease_by_accident(content: bytes) -> None:
    try:
        assert isinstance(record_of(content, "b/k"), dict)
    except Unavailable as error:
        assert "b/k holds no lease" in str(error)


@given(st.dictionaries(FIELDS, JSON, min_size=1))
def test_whatever_a_record_holds_is_told(record: dict[str, Any]) -> None:
    assert "running " in describe(record)
