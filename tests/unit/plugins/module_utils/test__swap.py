# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import itertools

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._swap import (
    ABSENT,
    File,
    Host,
    Wanted,
    automatic,
    cannot_do_without,
    next_step,
    obstacle,
    refusal,
)
from ansible_collections.sabakan.vps.plugins.module_utils._swap_text import MIB
from hypothesis import given
from hypothesis import strategies as st

GIB = 1024 * MIB
GOOD = File(size=512 * MIB, swap=True, whole=True)
IN_USE = dataclasses.replace(GOOD, active=True)
ROOMY = Host(memory=GIB, available=600 * MIB, disk_free=10 * GIB)


def pressed(file: File, **values: object) -> Host:
    """A host whose memory cannot take back what is swapped out."""
    return dataclasses.replace(ROOMY, file=dataclasses.replace(file, used=300 * MIB), available=100 * MIB, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("host, why", [
    (dataclasses.replace(ROOMY, container="docker"), "container"),
    (dataclasses.replace(ROOMY, filesystem="tmpfs"), "memory file system"),
    (dataclasses.replace(ROOMY, filesystem="nfs4"), "network file system"),
    (dataclasses.replace(ROOMY, filesystem="fuse.s3fs"), "network file system"),
    (dataclasses.replace(ROOMY, filesystem="overlay"), "overlay"),
    (dataclasses.replace(ROOMY, read_only=True), "read-only"),
    (dataclasses.replace(ROOMY, directory=False), "not there"),
])
def test_a_host_that_can_have_none_is_told_why(host, why):
    assert why in obstacle(host, "/swapfile")


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "btrfs"])
def test_a_host_that_can_is_not_refused(filesystem):
    assert obstacle(dataclasses.replace(ROOMY, filesystem=filesystem), "/swapfile") == ""


@pytest.mark.parametrize("host, limit, size, why", [
    (ROOMY, 4 * GIB, GIB, ""),
    (ROOMY, 256 * MIB, 256 * MIB, ""),
    (dataclasses.replace(ROOMY, disk_free=2 * GIB), 4 * GIB, 512 * MIB, ""),
    (dataclasses.replace(ROOMY, other_swap=512 * MIB), 4 * GIB, 512 * MIB, ""),
    (dataclasses.replace(ROOMY, other_swap=GIB), 4 * GIB, 0, "swap elsewhere"),
    (dataclasses.replace(ROOMY, disk_free=200 * MIB), 4 * GIB, 0, "only 200 MiB are free"),
    (dataclasses.replace(ROOMY, file=IN_USE, disk_free=0), 4 * GIB, 512 * MIB, ""),
])
def test_the_automatic_size_is_that_of_the_memory_within_its_bounds(host, limit, size, why):
    found = automatic(host, limit)
    assert found[0] == size and why in found[1]


def test_what_is_swapped_out_must_fit_elsewhere():
    assert cannot_do_without(dataclasses.replace(ROOMY, file=dataclasses.replace(IN_USE, used=300 * MIB)), IN_USE) == ""
    why = cannot_do_without(pressed(IN_USE), pressed(IN_USE).file)
    assert "300 MiB are swapped out" in why and "room for 36 MiB" in why
    assert cannot_do_without(pressed(IN_USE), pressed(IN_USE).file, 300 * MIB) == ""


@pytest.mark.parametrize("host, wanted, why", [
    (dataclasses.replace(ROOMY, file=File(size=10)), Wanted("/s", size=GIB), "/s exists and is no swap file"),
    (dataclasses.replace(ROOMY, file=File(size=10)), Wanted("/s", "absent"), "/s exists and is no swap file"),
    (dataclasses.replace(ROOMY, file=File(size=0, blank=True)), Wanted("/s", size=GIB), "/s exists and is no swap file"),
    (dataclasses.replace(ROOMY, file=dataclasses.replace(GOOD, elsewhere="/t")), Wanted("/s", "absent"), "in use as /t"),
    (dataclasses.replace(ROOMY, new=File(size=10)), Wanted("/s", size=GIB), "/s.new exists and is no swap file"),
    (dataclasses.replace(ROOMY, bridge=File(size=10)), Wanted("/s", "absent"), "/s.bridge exists and is no swap file"),
    (dataclasses.replace(ROOMY, new=IN_USE), Wanted("/s", size=GIB), "/s.new is in use as swap"),
    (dataclasses.replace(ROOMY, file=File(size=10, regular=False)), Wanted("/s", "absent"), "is no swap file"),
    (dataclasses.replace(ROOMY, disk_free=GIB), Wanted("/s", size=GIB), "only 1024 MiB are free"),
    (pressed(IN_USE), Wanted("/s", "absent"), "cannot be switched off"),
    (pressed(IN_USE), Wanted("/s", "disabled", 512 * MIB), "cannot be switched off"),
    (pressed(IN_USE), Wanted("/s", size=128 * MIB), "cannot become 128 MiB"),
    (pressed(IN_USE, disk_free=1600 * MIB), Wanted("/s", size=GIB), "by way of a second file"),
    (pressed(IN_USE), Wanted("/s", size=512 * MIB, priority=5), "cannot change its priority"),
])
def test_what_cannot_work_is_refused_before_it_is_begun(host, wanted, why):
    assert why in refusal(host, wanted)


