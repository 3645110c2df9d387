#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_server
short_description: Take servers out of HAProxy's rotation, and bring them back
version_added: 0.1.0
description:
  - Drains the servers at given addresses in every backend that has them, so that what runs there can be restarted without
    a failed request; refuses where no other server of the backend would answer meanwhile.
  - Brings them back, and waits until HAProxy's own check has passed.
  - Does nothing where HAProxy does not run, or has no server at such an address, as before its first configuration.
  - M(community.general.haproxy) has no check mode, fails where there is no HAProxy yet, calls a changed number of sessions
    a change, and drains the last server of a backend as willingly as any.
options:
  addresses:
    description: Addresses of the servers as C(address:port), C([address]:port) for IPv6.
    type: list
    elements: str
    required: true
  state:
    description:
      - With V(drained) they get no new requests.
      - With V(ready) they get requests as soon as HAProxy's check passes.
    type: str
    choices: [drained, ready]
    required: true
  timeout:
    description:
      - Seconds to wait. With O(state=drained) for another server that is up, and as long again for the requests under way
        to end, those that take longer are left to the service's own stop; with O(state=ready) for the check to pass.
      - V(0) does not wait.
    type: int
    default: 30
  socket:
    description: HAProxy's socket, of level admin.
    type: path
    default: /run/haproxy/admin.sock
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
notes:
  - The state lives in HAProxy's process; a reload brings every server back.
requirements: [root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Take this host's web server out of the rotation
  sabakan.vps.haproxy_server:
    addresses: ["10.91.0.11:3000"]
    state: drained
  delegate_to: front-01

- name: Bring it back, and see that it is healthy
  sabakan.vps.haproxy_server:
    addresses: ["10.91.0.11:3000"]
    state: ready
  delegate_to: front-01
"""

RETURN = r"""
servers:
  description: Those found, as BACKEND/NAME.
  returned: always
  type: list
  elements: str
served:
  description: Whether one of them got requests before.
  returned: always
  type: bool
under_way:
  description: Requests that had not ended when the time was over.
  returned: always
  type: int
"""

import socket
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _haproxy


def ask(path, command):
    """HAProxy's answer; None where it does not run."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        connection.sendall(f"{command}\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()


def servers_of(path):
    """Every server that HAProxy has; none where it does not run."""
    state, stat = ask(path, "show servers state"), ask(path, "show stat")
    return _haproxy.parse(state, stat) if state and stat else []


def wait(path, seconds, over):
    """The servers as soon as over(servers) holds, or when the time is out."""
    end = time.monotonic() + seconds
    servers = servers_of(path)
    while not over(servers) and time.monotonic() < end:
        time.sleep(0.2)
        servers = servers_of(path)
    return servers


def main():
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready"], "required": True},
            "timeout": {"type": "int", "default": 30},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
        },
        supports_check_mode=True,
    )
    addresses, path, timeout = module.params["addresses"], module.params["socket"], module.params["timeout"]
    drained = module.params["state"] == "drained"
    try:
        servers = servers_of(path)
        found = _haproxy.chosen(servers, addresses)
        served = any(server.serves for server in found)
        to_set = [one for one in (_haproxy.removable(servers, addresses) if drained else found) if one.forced != drained]
        under_way = 0
        if not module.check_mode:
            if drained and _haproxy.last_ones(servers, addresses):
                servers = wait(path, timeout, lambda servers: not _haproxy.last_ones(servers, addresses))
                if last := _haproxy.last_ones(servers, addresses):
                    rest = sorted({str(other) for one in last for other in _haproxy.others(servers, addresses, one.backend)})
                    module.fail_json(
                        msg=f"{', '.join(one.full_name for one in last)}: no other server of the backend answers "
                            f"({'; '.join(rest)}), so it stays as it is. Mend the other, or restart this one all the same with "
                            "puma_balancers and streaming_balancers without this HAProxy as extra variables, [] for none"
                    )
            for server in to_set:
                answer = (ask(path, f"set server {server.full_name} state {'drain' if drained else 'ready'}") or "").strip()
                if answer:
                    module.fail_json(msg=f"{server.full_name}: {answer}")
            if drained and to_set:
                ended = {one.full_name for one in to_set}
                servers = wait(path, timeout, lambda servers: not any(one.sessions for one in servers if one.full_name in ended))
                under_way = sum(one.sessions for one in servers if one.full_name in ended)
            elif found and not drained and timeout:
                servers = wait(path, timeout, lambda servers: all(one.serves for one in _haproxy.chosen(servers, addresses)))
                if down := [str(one) for one in _haproxy.chosen(servers, addresses) if not one.serves]:
                    module.fail_json(msg=f"{'; '.join(down)} for HAProxy, {timeout} s after it was brought back")
    except OSError as error:
        module.fail_json(msg=f"HAProxy's socket {path}: {error}")
    words = ("ready", "drained") if drained else ("drained", "ready")
    diff = [{"before_header": one.full_name, "after_header": one.full_name, "before": f"{words[0]}\n", "after": f"{words[1]}\n"}
            for one in to_set]
    module.exit_json(changed=bool(to_set), servers=[one.full_name for one in found], served=served, under_way=under_way, diff=diff)


if __name__ == "__main__":
    main()
