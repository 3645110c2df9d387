# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each manager is given so that its services have the limits that are asked, and why it may be refused.

Nothing here touches the system.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._service import Limit, ceiling, pair, parse_wanted

# The default of fs.nr_open. systemd raises that to 2^30 at boot; more than this is never given.
WALK = 1048576
WALKERS = "daemons that walk their descriptor table (supervisord at each start of a program, old JVMs, rpcbind) then take minutes"
LEAST = 64
DOCKER_DEFAULT = "descriptor_limits_docker_default"
MARK = "Written by role supervisor of sabakan.vps"


def plan(services: list[dict[str, Any]], default: str, host: str) -> dict[str, Any]:
    """{units, programs, containers, defined, needs, default, refused}.

    services: as descriptor_limits_services. host: the lines of fs.nr_open, of systemd's `Max open files` and CapEff, and
    the mark of role supervisor where that has written supervisor.service's configuration.
    """
    if shape := wrong_shape(services):
        return {"units": [], "programs": [], "containers": [], "defined": [], "needs": {}, "default": {}, "refused": shape}
    most, why = ceiling(host.splitlines()[0] if host else "", host, host)
    refused: list[str] = []
    asked: list[tuple[dict[str, Any], Limit]] = []
    for service in services:
        if service.get("nofile") not in (None, ""):
            reason, limit = judge(service["nofile"], most, why)
            refused += [f"{service['name']}: {reason}"] if reason else []
            asked += [(service, limit)] if limit is not None else []
        elif manager_of(service) != "systemd":
            refused.append(f"{service['name']}: a limit of {manager_of(service)} cannot be taken back, say which it is to have")
    reason, given = judge(default, most, why) if default else ("", None)
    refused += [f"{DOCKER_DEFAULT}: {reason}"] if reason else []
    refused += conflicts(services, MARK in host)
    containers = [(service, limit) for service, limit in asked if manager_of(service) == "docker"]
    return {
        "units": [*units(services, asked), *supervisors(asked)],
        "programs": [service["name"] for service, dummy in asked if manager_of(service) == "supervisor"],
        "containers": [service["name"] for service, dummy in containers],
        "defined": [
            {**service["definition"], "name": service["name"], "state": "started", "ulimits": ulimits(service["definition"], limit)}
            for service, limit in containers if service.get("definition")
        ],
        "needs": {service["name"]: text_of(limit) for service, limit in asked},
        "default": {"Name": "nofile", "Soft": pair(given)[0], "Hard": pair(given)[1]} if given is not None else {},
        "refused": refused,
    }


def wrong_shape(services: object) -> list[str]:
    """What is not a list of services at all."""
    if not isinstance(services, list):
        return [f"descriptor_limits_services must be a list of services, not {services!r}"]
    found = []
    for number, service in enumerate(services, 1):
        name = service.get("name") if isinstance(service, Mapping) else None
        if not isinstance(name, str) or not name:
            found.append(f"service {number} of descriptor_limits_services must be a mapping with a name, not {service!r}")
        # Of a definition no more is told than is wrong: its environment may hold passwords.
        elif not isinstance(definition := service.get("definition") or {}, Mapping):
            found.append(f"{name}: definition must be a mapping, the options of community.docker.docker_container, not {definition!r}")
        elif not isinstance(own := definition.get("ulimits") or [], list):
            found.append(f"{name}: ulimits of its definition must be a list, not {own!r}")
    return found


def ulimits(definition: Mapping[str, Any], limit: Limit) -> list[str]:
    """A container's own limits of other resources, and the one of descriptors that is asked."""
    others = [one for one in definition.get("ulimits") or [] if not str(one).startswith("nofile:")]
    return [*others, f"nofile:{':'.join(map(str, pair(limit)))}"]


def manager_of(service: dict[str, Any]) -> str:
    return str(service.get("manager") or "systemd")


def judge(value: object, most: int, why: str) -> tuple[str, Limit | None]:
    """(why it is refused, the limit that was understood)."""
    try:
        limit = parse_wanted(value)
    except ValueError:
        return f"{value!r} is neither a number nor two as soft:hard; infinity is not to be had, as {WALKERS}", None
    soft, hard = pair(limit)
    if hard > WALK:
        return f"{value} is above {WALK}; {WALKERS}", limit
    if most and hard > most:
        return f"{value} is above {most}, {why}, and would be lowered in silence", limit
    if min(soft, hard) < LEAST:
        return f"{value} is below {LEAST}, which hardly any daemon starts with", limit
    return (f"{value}: the soft limit is above the hard one" if soft > hard else ""), limit


def conflicts(services: list[dict[str, Any]], role_supervisor: bool) -> list[str]:
    """Services that would be given a limit twice, and each time be restarted for the other."""
    found = []
    names = [service["name"] for service in services]
    found += [f"{name} stands there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    supervised = {service.get("unit") or "supervisor.service" for service in services if manager_of(service) == "supervisor"}
    for service in services:
        name = service["name"]
        if manager_of(service) == "systemd" and name in supervised:
            found.append(f"{name} is given the largest limit of its programs here already: take the unit itself out")
        elif role_supervisor and manager_of(service) == "systemd" and name == "supervisor.service":
            found.append(f"{name} is role supervisor's, which gives it the largest descriptors of supervisor_programs: take it out here")
        elif role_supervisor and manager_of(service) == "supervisor" and (service.get("unit") or "supervisor.service") == "supervisor.service":
            found.append(f"{name}: supervisor.service is role supervisor's, and both would restart it with another limit in turn:"
                         " set the program's descriptors in supervisor_programs instead")
    return found


def units(services: list[dict[str, Any]], asked: list[tuple[dict[str, Any], Limit]]) -> list[dict[str, Any]]:
    limits = {service["name"]: limit for service, limit in asked}
    return [
        {"name": service["name"], "limits": {"nofile": text_of(limits[service["name"]])} if service["name"] in limits else {}}
        for service in services if manager_of(service) == "systemd"
    ]


def supervisors(asked: list[tuple[dict[str, Any], Limit]]) -> list[dict[str, Any]]:
    """Each supervisord's unit with the largest limits of its programs, as there is no limit of a program."""
    largest: dict[str, tuple[int, int]] = {}
    for service, limit in asked:
        if manager_of(service) == "supervisor":
            unit = str(service.get("unit") or "supervisor.service")
            before, now = largest.get(unit, (0, 0)), pair(limit)
            largest[unit] = (max(before[0], now[0]), max(before[1], now[1]))
    return [{"name": unit, "limits": {"nofile": text_of(limit)}} for unit, limit in largest.items()]


def text_of(limit: Limit) -> int | str:
    """One number where both are alike."""
    soft, hard = pair(limit)
    return soft if soft == hard else f"{soft}:{hard}"


def told(processes: list[dict[str, Any]]) -> list[str]:
    """What descriptor_info's processes lack, a sentence each with the chain that their limit came down by."""
    found = []
    for process in processes:
        who = process["program"] or process["container"] or process["unit"]
        chain = " -> ".join(f"{link['kind']} {link['name']} {link['soft']}:{link['hard']}" for link in process["chain"])
        found += [
            f"{who}, process {process['pid']} ({process['name']}): {verdict['message']} ({chain})"
            for verdict in process["verdicts"] if verdict["verdict"] == "below_need"
        ]
    return found


def behind(processes: list[dict[str, Any]]) -> list[str]:
    """Containers that a restart would help: no link above them is short."""
    return sorted({
        process["container"] for process in processes for verdict in process["verdicts"]
        if process["container"] and verdict["verdict"] == "below_need" and verdict["link"] == "process"
    })
