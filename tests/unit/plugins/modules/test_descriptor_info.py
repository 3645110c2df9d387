# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that the module asks."""

from __future__ import annotations

from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_host import Host
from ansible_collections.sabakan.vps.plugins.modules import descriptor_info

STAYED = "a" * 64
ANSWERS = {"ps": (0, f"{STAYED}\n{'b' * 64}\n"), "inspect": (1, f'[{{"Id": "{STAYED}", "Name": "/bot"}}]\n')}


class Module:
    def get_bin_path(self, name):
        return None if name == "podman" else f"/bin/{name}"

    def run_command(self, words, **dummy):
        return (*ANSWERS[words[1]], "Error: No such object")


def test_a_container_that_went_meanwhile_hides_no_other(tmp_path):
    """docker inspect then ends with 1, and has told of the others."""
    host = Host(descriptor_info.runner(Module()), str(tmp_path))
    assert host.links.container_name(STAYED) == "bot"


def test_a_program_that_is_not_there_says_nothing():
    assert descriptor_info.runner(Module())("podman", "ps") == ""
