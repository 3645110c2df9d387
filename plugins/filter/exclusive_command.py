# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command behind sabakan-exclusive; its documentation is in the .yml file of its name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

PROGRAM = "/usr/local/lib/sabakan/sabakan_exclusive"
LEASES = "/etc/sabakan/exclusive-{name}.json"


def _refuse_no_service(name, service, *keys):
    if not isinstance(service, Mapping) or not all(service.get(key) for key in keys):
        raise AnsibleFilterError(f"{name}: a service has at least {' and '.join(keys)}, not {service!r}")


def exclusive_command(command, service, host, filesystems=(), python="/usr/bin/python3"):
    """The words of a command, or the text where it is one, with the wrapper before it."""
    _refuse_no_service("exclusive_command", service, "name", "data")
    if not isinstance(command, (str, list, tuple)):
        raise AnsibleFilterError(f"exclusive_command: a command is a text or a list of words, not {command!r}")
    words = [python, "-B", PROGRAM, "--host", host, "--wait", str(service.get("wait") or 0)]
    words += ["--linger", str(10 if service.get("linger") is None else service["linger"])]
    words += ["--lease", LEASES.format(name=service["name"])] if service.get("lease") else []
    words += [word for kind in filesystems for word in ("--allow-filesystem", kind)]
    words += [service["data"], "--"]
    if not isinstance(command, str):
        return [*words, *command]
    # systemd reads them at the beginning of the line alone.
    prefix, rest = re.fullmatch(r"([-@:+!]*)\s*(.*)", command, re.DOTALL).groups()
    if "@" in prefix:
        raise AnsibleFilterError(f"exclusive_command: the command begins with @, and its program cannot be given another name: {command!r}")
    return prefix + " ".join([*words, rest])


def exclusive_volumes(service):
    """What a container needs of the host for it, read-only."""
    _refuse_no_service("exclusive_volumes", service, "name")
    return [f"{path}:{path}:ro" for path in [PROGRAM, *([LEASES.format(name=service["name"])] if service.get("lease") else [])]]


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"exclusive_command": exclusive_command, "exclusive_volumes": exclusive_volumes}
