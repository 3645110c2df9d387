# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module over a host that is told: real files and fstab in a directory, and programs that do what they are told."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sabakan.vps.plugins.module_utils import _swap, _swap_host
from ansible_collections.sabakan.vps.plugins.module_utils._swap_text import MIB
from ansible_collections.sabakan.vps.plugins.modules import swapfile

ROOT_LINE = "UUID=1 / ext4 errors=remount-ro 0 1 # a remark\n"


class Ground:
    def __init__(self, directory, monkeypatch):
        self.directory, self.path = directory, str(directory / "swap")
        self.active: list[str] = []
        self.host = _swap.Host(memory=1024 * MIB, available=600 * MIB, disk_free=10240 * MIB)
        self.breaks = ""  # the program at which the module is interrupted
        self.fstab = directory / "fstab"
        self.fstab.write_text(ROOT_LINE)
        monkeypatch.setattr(_swap_host, "FSTAB", str(self.fstab))
        monkeypatch.setattr(_swap_host.SwapHost, "lock", lambda _self: None)  # else held until this process ends
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(os, "chown", lambda *_words: None)
        monkeypatch.setattr(_swap_host.SwapHost, "_container", lambda _self: self.host.container)

        def observe(on_host):
            return self.observe(on_host)

        monkeypatch.setattr(_swap_host.SwapHost, "observe", observe)
        monkeypatch.setattr(AnsibleModule, "run_command", lambda _self, words, **_options: self.program(*words))

    def observe(self, on_host):
        swaps = [_swap_host.Swap(path, "file", os.path.getsize(path), 0, -2) for path in self.active]
        found = {name: _swap_host.look(path, swaps) for name, path in on_host.names.items()}
        # Only root's own files are private, and the tests need not be root's.
        return dataclasses.replace(self.host, **{name: dataclasses.replace(file, private=True) for name, file in found.items()})

    def program(self, *words):
        if words[0] == self.breaks:
            raise KeyboardInterrupt
        if words[0] == "mkswap":
            with open(words[-1], "r+b") as stream:
                stream.write(bytes(_swap_host.PAGE - 10) + b"SWAPSPACE2")
        if words[0] == "swapon":
            self.active.append(words[-1])
        if words[0] == "swapoff":
            self.active.remove(words[-1])
        return 0, "", ""

    def run(self, capsys, check=False, **arguments):
        words = {"path": self.path, **arguments, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(words), pytest.raises(SystemExit):
            swapfile.main()
        return json.loads(capsys.readouterr().out)

    @property
    def files(self):
        return {path.name: path.stat().st_size >> 20 for path in self.directory.iterdir() if path.name.startswith("swap")}


@pytest.fixture
def ground(tmp_path, monkeypatch):
    return Ground(tmp_path, monkeypatch)


@pytest.mark.parametrize("arguments, why", [
    ({"size": "lots"}, "size: 'lots' is no size"), ({"size": "64"}, "64M or 64G"), ({"size": ""}, "size: '' is no size"),
    ({"size": "-1G"}, "is no size"), ({"size": "1M"}, "less than the least, 8M"), ({"size_limit": "x"}, "size_limit: 'x' is no size"),
    ({"keep_free": "-1M"}, "keep_free:"), ({"priority": 32768, "size": "9M"}, "32768 is not within 0 to 32767"),
    ({"priority": -1, "size": "9M"}, "not within"), ({"path": "swap"}, "not the absolute path"), ({"path": "/srv/swap/"}, "not the absolute path"),
    ({"path": "/srv/.."}, "not the absolute path"), ({"path": "/a\nb"}, "not the absolute path"), ({"size": "1T"}, "10240 MiB are free"),
    ({"state": "on"}, "value of state must be one of"),
])
def test_bad_input_is_refused_and_nothing_changes(ground, capsys, arguments, why):
    result = ground.run(capsys, **arguments)
    assert result["failed"] and why in result["msg"], result
    assert ground.files == {} and ground.fstab.read_text() == ROOT_LINE


@pytest.mark.parametrize("values, why", [
    ({"filesystem": "nfs4"}, "on nfs4, a network file system"), ({"filesystem": "tmpfs"}, "on tmpfs, a memory file system"),
    ({"filesystem": "overlay"}, "on overlay; a swap file needs ext4, xfs or btrfs"), ({"read_only": True}, "is read-only"),
    ({"container": "docker"}, "a container (docker)"), ({"directory": False}, "is not there"),
    ({"disk_free": 100 * MIB}, "only 100 MiB are free"),
])
def test_a_host_that_cannot_swap_is_refused_or_tolerated_and_nothing_changes(ground, capsys, values, why):
    ground.host = dataclasses.replace(ground.host, **values)
    refused = ground.run(capsys)
    assert refused["failed"] and why in refused["msg"], refused
    left = ground.run(capsys, tolerate=True)
    assert (left["changed"], left["size_mb"]) == (False, 0) and why in left["obstacle"]
    assert ground.files == {} and ground.fstab.read_text() == ROOT_LINE


OTHERS = {
    "data": lambda path: path.write_text("precious"), "directory": lambda path: path.mkdir(), "link": lambda path: path.symlink_to("/dev/null"),
    "empty": lambda path: path.write_text(""),
}


# An empty file of the other two names is what an interrupted run leaves.
@pytest.mark.parametrize("name, kind", [("swap", "empty"), *((name, kind) for name in ("swap", "swap.new", "swap.bridge") for kind in list(OTHERS)[:3])])
@pytest.mark.parametrize("state", ["enabled", "absent"])
def test_what_is_no_swap_file_is_left_alone(ground, capsys, name, kind, state):
    OTHERS[kind](ground.directory / name)
    before = os.lstat(ground.directory / name)
    result = ground.run(capsys, size="9M", state=state)
    assert result["failed"] and f"{name} exists and is no swap file" in result["msg"]
    after = os.lstat(ground.directory / name)
    assert (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)
    assert len(ground.files) == 1 and ground.fstab.read_text() == ROOT_LINE


def test_a_life_of_a_swap_file(ground, capsys):
    told = ground.run(capsys, check=True, size="9M")
    assert told["changed"] and "9 MiB, in use" in told["diff"][0]["after"] and ground.files == {}
    own = f"{ground.path} none swap sw 0 0\n"
    for size in ("9M", "12M", "8M"):
        result = ground.run(capsys, size=size)
        assert result["changed"] and (ground.files, ground.active) == ({"swap": int(size[:-1])}, [ground.path])
        assert ground.fstab.read_text() == ROOT_LINE + own
        assert not ground.run(capsys, size=size)["changed"] and not ground.run(capsys, check=True, size=size)["changed"]
    assert ground.run(capsys, size="8M", state="disabled")["steps"] == ["fstab", "off file"]
    assert (ground.files, ground.active, ground.fstab.read_text()) == ({"swap": 8}, [], ROOT_LINE)
    assert ground.run(capsys, check=True, state="absent")["changed"] and ground.files == {"swap": 8}
    assert ground.run(capsys, state="absent")["changed"] and ground.files == {}
    assert not ground.run(capsys, state="absent")["changed"]


@pytest.mark.parametrize("program, files", [("mkswap", {"swap": 9, "swap.new": 12}), ("swapoff", {"swap": 9, "swap.new": 12}), ("swapon", {"swap": 12})])
def test_the_new_one_is_made_first_and_after_an_interruption_the_next_run_ends_right(ground, capsys, program, files):
    ground.run(capsys, size="9M")
    ground.breaks = program
    with pytest.raises(KeyboardInterrupt):
        ground.run(capsys, size="12M")
    assert ground.files == files
    ground.breaks = ""
    assert ground.run(capsys, size="12M")["changed"]
    assert (ground.files, ground.active) == ({"swap": 12}, [ground.path])
    assert not ground.run(capsys, size="12M")["changed"]


def test_what_is_replaced_does_not_count_as_other_swap(ground, capsys, monkeypatch):
    monkeypatch.undo()
    seen = {}
    text = "Filename Type Size Used Priority\n/old file 262140 0 -2\n/dev/sdb2 partition 131072 0 -3\n"
    monkeypatch.setattr(_swap_host, "read", lambda path: text if path == "/proc/swaps" else "")
    for replaces in ((), ("/old",)):
        on_host = _swap_host.SwapHost(type("Module", (), {"get_bin_path": lambda *_words: None})(), ground.path, replaces=replaces)
        seen[replaces] = on_host.observe().other_swap >> 20
    assert seen == {(): 383, ("/old",): 128}


@pytest.mark.parametrize("record, counted", [("/dev/zram1\n", 256), ("", 768)])
def test_zram_of_the_role_that_a_file_replaces_is_none_but_somebody_elses_counts(ground, monkeypatch, record, counted):
    monkeypatch.undo()
    text = "Filename Type Size Used Priority\n/dev/zram0 partition 262144 0 100\n/dev/zram1 partition 524288 0 100\n"
    monkeypatch.setattr(_swap_host, "read", lambda path: {"/proc/swaps": text, "/run/sabakan-zram": record}.get(path, ""))
    module = type("Module", (), {"get_bin_path": lambda *_words: None})()
    assert _swap_host.SwapHost(module, ground.path, replaces=["/run/sabakan-zram"]).observe().other_swap >> 20 == counted