@pytest.mark.parametrize("host, wanted", [
    (ROOMY, Wanted("/s", size=GIB)), (dataclasses.replace(ROOMY, file=IN_USE), Wanted("/s", size=GIB)),
    (pressed(IN_USE), Wanted("/s", size=GIB)), (pressed(IN_USE), Wanted("/s", size=512 * MIB)), (ROOMY, Wanted("/s", "absent")),
    (dataclasses.replace(ROOMY, new=File(size=10, blank=True), bridge=GOOD), Wanted("/s", size=GIB)),
    (dataclasses.replace(ROOMY, new=File(size=600 * MIB, blank=True), disk_free=GIB), Wanted("/s", size=GIB)),
])
def test_what_can_work_is_not_refused(host, wanted):
    assert refusal(host, wanted) == ""


def advance(host: Host, wanted: Wanted, step: str) -> Host:
    """The host after a step, as the kernel would have it: what is in use cannot be renamed or removed."""
    verb, name = step.split()
    file = getattr(host, name)
    made = File(size=wanted.size, swap=True, whole=True)
    if verb == "make":
        assert file.size is None
        assert host.disk_free >= (wanted.size or 0)
        return dataclasses.replace(host, **{name: made}, disk_free=host.disk_free - (wanted.size or 0))
    if verb == "close":
        return dataclasses.replace(host, file=dataclasses.replace(file, private=True))
    if verb == "name":
        assert not host.file.active and wanted.good(host.new)
        return dataclasses.replace(host, file=host.new, new=ABSENT, disk_free=host.disk_free + (host.file.size or 0))
    if verb == "remove":
        assert file.size is not None and not file.active
        return dataclasses.replace(host, **{name: ABSENT}, disk_free=host.disk_free + file.size)
    if verb == "on":
        assert file.swap and file.whole and not file.active
        return dataclasses.replace(host, **{name: dataclasses.replace(file, active=True, used=0, priority=wanted.priority or -2)})
    other = "bridge" if name == "file" else "file"
    instead = getattr(host, other)
    room = (instead.size or 0) - instead.used if instead.active else 0
    assert file.active and not cannot_do_without(host, file, room), "swapoff would wake the OOM killer"
    moved = min(file.used, room)
    values = {name: dataclasses.replace(file, active=False, used=0), other: dataclasses.replace(instead, used=instead.used + moved)}
    return dataclasses.replace(host, **values, available=host.available - (file.used - moved))


def reach(host: Host, wanted: Wanted) -> tuple[Host, list[str]]:
    steps: list[str] = []
    while step := next_step(host, wanted):
        assert len(steps) < 20, steps
        host = advance(host, wanted, step)
        steps.append(step)
    return host, steps


@pytest.mark.parametrize("host, wanted, steps", [
    (ROOMY, Wanted("/s", size=GIB), ["make new", "name new", "on file"]),
    (ROOMY, Wanted("/s", "disabled", GIB), ["make new", "name new"]),
    (dataclasses.replace(ROOMY, file=dataclasses.replace(IN_USE, private=False)), Wanted("/s", size=512 * MIB), ["close file"]),
    (dataclasses.replace(ROOMY, file=IN_USE, new=GOOD), Wanted("/s", size=512 * MIB), ["remove new"]),
    (dataclasses.replace(ROOMY, new=File(size=GIB, blank=True, whole=True)), Wanted("/s", size=GIB), [
        "remove new", "make new", "name new", "on file",  # of the right size, but not signed: what it had may not be on the disk
    ]),
    (dataclasses.replace(ROOMY, bridge=GOOD), Wanted("/s", size=GIB), ["remove bridge", "make new", "name new", "on file"]),
    (dataclasses.replace(ROOMY, file=IN_USE), Wanted("/s", size=512 * MIB), []),
    (dataclasses.replace(ROOMY, file=IN_USE), Wanted("/s", size=GIB), ["make new", "off file", "name new", "on file"]),
    (dataclasses.replace(ROOMY, file=IN_USE), Wanted("/s", "absent"), ["off file", "remove file"]),
    (dataclasses.replace(ROOMY, file=IN_USE), Wanted("/s", size=512 * MIB, priority=9), ["off file", "on file"]),
    (dataclasses.replace(ROOMY, file=dataclasses.replace(GOOD, whole=False)), Wanted("/s", size=512 * MIB), ["make new", "name new", "on file"]),
    (pressed(IN_USE), Wanted("/s", size=GIB), [
        "make bridge", "on bridge", "off file", "remove file", "make new", "name new", "on file", "off bridge", "remove bridge",
    ]),
])
def test_the_steps(host, wanted, steps):
    assert reach(host, wanted)[1] == steps


