# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from sabakan_sftp.loop import Loop
from sabakan_sftp.sshd import Sshd

from .test_loop import turn_until


def test_a_listener_that_ended_leaves_no_pipe_behind(monkeypatch):
    loop, said, events = Loop(), [], []
    sshd = Sshd(lambda: loop.output(said.append), lambda kind, **values: events.append(kind))
    monkeypatch.setattr(sshd, "check", lambda command: "")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(3):
        sshd.configure(("/bin/echo", "listening"), "digest", 100.0 * number)
        sshd.tick(100.0 * number)
        sshd.exited(os.waitstatus_to_exitcode(os.waitpid(sshd.pid, 0)[1]), 100.0 * number)
    turn_until(loop, lambda: not loop.selector.get_map())
    assert (said, len(os.listdir("/proc/self/fd"))) == (["listening"] * 3, before)


@pytest.mark.parametrize("starved", ["pipe", "fork"])
def test_a_listener_for_which_there_is_no_process_is_tried_again(monkeypatch, starved):
    def refuse():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    loop, said, events = Loop(), [], []
    sshd = Sshd(lambda: loop.output(said.append), lambda kind, **values: events.append(kind))
    monkeypatch.setattr(sshd, "check", lambda command: "")
    sshd.configure(("/bin/echo", "listening"), "digest", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(os, starved, refuse)
        sshd.tick(0.0)
    assert sshd.pid == 0 and "temporarily" in sshd.error and events == ["sshd-refused"]
    sshd.tick(100.0)
    os.waitpid(sshd.pid, 0)
    turn_until(loop, lambda: not loop.selector.get_map())
    assert said == ["listening"]
