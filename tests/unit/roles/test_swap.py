# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "swap" / "files"


@pytest.fixture
def make(tmp_path):
    """make.sh with a mkswap that signs the file as the real one does, or fails."""
    tools = tmp_path / "tools"
    tools.mkdir()

    def run(mkswap: str = 'printf SWAPSPACE2 | dd of="$1" bs=1 seek=4086 conv=notrunc status=none'):
        (tools / "mkswap").write_text(f"#!/bin/sh\n{mkswap}\n")
        (tools / "mkswap").chmod(0o755)
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        command = ["sh", "-c", (FILES / "make.sh").read_text(), "sh", str(tmp_path / "swapfile"), "2"]
        return subprocess.run(command, env=environment, check=False).returncode

    return run


def test_the_file_is_whole_private_and_without_holes(make, tmp_path):
    assert make() == 0
    found = (tmp_path / "swapfile").stat()
    assert (found.st_size, found.st_mode & 0o777) == (2 * 2**20, 0o600)
    assert found.st_blocks * 512 >= found.st_size
    assert not (tmp_path / "swapfile.new").exists()


@pytest.mark.parametrize("mkswap", ["exit 1", "kill -9 $PPID"], ids=["fails", "killed"])
def test_what_is_not_complete_has_not_the_name_and_the_next_run_ends_right(make, tmp_path, mkswap):
    assert make(mkswap) != 0
    assert not (tmp_path / "swapfile").exists()
    assert make() == 0
    assert (tmp_path / "swapfile").stat().st_size == 2 * 2**20


@pytest.mark.parametrize("name", ["swapfile", "none/swapfile"])
def test_the_probe_tells_what_there_is(make, tmp_path, name):
    make()
    command = ["sh", "-c", (FILES / "probe.sh").read_text(), "sh", str(tmp_path / name)]
    found = dict(line.split("=", 1) for line in subprocess.check_output(command, text=True).splitlines())
    there = name == "swapfile"
    assert (found["size"], found["active"]) == ("2" if there else "0", "0")
    assert found["signature"] == ("SWAPSPACE2" if there and os.sysconf("SC_PAGE_SIZE") == 4096 else "")
    assert (found["filesystem"] == "missing") is not there and ("free" in found) is there
    assert int(found["memory"]) > 0 and found.keys() >= {"container", "other"}
