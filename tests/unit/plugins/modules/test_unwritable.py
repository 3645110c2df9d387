# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that write a file of their own where nothing can be written."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sabakan.vps.plugins.modules import swift_ring, tcp_settings


@pytest.mark.parametrize(("module", "given", "name"), [
    (tcp_settings, {"settings": {"tcp_syncookies": 1}, "path": "/proc/none/x.conf"}, "/proc/none"),
    (swift_ring, {"path": "/proc/none", "rings": {"object": 6000}, "device": "d"}, "/proc/none"),
])
def test_is_a_message_and_no_trace(module, given, name, monkeypatch, capsys):
    monkeypatch.setattr(module.AnsibleModule, "get_bin_path", lambda self, *dummy, **more: "/bin/true")
    with patch_module_args(given), pytest.raises(SystemExit):
        module.main()
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] and told["msg"].startswith(name) and told["msg"].endswith("No such file or directory")
