#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: supervisor_config_info
short_description: What a supervisord.conf holds and what of it must be kept when a role replaces it
version_added: 0.1.0
description:
  - Reads a configuration with its includes as supervisord does, and changes nothing.
  - What a role has kept already, in C(kept.conf) beside O(path), is read too.
options:
  path:
    description: The configuration that is to be written.
    type: path
    required: true
  previous:
    description: The hand-written configuration, often the same file.
    type: path
    required: true
  programs:
    description: Programs that the role writes down itself.
    type: list
    elements: str
    default: []
  user:
    description: User that the kept programs ran as; by default that of the configuration or of the supervisord that runs with it.
    type: str
    default: ""
  minfds:
    description: The C(minfds) that will be written, for the report.
    type: int
    default: 1024
  settings:
    description: Names of settings of [supervisord] that will be written besides the role's own, for the report.
    type: list
    elements: str
    default: []
  users:
    description: Users of the programs that will be written.
    type: list
    elements: str
    default: []
  logs:
    description: Their log files.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
requirements: [root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Read the configuration that is there
  sabakan.vps.supervisor_config_info:
    path: /etc/supervisor/supervisord.conf
    previous: /srv/app/supervisord.conf
    programs: [crawler]
  register: there
"""

RETURN = r"""
managed:
  description: Whether the previous configuration is the role's own, or missing.
  returned: always
  type: bool
programs:
  description: Names of all programs that are configured now.
  returned: always
  type: list
  elements: str
kept:
  description: Text of the sections that must outlive the previous configuration.
  returned: always
  type: str
include:
  description: Patterns that it includes.
  returned: always
  type: list
  elements: str
conflicts:
  description: Programs of O(programs) that an included file has too, by themselves or in a group, a sentence each.
  returned: always
  type: list
  elements: str
nobodys:
  description: Sections that would be kept, but nothing tells which user they run as.
  returned: always
  type: list
  elements: str
missing:
  description: Users of O(users) and directories of O(logs) that are not there; supervisord does not start without them.
  returned: always
  type: list
  elements: str
report:
  description: What replacing it changes, a sentence each; empty when it has been replaced already.
  returned: always
  type: list
  elements: str
"""

import glob
import os
import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _supervisor_config
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_host import Host

PACKAGED = "/var/log/supervisor"
MARK = "; Written by role supervisor of sabakan.vps."


def text_of(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def files(pattern):
    return [(path, text_of(path)) for path in sorted(glob.glob(pattern))]


def runs_as(path):
    """(user, environment) of a supervisord that runs with this configuration; nobody's when none does."""
    host = Host(lambda *words: "")
    host.scan()
    for process in host.processes.values():
        if process.name == "supervisord":
            configuration = host.links.supervisor(process.pid)[0]
            if configuration and configuration.path == path:
                number = os.stat(f"/proc/{process.pid}").st_uid
                try:
                    return pwd.getpwuid(number).pw_name, host.environ(process.pid)
                except KeyError:
                    # supervisord takes a number too.
                    return str(number), host.environ(process.pid)
    return "", {}


def is_user(name):
    try:
        return bool(pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name))
    except KeyError:
        return False


def missing(users, directories):
    """What supervisord does not start without; its package brings the directory of its own logs."""
    lacking = [f"directory {name}" for name in sorted(directories - {"", PACKAGED}) if not os.path.isdir(name)]
    return [f"user {name}" for name in sorted(users) if not is_user(name)] + lacking


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "previous": {"type": "path", "required": True},
            "programs": {"type": "list", "elements": "str", "default": []},
            "user": {"type": "str", "default": ""},
            "minfds": {"type": "int", "default": 1024},
            "settings": {"type": "list", "elements": "str", "default": []},
            "users": {"type": "list", "elements": "str", "default": []},
            "logs": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    path, managed_programs = module.params["path"], set(module.params["programs"])
    previous_text = text_of(module.params["previous"])
    managed = not previous_text or MARK in previous_text
    directory = os.path.dirname(path)
    own = {os.path.join(directory, name) for name in ("kept.conf", "programs.conf")}
    try:
        user, environment = runs_as(module.params["previous"])
        previous = _supervisor_config.parse(module.params["previous"], previous_text, files, environment)
        there = _supervisor_config.parse(path, text_of(path), files)
        kept_path = os.path.join(directory, "kept.conf")
        before = _supervisor_config.parse(kept_path, text_of(kept_path), files)
    except (ValueError, OSError) as error:
        module.fail_json(msg=f"a configuration that cannot be read cannot be kept: {error}")
    user = module.params["user"] or _supervisor_config.expand(previous.supervisord.get("user", ""), previous.known) or user
    # What was kept once stays as it was written then: later nobody runs who would tell whose programs they are.
    kept = _supervisor_config.kept(before, managed_programs)
    names = {section.name for section in kept}
    if not managed:
        kept += [
            _supervisor_config.written_out(section, environment)
            for section in _supervisor_config.kept(previous, managed_programs) if section.name not in names
        ]
    nobodys = [section.name for section in kept if not user and section.name not in names
               and "user" not in section.options and not section.name.startswith("group:")]
    include = [pattern for pattern in [*previous.include, *there.include] if pattern not in own]
    elsewhere = [section for found in (previous, there) for section in found.included if section.path not in own]
    conflicts = {f"[{section.name}] stands in {section.path} too" for section in elsewhere
                 if section.name in {f"program:{name}" for name in managed_programs}}
    conflicts |= {f"{name} stands in [{section.name}] of {section.path}" for section in elsewhere
                  for name in _supervisor_config.members(section) if name in managed_programs}
    report = [] if managed or MARK in text_of(path) else _supervisor_config.upgrade_report(
        previous, managed_programs | {name.partition(":")[2] for name in names}, module.params["minfds"], user, frozenset(module.params["settings"]),
    )
    module.exit_json(
        changed=False, managed=managed, programs=sorted({*previous.programs, *there.programs, *before.programs}),
        kept=_supervisor_config.render([section for section in kept if section.name in names])
        + _supervisor_config.render([section for section in kept if section.name not in names], user), include=sorted(set(include)),
        conflicts=sorted(conflicts), report=report, nobodys=nobodys,
        missing=missing(set(module.params["users"]), {os.path.dirname(log) for log in module.params["logs"]}),
    )


if __name__ == "__main__":
    main()
