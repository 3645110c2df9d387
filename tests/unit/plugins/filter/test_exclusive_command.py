# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sabakan.vps.plugins.filter.exclusive_command import exclusive_command, exclusive_volumes

PROGRAM = "/usr/local/lib/sabakan/sabakan_exclusive"
SERVICE = {"name": "db", "data": "/data"}


def test_a_list_and_a_text_are_wrapped_alike():
    words = exclusive_command(["postgres", "-D", "x y"], SERVICE, "rdb-01", python="python3")
    assert words == ["python3", "-B", PROGRAM, "--host", "rdb-01", "--wait", "0", "--linger", "10", "/data", "--", "postgres", "-D", "x y"]
    assert exclusive_command("/bin/x $Y", SERVICE, "h") == f"/usr/bin/python3 -B {PROGRAM} --host h --wait 0 --linger 10 /data -- /bin/x $Y"


def test_every_option_stands_before_the_data():
    service = {**SERVICE, "wait": 5, "linger": 0, "lease": True}
    words = exclusive_command([], service, "h", ["overlay", "fuse.x"])
    assert words[5:] == ["--wait", "5", "--linger", "0", "--lease", "/etc/sabakan/exclusive-db.json", "--allow-filesystem", "overlay",
                         "--allow-filesystem", "fuse.x", "/data", "--"]
    assert exclusive_volumes(service) == [f"{PROGRAM}:{PROGRAM}:ro", "/etc/sabakan/exclusive-db.json:/etc/sabakan/exclusive-db.json:ro"]
    assert exclusive_volumes(SERVICE) == [f"{PROGRAM}:{PROGRAM}:ro"]


@pytest.mark.parametrize(("command", "before", "after"), [
    ("-/bin/x", "-", "/bin/x"), ("+:/bin/x $Y", "+:", "/bin/x $Y"), ("! /bin/x", "!", "/bin/x"), ("!!-/bin/x", "!!-", "/bin/x"),
])
def test_what_systemd_takes_before_a_command_stays_first(command, before, after):
    assert exclusive_command(command, SERVICE, "h") == f"{before}/usr/bin/python3 -B {PROGRAM} --host h --wait 0 --linger 10 /data -- {after}"


@pytest.mark.parametrize("command", ["@/bin/x name", "-@/bin/x name"])
def test_another_name_for_the_program_cannot_be_given_through_the_wrapper(command):
    with pytest.raises(AnsibleFilterError, match="begins with @"):
        exclusive_command(command, SERVICE, "h")


@pytest.mark.parametrize("service", [{}, {"name": "db"}, {"data": "/data"}, {"name": "", "data": "/data"}])
def test_a_service_without_name_or_data_is_an_error(service):
    with pytest.raises(AnsibleFilterError, match="at least name and data"):
        exclusive_command([], service, "h")


@pytest.mark.parametrize("service", [None, [], "x", {}, {"name": "x"}, {"data": "/srv"}])
def test_what_is_no_service_is_refused(service):
    with pytest.raises(AnsibleFilterError, match="at least name and data"):
        exclusive_command(["run"], service, "host")


def test_what_is_no_command_is_refused():
    with pytest.raises(AnsibleFilterError, match="a text or a list of words"):
        exclusive_command(7, {"name": "x", "data": "/srv"}, "host")
