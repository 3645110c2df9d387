# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import resource

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _swap_host
from ansible_collections.sabakan.vps.plugins.module_utils._swap import ABSENT, Host, Wanted
from ansible_collections.sabakan.vps.plugins.module_utils._swap_host import PAGE, SwapHost, look
from ansible_collections.sabakan.vps.plugins.module_utils._swap_text import MIB, Swap

SIGNED = bytes(PAGE - 10) + b"SWAPSPACE2"


class Failed(Exception):
    pass


class Module:
    """Records the programs that are called; mkswap signs the file as the real one does."""

    def __init__(self):
        self.called = []

    def get_bin_path(self, name):
        return None

    def run_command(self, words, **options):
        self.called.append(words)
        if words[0] == "mkswap":
            with open(words[-1], "r+b") as stream:
                stream.write(SIGNED)
        return 0, "", ""

    def fail_json(self, msg, **values):
        raise Failed(msg)


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(_swap_host, "FSTAB", str(tmp_path / "fstab"))
    return SwapHost(Module(), str(tmp_path / "swap"))


def test_fstab_is_read_byte_for_byte(host, tmp_path):
    (tmp_path / "fstab").write_bytes(b"/a / ext4\r\ncaf\xe9\r\n")
    assert host.fstab(Wanted(host.path, "absent")) == ("/a / ext4\r\ncaf\udce9\r\n",) * 2


def test_an_fstab_that_cannot_be_read_is_not_taken_for_an_empty_one(host, tmp_path):
    (tmp_path / "fstab").mkdir()
    with pytest.raises(OSError):
        host.fstab(Wanted(str(tmp_path / "swap"), size=MIB))


@pytest.mark.parametrize("content, swap, blank", [
    (b"", False, True), (bytes(10), False, True), (bytes(3 * PAGE), False, True), (SIGNED, True, False), (SIGNED + bytes(9), True, False),
    (b"x" * PAGE, False, False), (b"SWAPSPACE2", False, False), (bytes(PAGE - 1) + b"x", False, False),
])
def test_a_file_is_known_by_how_it_begins(tmp_path, content, swap, blank):
    path = tmp_path / "swap"
    path.write_bytes(content)
    found = look(str(path), [])
    assert (found.swap, found.blank, found.regular, found.size) == (swap, blank, True, len(content))


def test_a_link_and_a_directory_are_no_files(tmp_path):
    (tmp_path / "target").write_bytes(SIGNED)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert not look(str(tmp_path / "link"), []).regular
    assert not look(str(tmp_path), []).regular
    assert look(str(tmp_path / "none"), []) == ABSENT


def test_a_file_in_use_under_another_name_is_seen(tmp_path):
    (tmp_path / "swap").write_bytes(SIGNED)
    (tmp_path / "other").hardlink_to(tmp_path / "swap")
    swaps = [Swap(str(tmp_path / "other"), "file", MIB, 9, -2)]
    assert (look(str(tmp_path / "swap"), swaps).active, look(str(tmp_path / "swap"), swaps).elsewhere) == (False, str(tmp_path / "other"))
    assert (look(str(tmp_path / "other"), swaps).active, look(str(tmp_path / "other"), swaps).used) == (True, 9)


@pytest.mark.parametrize("mode, private", [(0o600, True), (0o400, True), (0o644, False), (0o660, False), (0o700, False)])
def test_who_can_read_it_is_seen(tmp_path, mode, private):
    (tmp_path / "swap").write_bytes(SIGNED)
    (tmp_path / "swap").chmod(mode)
    if os.geteuid():
        pytest.skip("the owner is root's alone to set")
    assert look(str(tmp_path / "swap"), []).private is private


def test_a_hole_is_seen(tmp_path):
    with open(tmp_path / "swap", "wb") as stream:
        stream.truncate(MIB)
    assert not look(str(tmp_path / "swap"), []).whole


def test_what_is_made_is_whole_private_and_signed_last(host, tmp_path):
    host.do("make new", Host(), Wanted(host.path, size=9 * MIB))
    found = look(str(tmp_path / "swap.new"), [])
    assert (found.size, found.swap, found.whole) == (9 * MIB, True, True)
    assert (tmp_path / "swap.new").stat().st_mode & 0o777 == 0o600
    assert host.module.called == [["mkswap", str(tmp_path / "swap.new")]]


def test_on_btrfs_it_is_made_without_copy_on_write_before_it_has_any_content(host, tmp_path):
    host.do("make new", Host(filesystem="btrfs"), Wanted(host.path, size=MIB))
    assert host.module.called[0] == ["chattr", "+C", str(tmp_path / "swap.new")]


def test_what_the_disk_cannot_hold_is_removed_again(host, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 * MIB, hard))
    try:
        with pytest.raises(Failed, match="9 MiB cannot be written: File too large; it is removed again"):
            host.do("make new", Host(), Wanted(host.path, size=9 * MIB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_has_come_meanwhile_is_left_alone(host, tmp_path):
    (tmp_path / "swap.new").write_text("another's")
    with pytest.raises(Failed, match="make new: File exists"):
        host.do("make new", Host(), Wanted(host.path, size=MIB))
    assert (tmp_path / "swap.new").read_text() == "another's"


@pytest.mark.parametrize("asked, line, words", [
    (None, "", []), (3, "", ["--priority", "3"]), (None, "sw,pri=5", ["--priority", "5"]), (3, "pri=5", ["--priority", "3"]),
])
def test_it_is_switched_on_with_the_priority_that_was_asked_or_that_of_fstab(host, tmp_path, asked, line, words):
    (tmp_path / "fstab").write_text(f"{tmp_path / 'swap'} none swap {line} 0 0\n" if line else "")
    host.do("on file", Host(), Wanted(host.path, size=MIB, priority=asked))
    assert host.module.called == [["swapon", *words, host.path]]
