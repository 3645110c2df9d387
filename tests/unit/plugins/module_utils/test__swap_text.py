# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._swap_text import (
    MIB,
    SMALLEST,
    edit_fstab,
    filesystem_of,
    fstab_priority,
    parse_meminfo,
    parse_size,
    parse_swaps,
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


def test_of_what_must_stay_free_nothing_will_do():
    assert parse_size("0M", 0) == 0


def test_a_bare_number_is_refused_with_what_to_say_instead():
    with pytest.raises(ValueError, match="512M or 512G"):
        parse_size("512")


@given(st.integers(8, 10**9))
def test_every_number_of_mebibytes_is_read_as_it_was_written(count):
    assert parse_size(f"{count}M") == count * MIB


@given(st.text())
def test_no_text_breaks_the_size(text):
    with contextlib.suppress(ValueError):
        assert parse_size(text) >= SMALLEST


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


OWN = "/swapfile none swap sw 0 0\n"


@pytest.mark.parametrize("before, after", [
    ("", OWN),
    ("/dev/a / ext4 defaults 0 1", f"/dev/a / ext4 defaults 0 1\n{OWN}"),
    ("/swapfile swap swap defaults,discard 0 0\n", "/swapfile swap swap defaults,discard 0 0\n"),
    ("/swapfile none swap noauto 0 0\n", OWN),
    (f"{OWN}/x / y\n{OWN}", f"{OWN}/x / y\n"),
    ("/swapfile2 none swap sw 0 0\n", f"/swapfile2 none swap sw 0 0\n{OWN}"),
    ("/swapfile /mnt ext4 loop 0 0\n", f"/swapfile /mnt ext4 loop 0 0\n{OWN}"),
    (f"#{OWN}", f"#{OWN}{OWN}"),
    (f"# {OWN}", f"# {OWN}{OWN}"),
    ("/swapfile none swapper sw 0 0\n", f"/swapfile none swapper sw 0 0\n{OWN}"),
    ("/swapfile\u00a0none swap sw 0 0\n", f"/swapfile\u00a0none swap sw 0 0\n{OWN}"),  # no blank to mount
    ("  /swapfile\t\tnone   swap\tsw,noauto   0\t0  # ours\n", "  /swapfile\t\tnone   swap\tsw   0\t0  # ours\n"),
    ("/swapfile none swap", "/swapfile none swap"),
    ("/swapfile none swap # no options\n", "/swapfile none swap # no options\n"),
])
def test_fstab_has_one_line_for_the_file(before, after):
    assert edit_fstab(before, "/swapfile", True) == after


@pytest.mark.parametrize("others", [
    "", "\n\n", "# a remark\r\n/dev/a / ext4 defaults 0 1\r\n", "\t /dev/a  /x\text4\x0b\x0c\x1c\u2028 0\n", "caf\udce9 /x ext4 defaults 0 0\n",
], ids=["empty", "blank", "carriage returns", "odd blanks", "not UTF-8"])
def test_other_lines_stay_byte_for_byte(others):
    assert edit_fstab(others + OWN, "/swapfile", False) == others
    assert edit_fstab(OWN + others, "/swapfile", False) == others
    assert edit_fstab(OWN + others, "/swapfile", True, 7) == f"/swapfile none swap sw,pri=7 0 0\n{others}"


def test_a_line_that_names_the_file_through_a_link_is_its_own():
    line = "/data/swap none swap sw 0 0\n"
    assert edit_fstab(line, "/mnt/1/swap", True, also=["/data/swap"]) == line
    assert edit_fstab(line, "/mnt/1/swap", False, also=["/data/swap"]) == ""


@pytest.mark.parametrize("priority, before, after", [
    (None, "sw,pri=5", "sw,pri=5"), (5, "pri=5,discard", "pri=5,discard"), (7, "pri=5,discard", "discard,pri=7"), (7, "noauto", "pri=7"),
])
def test_the_priority_in_fstab_is_the_one_that_was_asked_or_stays(priority, before, after):
    assert edit_fstab(f"/s none swap {before} 0 0\n", "/s", True, priority) == f"/s none swap {after} 0 0\n"


def test_a_priority_is_added_to_a_line_without_options():
    assert edit_fstab("/s none swap\n", "/s", True, 7) == "/s none swap sw,pri=7\n"
    assert edit_fstab("/s none swap # mine\n", "/s", True, 7) == "/s none swap sw,pri=7 # mine\n"


@pytest.mark.parametrize("options, priority", [
    ("sw", None), ("sw,pri=5", 5), ("pri=0", 0), ("pri=-1", None), ("pri=x", None), ("xpri=4", None),
])
def test_the_priority_at_boot_is_read_from_its_line(options, priority):
    assert fstab_priority(f"/other none swap pri=9 0 0\n/s none swap {options} 0 0\n", {"/s"}) == priority


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n"), min_size=1, max_size=10).map(lambda name: f"/{name}"))
def test_any_path_is_found_again_in_fstab(path):
    once = edit_fstab(FSTAB, path, True)
    assert len(once.split("\n")) == len(FSTAB.split("\n")) + 1
    assert edit_fstab(once, path, True) == once
    assert edit_fstab(once, path, False) == FSTAB
