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
  - The unit file and its drop-ins count among the files that a unit reads at its start. Those of what a timer or a socket
    starts are read anew by systemd.
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
        description:
          - Whether the unit starts at boot. Left alone when not given, and where another unit or a generator decides
            (static, indirect, generated).
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
          - Limits that every process of the unit must have, by the names C(nofile), C(nproc), C(memlock), C(core),
            C(stack) and C(as); in the units of C(/proc/PID/limits), C(-1) for unlimited. A number is asked for
            as soft and hard alike, and is met by processes whose soft limit it is; of C(soft:hard) both are compared.
          - They are asked for in a drop-in of the unit, C(50-sabakan-limits.conf); a unit whose processes have others
            is restarted, and the task fails if they still have, as happens where systemd's own limit is lower.
          - C({}) takes that drop-in away; without this option it is left alone.
          - A C(nofile) above what systemd can give on this host is refused before anything changes.
        type: dict
      listens_on:
        description:
          - TCP addresses (C(address:port), C([address]:port) for IPv6) or paths of UNIX sockets that the unit's processes
            must serve. A unit without any must have lived for a second. A unit that runs and still does not serve one
            when O(timeout) is over is restarted, once.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds to wait for all units together to run and to listen. A unit that fails for good is not awaited.
    type: int
    default: 60
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
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
    "limits": {"type": "dict"},
    "listens_on": {"type": "list", "elements": "str", "default": []},
}


def check_units(module, systemd, units, shown, reloaded=False):
    """Refuses what can never work, before anything changes."""
    most, why = systemd.ceiling()
    refused = []
    for unit in units:
        for name, value in (unit["limits"] or {}).items():
            if name not in _service.LIMIT_NAMES:
                module.fail_json(
                    msg=f"{unit['name']}: limit {name!r} is unknown; one of {', '.join(_service.LIMIT_NAMES)}"
                )
            try:
                unit["limits"][name] = _service.parse_wanted(value)
            except ValueError:
                module.fail_json(msg=f"{unit['name']}: limit {name} must be a whole number, or two as soft:hard, not {value!r}")
        refused += [f"{unit['name']}: {text}" for text in _service.refusals(unit, shown[unit["name"]], most, why, reloaded)]
    if refused:
        module.fail_json(msg="; ".join(refused))


def describe(name, running, decision):
    """The diff of one unit."""
    before = ["running" if running.active else "not running", "enabled" if running.enabled else "not enabled"]
    after = ["running", "enabled" if (running.enabled if decision.enable is None else decision.enable) else "not enabled"]
    return {
        "before_header": name, "after_header": f"{name} ({decision.action})",
        "before": "\n".join([*before, *decision.reasons, ""]), "after": "\n".join([*after, ""]),
    }


def act(module, systemd, unit, decision):
    if decision.enable is not None:
        systemd.call("enable" if decision.enable else "disable", unit["name"])
    if decision.action == "none":
        return
    if decision.action != "reload":
        systemd.call("reset-failed", unit["name"], check=False)
    code, error = systemd.call(decision.action, unit["name"], check=False)
    if code:
        module.fail_json(
            msg=f"{unit['name']} did not {decision.action}: {error}", journal=systemd.journal(unit["name"]),
        )


def await_units(systemd, units, shown, timeout):
    """({unit: shortfalls} of those that are still not as asked, properties), when all are or waiting cannot help."""
    start, before = time.monotonic(), shown
    names = [unit["name"] for unit in units]
    while True:
        short = {unit["name"]: systemd.shortfalls(unit, shown[unit["name"]]) for unit in units}
        short = {name: reasons for name, reasons in short.items() if reasons}
        hopeless = any(systemd.hopeless(before[name], shown[name]) for name in short)
        if not short or hopeless or time.monotonic() - start > timeout:
            return short, shown
        time.sleep(0.2)
        shown = systemd.show(names)


def revive(module, systemd, units, short, results, diffs):
    """Restarts, once, what was left alone and yet serves none of its addresses after the wait; whether there was any."""
    revived = False
    for unit, result in zip(units, results):
        reasons = short.get(unit["name"], [])
        if result["action"] == "none" and any(reason.startswith(_systemd.DEAF) for reason in reasons):
            decision = _service.Decision("restart", None, False, tuple(reasons))
            act(module, systemd, unit, decision)
            diffs.append(describe(unit["name"], systemd.running(systemd.show([unit["name"]])[unit["name"]]), decision))
            result.update(action="restart", reasons=reasons)
            revived = True
    return revived


def run(module):
    units = module.params["units"]
    names = [unit["name"] for unit in units]
    if not units:
        module.exit_json(changed=False, units=[], diff=[])
    systemd = _systemd.Systemd(module)
    shown = systemd.show(names)
    check_units(module, systemd, units, shown)
    drop_ins = {unit["name"]: systemd.write_limits(unit) for unit in units}
    # What a timer or a socket starts is loaded as long as that is, and would be started by its former file.
    triggered = {name for one in shown.values() for name in one.get("Triggers", "").split()} - set(names)
    read_again = [*shown.values(), *(systemd.show(sorted(triggered)).values() if triggered else ())]
    stale = any(one.get("NeedDaemonReload") == "yes" for one in read_again) or any(one.get("LoadState") != "loaded" for one in shown.values())
    if not module.check_mode and (stale or any(drop_ins.values())):
        systemd.call("daemon-reload")
        shown = systemd.show(names)
        check_units(module, systemd, units, shown, reloaded=True)
        missing = [name for name in names if shown[name].get("LoadState") != "loaded"]
        if missing:
            module.fail_json(msg=f"{', '.join(missing)}: no such unit on this host; its package or unit file is missing")

    results, diffs, wanted, acted = [], [], {}, False
    for unit in units:
        name = unit["name"]
        if acted:  # what was done to one unit may have touched the next
            shown, acted = systemd.show(names), False
        running = systemd.running(shown[name])
        wanted[name] = systemd.wanted(unit, shown[name])
        decision = _service.decide(wanted[name], running, systemd.record(name))
        if decision.changed and not module.check_mode:
            act(module, systemd, unit, decision)
            acted = True
        diffs += [drop_ins[name]] if drop_ins[name] else []
        diffs += [describe(name, running, decision)] if decision.changed else []
        results.append({"name": name, "action": decision.action, "reasons": list(decision.reasons)})
    changed = bool(diffs)
    if not module.check_mode:
        shown = systemd.show(names) if acted else shown
        short, shown = await_units(systemd, units, shown, module.params["timeout"])
        if short and revive(module, systemd, units, short, results, diffs):
            changed = True
            short, shown = await_units(systemd, units, systemd.show(names), module.params["timeout"])
        if short:
            module.fail_json(
                msg="; ".join(f"{name}: {', '.join(reasons)}" for name, reasons in short.items()),
                journal={name: systemd.journal(name) for name in short}, units=results, changed=changed,
            )
        for name in names:
            systemd.remember(wanted[name], shown[name])
    for result in results:
        result["processes"] = len(systemd.pids(shown[result["name"]]))
    module.exit_json(changed=changed, units=results, diff=diffs)


def main():
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT_SPEC},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except OSError as error:
        module.fail_json(msg=": ".join(str(part) for part in (error.filename, error.strerror) if part))


if __name__ == "__main__":
    main()
