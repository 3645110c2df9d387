#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_in_force
short_description: Run systemd units with what is configured now, and read it back from their processes
version_added: 0.1.0
description:
  - Brings each unit to a state in which its I(running processes) use the files, the working directory and the limits
    that were asked, by the least action that does so (nothing, reload, start or restart), then reads all of it back
    and fails where it differs.
  - Use it in place of a handler and M(ansible.builtin.systemd_service). A handler's notice is lost when a run is
    interrupted between the change and the restart, so that the next run finds the file in place and leaves the old
    process running. M(ansible.builtin.systemd_service) knows whether a unit is active, not what its processes run
    with, and C(systemctl show) repeats a limit that the kernel has clamped.
options:
  units:
    description: The units, started in this order and then awaited together.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Unit name with its suffix.
        type: str
        required: true
      enabled:
        description: Whether the unit starts at boot. Left alone when not given.
        type: bool
      restart_on:
        description: Files that the service reads at its start; a change that the process has not seen means a restart.
        type: list
        elements: path
        default: []
      reload_on:
        description: Files that a reload is enough for.
        type: list
        elements: path
        default: []
      working_directory:
        description: Directory that the main process must be in, resolved through links; another one means a restart.
        type: path
      limits:
        description:
          - Limits, soft and hard alike, that every process of the unit must have, by the names C(nofile), C(nproc),
            C(memlock), C(core), C(stack) and C(as); in the units of C(/proc/PID/limits), C(-1) for unlimited.
          - They are asked for in a drop-in of the unit, C(50-sabakan-limits.conf); a unit whose processes have others
            is restarted, and the task fails if they still have, as happens where systemd's own limit is lower.
        type: dict
        default: {}
      listens_on:
        description: TCP addresses (C(address:port)) or paths of UNIX sockets that the unit's processes must serve.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds to wait for all units together to run and to listen.
    type: int
    default: 60
extends_documentation_fragment:
  - sabakan.vps.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
notes:
  - The digests of the files in force are kept in C(/run/sabakan), by the invocation ID of the unit.
requirements: [systemd on the host, root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Run Redis with what is configured
  sabakan.vps.service_in_force:
    units:
      - name: redis-server.service
        enabled: true
        restart_on: [/etc/redis/redis.conf]
        limits: {nofile: 10240}
        listens_on: ["10.91.0.31:6379"]
"""

RETURN = r"""
units:
  description: What was done and what is in force, a unit each.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Unit name., type: str, returned: always}
    action: {description: "C(none), C(start), C(restart) or C(reload).", type: str, returned: always}
    reasons: {description: Why., type: list, elements: str, returned: always}
    processes: {description: Number of processes of the unit., type: int, returned: always}
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sabakan.vps.plugins.module_utils import _service, _systemd

UNIT_SPEC = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool"},
    "restart_on": {"type": "list", "elements": "path", "default": []},
    "reload_on": {"type": "list", "elements": "path", "default": []},
    "working_directory": {"type": "path"},
    "limits": {"type": "dict", "default": {}},
    "listens_on": {"type": "list", "elements": "str", "default": []},
}


def check_limits(module, unit):
    for name, value in unit["limits"].items():
        if name not in _service.LIMIT_NAMES:
            module.fail_json(msg=f"{unit['name']}: limit {name!r} is unknown; one of {', '.join(_service.LIMIT_NAMES)}")
        try:
            unit["limits"][name] = int(value)
        except (TypeError, ValueError):
            module.fail_json(msg=f"{unit['name']}: limit {name} must be a whole number, not {value!r}")


def describe(name, running, decision):
    """The diff of one unit."""
    before = ["running" if running.active else "not running", "enabled" if running.enabled else "not enabled"]
    after = ["running", "enabled" if (running.enabled if decision.enable is None else decision.enable) else "not enabled"]
    return {
        "before_header": name, "after_header": f"{name} ({decision.action})",
        "before": "\n".join([*before, *decision.reasons, ""]), "after": "\n".join([*after, ""]),
    }


def act(module, systemd, unit, decision):
    if decision.daemon_reload:
        systemd.call("daemon-reload")
    if decision.enable is not None:
        systemd.call("enable" if decision.enable else "disable", unit["name"])
    if decision.action == "reload":
        systemd.call("reload", unit["name"])
    elif decision.action != "none":
        systemd.call("reset-failed", unit["name"], check=False)
        code, error = systemd.call(decision.action, unit["name"], check=False)
        if code:
            module.fail_json(
                msg=f"{unit['name']} did not {decision.action}: {error}", journal=systemd.journal(unit["name"]),
            )


def await_units(systemd, units, timeout):
    """The shortfalls of each unit that is still not as asked when the time is up; empty when all are."""
    deadline = time.monotonic() + timeout
    while True:
        short = {unit["name"]: systemd.shortfalls(unit) for unit in units}
        short = {name: reasons for name, reasons in short.items() if reasons}
        if not short or time.monotonic() > deadline:
            return short
        time.sleep(0.2)


def main():
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT_SPEC},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    units = module.params["units"]
    systemd = _systemd.Systemd(module)
    results, diffs = [], []
    for unit in units:
        check_limits(module, unit)
    for unit in units:
        drop_in = systemd.write_limits(unit)
        running = systemd.running(unit["name"])
        decision = _service.decide(systemd.wanted(unit), running, systemd.record(unit["name"]))
        if not module.check_mode:
            if not running.loaded and not systemd.reloaded_and_loaded(unit["name"]):
                module.fail_json(msg=f"unit {unit['name']} does not exist on this host; its package or unit file is missing")
            act(module, systemd, unit, decision)
        diffs += [drop_in] if drop_in else []
        diffs += [describe(unit["name"], running, decision)] if decision.changed else []
        results.append({"name": unit["name"], "action": decision.action, "reasons": list(decision.reasons),
                        "changed": decision.changed or drop_in is not None})
    changed = any(result.pop("changed") for result in results)
    if not module.check_mode:
        short = await_units(systemd, units, module.params["timeout"])
        if short:
            module.fail_json(
                msg="; ".join(f"{name}: {', '.join(reasons)}" for name, reasons in short.items())
                + f" (after {module.params['timeout']} s)",
                journal={name: systemd.journal(name) for name in short}, units=results, changed=changed,
            )
        for unit in units:
            systemd.remember(unit)
    for result in results:
        result["processes"] = len(systemd.processes(result["name"]))
    module.exit_json(changed=changed, units=results, diff=diffs)


if __name__ == "__main__":
    main()
