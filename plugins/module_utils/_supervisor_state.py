# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running supervisord must do to match its configuration. Nothing here touches the system."""

from __future__ import annotations

from typing import Any

# Neither starting, running nor on its way; EXITED with 0 is a program that has done its work.
GONE = ("STOPPED", "FATAL", "EXITED", "UNKNOWN")


def has_ended_well(info: dict[str, Any]) -> bool:
    return info["statename"] == "EXITED" and info["exitstatus"] == 0


def plan(
    added: list[str], changed: list[str], removed: list[str], infos: list[dict[str, Any]], programs: list[str],
) -> dict[str, str]:
    """{name: action}; removals come first, so that what they held (a port) is free."""
    actions = dict.fromkeys(sorted(removed), "remove")
    actions.update(dict.fromkeys(sorted(changed), "restart"))
    actions.update(dict.fromkeys(sorted(added), "add"))
    for info in infos:
        if info["group"] in programs and info["group"] not in actions and info["statename"] in GONE and not has_ended_well(info):
            actions[f"{info['group']}:{info['name']}"] = "start"
    return actions


def short(infos: list[dict[str, Any]], programs: list[str]) -> list[str]:
    """Programs that do not run as asked, a sentence each."""
    found = [f"program {name} is not known to supervisord" for name in programs if name not in {info["group"] for info in infos}]
    return found + [
        f"{info['group']}:{info['name']} is {info['statename']} ({info['spawnerr'] or info['description']})"
        for info in infos
        if info["group"] in programs and info["statename"] != "RUNNING" and not has_ended_well(info)
    ]


def pids(infos: list[dict[str, Any]]) -> dict[str, int]:
    return {f"{info['group']}:{info['name']}": info["pid"] for info in infos}


def diff(actions: dict[str, str], infos: list[dict[str, Any]]) -> dict[str, str]:
    """Before and after in words."""
    states = [f"{info['group']}:{info['name']} {info['statename']}" for info in infos]
    return {"before": "\n".join([*states, ""]), "after": "\n".join([*states, *(f"{action} {name}" for name, action in actions.items()), ""])}
