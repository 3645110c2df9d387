#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: exclusive_audit_info
short_description: Containers and units of a host that could run twice on the same data
version_added: 0.1.0
description:
  - Finds what may be written by two containers or units at once although it bears one, and locks that only one of
    them can see. It changes nothing and enters nothing; it reads the engine's and systemd's own accounts, C(/proc/locks)
    and the descriptors of running containers.
  - Places are compared by device and inode, block devices by their number, so that neither another path nor another
    device node hides them.
  - Sharing is no finding where nothing tells of state (a known file of a data directory, a block device, the same
    program or image on both sides), or where both sides take the same lock by C(sabakan-exclusive).
options:
  engine:
    description: The engine's command line client; containers are left out where it is missing or does not answer.
    type: str
    default: docker
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
requirements: [root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Look for what could start twice
  sabakan.vps.exclusive_audit_info:
  register: audit

- name: Refuse it
  ansible.builtin.assert:
    that: audit.findings | length == 0
    fail_msg: "{{ audit.findings | map(attribute='summary') | join('; ') }}"
"""

RETURN = r"""
findings:
  description: What was found, each with its evidence.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description:
        - C(shared_data) and C(shared_device), two users of one place; C(duplicated_unit), two units of one;
          C(private_lock), a lock that others cannot see; C(two_starters), a unit and the engine that start one container.
      type: str
      returned: always
    place: {description: "Device and inode, or the number of a device; of C(two_starters) the container.", type: str, returned: always}
    users: {description: The containers and units., type: list, elements: str, returned: always}
    summary: {description: One sentence., type: str, returned: always}
    evidence: {description: What it is judged from., type: list, elements: str, returned: always}
seen:
  description: How many containers and units were looked at.
  returned: always
  type: dict
"""

import dataclasses
import json
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _exclusive as exclusive

PROPERTIES = "Id,ExecStart,ActiveState,UnitFileState,Restart,WorkingDirectory"
# The kernel's and the system's own, which everybody uses at once.
SYSTEM = re.compile(r"/(?:etc|run|usr|proc|sys|dev)(?:/|$)")
# Directories that a unit may name without meaning its data.
ROOTS = re.compile(r"/(?:tmp|home|root|srv|opt|var|var/lib|var/run|var/log|var/tmp)?/?$")


def identity(path):
    """How a place is compared; empty for what is neither a directory nor a block device."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    if stat.S_ISBLK(status.st_mode):
        return f"dev {os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return f"dir {os.major(status.st_dev)}:{os.minor(status.st_dev)}:{status.st_ino}" if stat.S_ISDIR(status.st_mode) else ""


def markers(path):
    """Files that tell of a service's data, in the directory or one below it."""
    found = set()
    try:
        for entry in os.scandir(path):
            found |= {entry.name} & exclusive.MARKERS
            if entry.is_dir(follow_symlinks=False):
                found |= set(os.listdir(entry.path)) & exclusive.MARKERS
    except OSError:
        pass
    return tuple(sorted(found))


def place(path, inside=""):
    seen = identity(path)
    if seen.startswith("dir ") and SYSTEM.match(path):
        return None
    return exclusive.Place(seen, path, inside, markers(path) if seen.startswith("dir ") else ()) if seen else None


def filesystems(pid):
    """Kind of file system by device number, as the container sees them."""
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="replace") as file:
            return {line.split()[2]: line.partition(" - ")[2].split()[0] for line in file}
    except OSError:
        return {}


def processes(namespace):
    """PIDs of a PID name space, on this host."""
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/ns/pid") == namespace:
                yield int(name)
        except OSError:
            continue