FILES = st.builds(
    File, size=st.sampled_from([None, 0, 100 * MIB, 512 * MIB, GIB]), swap=st.booleans(), blank=st.booleans(), whole=st.booleans(),
    private=st.booleans(), active=st.booleans(),
    used=st.sampled_from([0, 50 * MIB, 300 * MIB]),
).map(lambda file: ABSENT if file.size is None else dataclasses.replace(file, used=min(file.used, file.size) if file.active else 0)).filter(
    lambda file: not file.active or file.swap and file.whole and bool(file.size)
)
HOSTS = st.builds(
    Host, file=FILES, new=FILES.filter(lambda file: not file.active), bridge=FILES, memory=st.just(GIB),
    available=st.sampled_from([0, 100 * MIB, 400 * MIB, 900 * MIB]), other_free=st.sampled_from([0, 200 * MIB]), disk_free=st.just(20 * GIB),
)
WANTED = st.builds(Wanted, st.just("/s"), st.sampled_from(["enabled", "disabled"]), st.sampled_from([100 * MIB, 512 * MIB, GIB])) | st.just(
    Wanted("/s", "absent")
)


@given(HOSTS, WANTED)
def test_from_wherever_it_was_interrupted_it_ends_right_or_at_a_swapoff_that_would_not_fit(host, wanted):
    if refusal(host, wanted):
        return
    try:
        after, _steps = reach(host, wanted)
    except AssertionError as error:
        assert "OOM killer" in str(error)
        return
    assert after.new == after.bridge == ABSENT
    if wanted.state == "absent":
        assert after.file == ABSENT
    else:
        assert wanted.good(after.file) and after.file.active is (wanted.state == "enabled")


USED = st.sampled_from([0, 50 * MIB, 300 * MIB, 500 * MIB])


@given(HOSTS, USED, st.sampled_from([100 * MIB, 512 * MIB, GIB]))
def test_a_run_that_is_not_refused_never_meets_a_swapoff_that_would_not_fit(host, used, size):
    host = dataclasses.replace(host, file=dataclasses.replace(IN_USE, used=used), new=ABSENT, bridge=ABSENT)
    wanted = Wanted("/s", size=size)
    if not refusal(host, wanted):
        assert reach(host, wanted)[0].file.active


def half_made(host: Host, step: str) -> Host:
    """A making that the power cut has ended: some blank mebibytes."""
    name = step.split()[1]
    part = (getattr(host, name).size or 0) // 2
    return dataclasses.replace(host, **{name: File(size=part, blank=True)}, disk_free=host.disk_free + part)


def started_again(host: Host) -> Host:
    """What is in fstab is in use, the bridge is not, and nothing is swapped out."""
    file = dataclasses.replace(host.file, active=host.file.size is not None, used=0)
    return dataclasses.replace(host, file=file, bridge=dataclasses.replace(host.bridge, active=False, used=0), available=600 * MIB)


INTERRUPTIONS = list(itertools.product(range(8), (False, True), (False, True)))  # after so many steps, in the middle of a making, by a power cut


@pytest.mark.parametrize("size", [100 * MIB, 600 * MIB, GIB])
@pytest.mark.parametrize("used", [0, 50 * MIB, 300 * MIB, 500 * MIB])
@pytest.mark.parametrize("available", [0, 100 * MIB, 900 * MIB])
@pytest.mark.parametrize("disk_free", [600 * MIB, 1200 * MIB, 1600 * MIB, 2100 * MIB, 2300 * MIB, 3 * GIB])
def test_what_was_not_refused_is_not_refused_after_an_interruption_and_ends_right(size, used, available, disk_free):
    for count, half, reboot in INTERRUPTIONS:
        interrupted(size, used, available, disk_free, count, half, reboot)


def interrupted(size: int, used: int, available: int, disk_free: int, count: int, half: bool, reboot: bool) -> None:
    wanted = Wanted("/s", size=size)
    host = Host(file=dataclasses.replace(IN_USE, used=used), memory=GIB, available=available, disk_free=disk_free)
    if refusal(host, wanted):
        return
    for _step in range(count):
        step = next_step(host, wanted)
        if not step:
            break
        host = advance(host, wanted, step)
    else:
        if half and count and step.startswith("make"):
            host = half_made(host, step)
    if reboot:
        host = started_again(host)
    assert refusal(host, wanted) == ""
    after = reach(host, wanted)[0]
    assert (after.file.size, after.file.active, after.new, after.bridge) == (size, True, ABSENT, ABSENT)
