# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _supervisor_state


def info(name, state="RUNNING", group=None, pid=7, exitstatus=0):
    return {"group": group or name, "name": name, "statename": state, "pid": pid, "exitstatus": exitstatus, "spawnerr": "", "description": "d"}


@pytest.mark.parametrize(
    ("diff", "infos", "expected"),
    [
        (([], [], []), [info("web"), info("once", "EXITED")], []),
        ((["new"], ["web"], ["old"]), [info("web"), info("old")], [("old", "remove"), ("web", "restart"), ("new", "add")]),
        (([], [], []), [info("web", "FATAL")], [("web:web", "start")]),
        (([], [], []), [info("web", "STOPPED")], [("web:web", "start")]),
        (([], [], []), [info("web", "EXITED", exitstatus=1)], [("web:web", "start")]),
        (([], [], []), [info("web", "BACKOFF"), info("web", "STARTING")], []),
        (([], ["web"], []), [info("web", "FATAL")], [("web", "restart")]),
        (([], [], []), [info("other", "FATAL")], []),
        (([], [], []), [info("web_00", group="web"), info("web_01", "FATAL", group="web")], [("web:web_01", "start")]),
    ],
)
def test_only_what_differs_is_acted_on_removals_first(diff, infos, expected):
    assert list(_supervisor_state.plan(*diff, infos, ["web", "once", "new"]).items()) == expected


@pytest.mark.parametrize(
    ("infos", "says"),
    [
        ([info("web")], []), ([info("web", "EXITED")], []),
        ([], ["program web is not known to supervisord"]),
        ([info("web", "BACKOFF")], ["web:web is BACKOFF (d)"]),
        ([info("web", "EXITED", exitstatus=1)], ["web:web is EXITED (d)"]),
        ([info("web"), info("other", "FATAL")], []),
    ],
)
def test_what_does_not_run_is_named(infos, says):
    assert _supervisor_state.short(infos, ["web"]) == says


def test_the_diff_says_what_is_done():
    diff = _supervisor_state.diff({"web": "restart"}, [info("web")])
    assert diff == {"before": "web:web RUNNING\n", "after": "web:web RUNNING\nrestart web\n"}
    assert _supervisor_state.pids([info("web")]) == {"web:web": 7}