def held_locks(pid, locked):
    """Exclusive locks of a container's processes, by their descriptors: locks are told with the PID that took them."""
    try:
        members = list(processes(os.readlink(f"/proc/{pid}/ns/pid")))
    except OSError:
        return ()
    kinds, found = filesystems(pid), {}
    for member in members:
        try:
            descriptors = os.listdir(f"/proc/{member}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                status = os.stat(f"/proc/{member}/fd/{descriptor}")
                path = os.readlink(f"/proc/{member}/fd/{descriptor}")
            except OSError:
                continue
            device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
            if f"{device}:{status.st_ino}" in locked:
                found[f"{device}:{status.st_ino}"] = exclusive.HeldLock(path, f"{device}:{status.st_ino}", kinds.get(device, "unknown"))
    return tuple(found.values())


def words(told):
    """Of a container's command; Podman before 5 tells an entrypoint as one text."""
    return exclusive.unit_command(told) if isinstance(told, str) else tuple(told or ())


def may_write(device):
    """Podman leaves the permissions empty, which gives all of them."""
    return "w" in (device.get("CgroupPermissions") or "rwm")


def container(entry, locked):
    config, state, host = entry["Config"], entry["State"], entry["HostConfig"]
    command = (*words(config.get("Entrypoint")), *words(config.get("Cmd")))
    mounts = {m["Destination"]: place(m["Source"], m["Destination"]) for m in entry.get("Mounts") or [] if m.get("RW")}
    devices = [place(d["PathOnHost"], d["PathInContainer"]) for d in host.get("Devices") or [] if may_write(d)]
    data = exclusive.wrapped_data(command)
    over = max((there for there in mounts if mounts[there] and (data + "/").startswith(there.rstrip("/") + "/")), key=len, default="")
    behind = mounts[over].path + data[len(over.rstrip("/")):] if data and over else ""
    return exclusive.User(
        "container", entry["Name"].lstrip("/"), command, config.get("Image", ""), bool(state.get("Running")),
        host.get("RestartPolicy", {}).get("Name", "").removeprefix("no"), False,
        tuple(found for found in [*mounts.values(), *devices] if found), held_locks(state["Pid"], locked) if state.get("Pid") else (),
        identity(behind) if behind else "",
    )


def containers(module, locked):
    engine = module.get_bin_path(module.params["engine"])
    if not engine:
        return []
    code, out, _error = module.run_command([engine, "ps", "-aq", "--no-trunc"])
    if code or not out.split():
        return []
    # A container that went meanwhile makes it exit with 1, and is missing from what it prints.
    entries = json.loads(module.run_command([engine, "inspect", *out.split()])[1] or "[]")
    return [container(entry, locked) for entry in entries]


def unit(properties):
    command = exclusive.unit_command(properties.get("ExecStart", ""))
    paths = exclusive.directories(command) + [properties.get("WorkingDirectory", "").lstrip("!-")]
    data = exclusive.wrapped_data(command)
    found = [place(path) for path in dict.fromkeys(paths) if path.startswith("/") and not ROOTS.match(path)]
    return exclusive.User(
        "unit", properties["Id"], command, "", properties.get("ActiveState") in ("active", "activating", "deactivating"),
        properties.get("Restart", "").removeprefix("no"), properties.get("UnitFileState") == "enabled",
        tuple(one for one in found if one), (), identity(data) if data else "",
    )


def units(module):
    systemctl = module.get_bin_path("systemctl")
    code, out, _error = module.run_command([systemctl, "show", "*.service", "--all", f"--property={PROPERTIES}"]) if systemctl else (1, "", "")
    if code:
        return []
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.split("\n\n")]
    return [unit(block) for block in blocks if block.get("ExecStart") and block.get("Id")]


def main():
    module = AnsibleModule(argument_spec={"engine": {"type": "str", "default": "docker"}}, supports_check_mode=True)
    with open("/proc/locks", encoding="ascii", errors="replace") as file:
        locked = {place_ for _pid, place_ in exclusive.parse_locks(file.readlines())}
    found_containers, found_units = containers(module, locked), units(module)
    findings = exclusive.audit([*found_containers, *found_units])
    module.exit_json(
        changed=False, findings=[dataclasses.asdict(finding) for finding in findings],
        seen={"containers": len(found_containers), "units": len(found_units)},
    )


if __name__ == "__main__":
    main()
