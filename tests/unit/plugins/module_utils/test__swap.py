# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _swap
from ansible_collections.sabakan.vps.plugins.module_utils._swap import (
    ABSENT,
    MIB,
    File,
    Host,
    Wanted,
    automatic,
    cannot_do_without,
    edit_fstab,
    filesystem_of,
    next_step,
    obstacle,
    parse_meminfo,
    parse_size,
    parse_swaps,
    refusal,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("text, size", [
    ("512M", 512 * MIB), ("2G", 2048 * MIB), ("1.5g", 1536 * MIB), ("2GiB", 2048 * MIB), (" 64 MB ", 64 * MIB),
    ("1T", 1 << 40), ("0.3G", 307 * MIB), ("8M", 8 * MIB),
])
def test_a_size_is_read_as_whole_mebibytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", [
    "", "M", "512", "-1G", "+1G", "1e3M", "1,5G", "2 G B", "2K", "0M", "7M", "٣G", "1G1", "auto", "0x10M", "nanM", "infG", "1.G", "1G\n2G",
])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError):
        parse_size(text)


def test_a_bare_number_is_refused_with_what_to_say_instead():
    with pytest.raises(ValueError, match="512M or 512G"):
        parse_size("512")


@given(st.integers(8, 10**9))
def test_every_number_of_mebibytes_is_read_as_it_was_written(count):
    assert parse_size(f"{count}M") == count * MIB


@given(st.text())
def test_no_text_breaks_the_size(text):
    with contextlib.suppress(ValueError):
        assert parse_size(text) >= _swap.SMALLEST


def test_swaps_are_read_with_escapes_and_broken_lines_passed_over():
    text = "Filename Type Size Used Priority\n/a\\040b file 1024 512 -2\n/dev/zram0 partition 2048 0 100\nx file 1\n/c file x 0 1\n"
    assert [(one.path, one.size, one.used, one.priority) for one in parse_swaps(text)] == [
        ("/a b", MIB, MIB // 2, -2), ("/dev/zram0", 2 * MIB, 0, 100),
    ]


@given(st.text())
def test_no_text_breaks_the_parsers(text):
    assert isinstance(parse_swaps(text), list) and isinstance(parse_meminfo(text), dict)
    assert isinstance(filesystem_of("/swap", text), tuple)
    assert isinstance(edit_fstab(text, "/swapfile", True), str)


def test_memory_is_read_in_bytes():
    assert parse_meminfo("MemTotal:  1024 kB\nActive(file): 1 kB\nHugePages_Total: 0\n") == {"MemTotal": MIB, "Active(file)": 1024}


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw,size=100k
31 22 0:26 / /mnt/a\\040b ro,relatime - xfs /dev/vdb rw
32 22 0:27 / /srv rw - nfs4 server:/x rw
33 22 0:28 / /data rw - ext4 /dev/vdc ro
34 22 0:29 / /data/top rw - btrfs /dev/vdd rw
35 22 0:30 / /data/top rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize("path, found", [
    ("/", ("ext4", False)), ("/var/lib", ("ext4", False)), ("/run/x", ("tmpfs", False)), ("/runner", ("ext4", False)),
    ("/mnt/a b", ("xfs", True)), ("/srv/deep/er", ("nfs4", False)), ("/data", ("ext4", True)), ("/data/top", ("tmpfs", False)),
])
def test_the_file_system_of_a_path_is_that_of_the_last_and_deepest_mount(path, found):
    assert filesystem_of(path, MOUNTS) == found


FSTAB = "# a comment with /swapfile none swap\nUUID=1 / ext4 errors=remount-ro 0 1\n/dev/sdb2\tnone\tswap\tsw\t0\t0\n"


def test_a_line_is_added_once_and_nothing_else_is_touched():
    added = edit_fstab(FSTAB, "/swapfile", True)
    assert added == FSTAB + "/swapfile none swap sw 0 0\n"
    assert edit_fstab(added, "/swapfile", True) == added
    assert edit_fstab(added, "/swapfile", False) == FSTAB


@pytest.mark.parametrize("before, after", [
    ("", "/swapfile none swap sw 0 0\n"),
    ("/dev/a / ext4 defaults 0 1", "/dev/a / ext4 defaults 0 1\n/swapfile none swap sw 0 0\n"),
    ("/swapfile swap swap defaults,discard 0 0\n", "/swapfile swap swap defaults,discard 0 0\n"),
    ("/swapfile none swap noauto 0 0\n", "/swapfile none swap sw 0 0\n"),
    ("/swapfile none swap sw 0 0\n/x / y\n/swapfile none swap sw 0 0\n", "/swapfile none swap sw 0 0\n/x / y\n"),
    ("/swapfile2 none swap sw 0 0\n", "/swapfile2 none swap sw 0 0\n/swapfile none swap sw 0 0\n"),
    ("/swapfile /mnt ext4 loop 0 0\n", "/swapfile /mnt ext4 loop 0 0\n/swapfile none swap sw 0 0\n"),
])
def test_fstab_has_one_line_for_the_file(before, after):
    assert edit_fstab(before, "/swapfile", True) == after


@pytest.mark.parametrize("priority, options", [(None, "sw,pri=5"), (5, "sw,pri=5"), (7, "sw,pri=7")])
def test_the_priority_in_fstab_is_the_one_that_was_asked_or_stays(priority, options):
    assert edit_fstab("/s none swap sw,pri=5 0 0\n", "/s", True, priority) == f"/s none swap {options} 0 0\n"


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=10).map(lambda name: f"/{name}"))
def test_any_path_is_found_again_in_fstab_and_proc(path):
    once = edit_fstab(FSTAB, path, True)
    if path.isascii() and path.isprintable():
        assert edit_fstab(once, path, True) == once
        assert edit_fstab(once, path, False) == FSTAB


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
    (dataclasses.replace(ROOMY, file=File(size=10)), Wanted("/s", size=GIB), "is no swap file"),
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
    (dataclasses.replace(ROOMY, file=File(size=0)), Wanted("/s", size=GIB)),
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
    File, size=st.sampled_from([None, 0, 100 * MIB, 512 * MIB, GIB]), swap=st.booleans(), whole=st.booleans(), active=st.booleans(),
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
