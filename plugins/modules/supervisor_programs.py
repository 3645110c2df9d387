#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: supervisor_programs
short_description: Bring a running supervisord to its configuration, program by program
version_added: 0.1.0
description:
  - Compares what supervisord runs with its configuration files, and stops, restarts or starts those programs alone
    that differ, one after the other. The others keep their processes.
  - What an interrupted run has left undone is seen and done, as the comparison is with what runs.
  - Then waits until the given programs run.
options:
  socket:
    description: Control socket of supervisord.
    type: path
    default: /run/supervisor.sock
  programs:
    description: Programs that must run; one that gave up or was stopped is started.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds for them to run.
    type: int
    default: 60
extends_documentation_fragment:
  - sabakan.vps.attributes
attributes:
  check_mode:
    support: partial
    details: A configuration that is not written yet is not known. Where supervisord does not run, nothing is said.
  diff_mode:
    support: full
requirements: [root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Update the programs that changed
  sabakan.vps.supervisor_programs:
    programs: [crawler]
"""

RETURN = r"""
actions:
  description: Programs that were C(add)ed, C(restart)ed, C(remove)d or C(start)ed, by their names.
  returned: always
  type: dict
processes:
  description: PIDs of all processes by C(program:process), 0 for one that does not run.
  returned: always
  type: dict
"""

import http.client
import socket
import time
import xmlrpc.client

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _supervisor_state


class Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket, whose path stands in for the host."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Transport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        connection = Connection("localhost")
        connection.path = self.path
        return connection


def act(supervisor, name, action):
    if action in ("remove", "restart"):
        supervisor.stopProcessGroup(name)
        supervisor.removeProcessGroup(name)
    if action in ("add", "restart"):
        supervisor.addProcessGroup(name)
    if action == "start":
        supervisor.startProcess(name, False)


def answer(supervisor, timeout):
    """The first answer of a supervisord that may just have been started: it binds a name and then renames it."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return supervisor.getAllProcessInfo()
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def await_running(supervisor, programs, timeout):
    """What does not run when the time is up; empty when all do."""
    deadline = time.monotonic() + timeout
    while True:
        short = _supervisor_state.short(supervisor.getAllProcessInfo(), programs)
        given_up = any("FATAL" in message for message in short)
        if not short or given_up or time.monotonic() > deadline:
            return short
        time.sleep(0.2)


def last_lines(supervisor, programs):
    found = {}
    for info in supervisor.getAllProcessInfo():
        if info["group"] in programs and info["statename"] != "RUNNING":
            name = f"{info['group']}:{info['name']}"
            try:
                found[name] = supervisor.tailProcessStdoutLog(name, 0, 1000)[0].splitlines()[-5:]
            except xmlrpc.client.Fault:
                continue
    return found


def main():
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/supervisor.sock"},
            "programs": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    programs = module.params["programs"]
    supervisor = xmlrpc.client.ServerProxy("http://localhost/RPC2", Transport(module.params["socket"])).supervisor
    done = {}
    try:
        before = answer(supervisor, 0 if module.check_mode else module.params["timeout"])
        actions = _supervisor_state.plan(*supervisor.reloadConfig()[0], before, programs)
        if not module.check_mode:
            for name, action in actions.items():
                act(supervisor, name, action)
                done[name] = action
            short = await_running(supervisor, programs, module.params["timeout"])
            if short:
                module.fail_json(msg="; ".join(short), output=last_lines(supervisor, programs), changed=bool(done), actions=done)
        after = supervisor.getAllProcessInfo()
    except xmlrpc.client.Fault as fault:
        module.fail_json(msg=f"supervisord refused: {fault.faultString}", changed=bool(done), actions=done)
    except (OSError, http.client.HTTPException) as error:
        if module.check_mode and isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            module.exit_json(changed=False, actions={}, processes={})
        module.fail_json(msg=f"{module.params['socket']}: {error}", changed=bool(done), actions=done)
    module.exit_json(
        changed=bool(actions), actions=actions, processes=_supervisor_state.pids(after),
        diff=_supervisor_state.diff(actions, before),
    )


if __name__ == "__main__":
    main()
