#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: timer_audit_info
short_description: Timers of a host that reboot it, and what of them can become a loop
version_added: 0.1.0
description:
  - Looks at every timer, running or not, whose service can reboot the host or turn it off; directly, by C(systemctl),
    C(shutdown), C(init), C(kexec), D-Bus or sysrq, by C(SuccessAction=) and the like, by a unit that it starts, or by a
    script that does. Says what of it can loop, in which lines, and what to write instead. It changes and starts nothing.
  - Scripts are read, not run. A binary, and a script that puts the name of its command together, are not seen through.
  - A timer of role C(reboot_timer) is named as guarded; of it only the ways around the timer are judged.
options: {}
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Look for timers that could loop
  sabakan.vps.timer_audit_info:
  register: audit

- name: Refuse them
  ansible.builtin.assert:
    that: audit.findings | selectattr('severity', 'equalto', 'loops') | length == 0
    fail_msg: "{{ audit.findings | map(attribute='summary') | join('; ') }}"
"""

RETURN = r"""
timers:
  description: Timers that can reboot the host.
  returned: always
  type: list
  elements: dict
  contains:
    timer: {description: Name of the timer., type: str, returned: always}
    service: {description: What it starts., type: str, returned: always}
    how: {description: "The command, C(script:line: command), or the setting that leads there.", type: str, returned: always}
    guarded: {description: "C(yes) where C(sabakan-reboot) decides.", type: str, returned: always}
findings:
  description: What can loop.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description:
        - C(persistent), C(stamp_not_kept), C(stamp_in_future), C(counts_from_boot), C(no_time_sync), C(timer_pulls_service),
          C(wanted_at_boot), C(enabled_oneshot) or C(installable).
      type: str
      returned: always
    severity: {description: "C(loops), under the condition of the summary, or C(latent), after one more step.", type: str, returned: always}
    timer: {description: Name of the timer., type: str, returned: always}
    service: {description: What it starts., type: str, returned: always}
    summary: {description: One sentence., type: str, returned: always}
    lines: {description: "C(file:line: text) of what makes it so.", type: list, elements: str, returned: always}
    instead: {description: What to write instead., type: str, returned: always}
"""

import dataclasses
import os
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _timer_audit as timer_audit

PROPERTIES = "Id,Names,FragmentPath,DropInPaths,WantedBy,RequiredBy,UpheldBy,RequisiteOf,BoundBy,UnitFileState,Type,Persistent,Triggers"
LONGEST = 1 << 18
VOLATILE = ("tmpfs", "ramfs")


def text_of(path):
    """A text file's beginning; nothing for a binary, what cannot be read, or what waits for its reader, as a pipe does."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            content = file.read(LONGEST)
    except OSError:
        return None
    return None if b"\0" in content else content.decode(errors="replace")


def stamp_of(name):
    try:
        return os.stat(f"{timer_audit.STAMPS}/stamp-{name}").st_mtime
    except OSError:
        return None


def unit_of(shown):
    name = shown["Id"]
    paths = [path for path in [shown.get("FragmentPath", ""), *shown.get("DropInPaths", "").split()] if path]
    wanting = [other for key in ("WantedBy", "RequiredBy", "UpheldBy", "RequisiteOf", "BoundBy") for other in shown.get(key, "").split()]
    return timer_audit.Unit(
        name, tuple((path, text_of(path) or "") for path in paths), tuple(dict.fromkeys(wanting)), shown.get("UnitFileState", ""),
        shown.get("Type", ""), shown.get("Persistent") == "yes", tuple(shown.get("Triggers", "").split()),
        stamp_of(name) if name.endswith(".timer") else None,
    )


class Systemd:
    def __init__(self, module):
        self.module, self.systemctl = module, module.get_bin_path("systemctl", required=True)

    def call(self, *words):
        code, out, error = self.module.run_command([self.systemctl, *words])
        if code:
            self.module.fail_json(msg=f"systemctl {' '.join(words[:3])}: {error.strip() or out.strip()}")
        return out

    def names(self, kind):
        """Of the unit files and of the loaded units; a template is none."""
        files = self.call("list-unit-files", f"--type={kind}", "--plain", "--no-legend", "--full")
        loaded = self.call("list-units", f"--type={kind}", "--all", "--plain", "--no-legend", "--full")
        found = {line.split()[0] for line in (files + loaded).splitlines() if line.split()}
        return sorted(name for name in found if not name.endswith(f"@.{kind}"))

    def units(self, kind):
        names = self.names(kind)
        blocks = self.call("show", f"--property={PROPERTIES}", "--", *names).split("\n\n") if names else []
        shown = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
        return [(one, one.get("Names", "").split()) for one in shown if one.get("Id")]

    def waits_for_sync(self):
        code, out, _error = self.module.run_command([self.systemctl, "is-enabled", "systemd-time-wait-sync.service"])
        return code == 0 and out.strip() != "alias"


def stamps_trouble():
    """Why a stamp would not outlast the boot."""
    place = timer_audit.STAMPS
    there = place if os.path.isdir(place) else os.path.dirname(place)
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        mounts = [line.split() for line in file]
    over = max((one for one in mounts if (there + "/").startswith(one[1].rstrip("/") + "/")), key=lambda one: len(one[1]), default=None)
    if over and over[2] in VOLATILE:
        return f"{place} is on {over[2]}, which no boot outlasts"
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        return f"nothing can be written in {place}: {error.strerror}"
    return ""


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    systemd = Systemd(module)
    units = {}
    for shown, names in systemd.units("service"):
        unit = unit_of(shown)
        units.update(dict.fromkeys([unit.name, *names], unit))
    timers = {unit.name: unit for shown, _names in systemd.units("timer") for unit in [unit_of(shown)]}
    host = timer_audit.Host(time.time(), systemd.waits_for_sync(), stamps_trouble())
    rebooting, findings = timer_audit.audit(sorted(timers.values(), key=lambda one: one.name), units, text_of, host)
    module.exit_json(changed=False, timers=rebooting, findings=[dataclasses.asdict(one) for one in findings])


if __name__ == "__main__":
    main()
