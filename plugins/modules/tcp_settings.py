#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tcp_settings
short_description: Settings of TCP, without those that are dead or do harm
version_added: 0.1.0
description:
  - Sets what is asked, in a file of its own and in the running kernel, and reads it back from the kernel.
  - Takes settings that no kernel has any more (C(tcp_tw_recycle)) out of C(/etc/sysctl.conf) and C(/etc/sysctl.d), and
    names them. The rest of these files is left alone.
  - Refuses other settings than those few, values that do harm, and a port range that holds ports somebody listens on, before anything changes.
options:
  settings:
    description:
      - Settings of C(net.ipv4) by their names without it, of C(ip_local_port_range), C(tcp_fin_timeout), C(tcp_keepalive_time),
        C(tcp_keepalive_intvl), C(tcp_keepalive_probes), C(tcp_max_syn_backlog), C(tcp_max_tw_buckets), C(tcp_syncookies) and
        C(tcp_tw_reuse); any other is refused.
      - What is taken out of here stays in the kernel until the next boot.
    type: dict
    default: {}
  path:
    description: The file of its own.
    type: path
    default: /etc/sysctl.d/60-sabakan-tcp.conf
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
requirements: [root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Notice dead peers sooner
  sabakan.vps.tcp_settings:
    settings: {tcp_keepalive_time: 300}
"""

RETURN = r"""
removed:
  description: Dead settings that were found, by file.
  returned: always
  type: dict
warnings_of_ports:
  description: Ports that are listened on within the port range in force.
  returned: always
  type: list
  elements: int
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _files, _processes, _tcp_settings

KERNEL = "/proc/sys/net/ipv4/"


def read(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def main():
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "default": {}},
            "path": {"type": "path", "default": "/etc/sysctl.d/60-sabakan-tcp.conf"},
        },
        supports_check_mode=True,
    )
    settings = {key: " ".join(str(value).split()) for key, value in module.params["settings"].items()}
    listening = {port for table in ("tcp", "tcp6") for port in _processes.parse_ports(read(f"/proc/net/{table}"))}
    reserved = _tcp_settings.parse_reserved(read(KERNEL + "ip_local_reserved_ports"))
    refused = _tcp_settings.refusals(settings, listening, reserved)
    if refused:
        module.fail_json(msg="; ".join(refused))

    changes, removed = {}, {}
    for path in ["/etc/sysctl.conf", *sorted(glob.glob("/etc/sysctl.d/*.conf"))]:
        before = read(path)
        after, dead = _tcp_settings.without_dead(before)
        if dead:
            # The file, not a link to it, is what is changed.
            changes[os.path.realpath(path)], removed[path] = (before, after), sorted(set(dead))
    path = module.params["path"]
    own = (read(path), _tcp_settings.render(settings) if settings else "")
    if own[0] != own[1]:
        changes[path] = own
    differing = {key: value for key, value in settings.items() if read(KERNEL + key).split() != value.split()}
    if not module.check_mode:
        for changed, (_before, after) in changes.items():
            try:
                if after or changed != path:
                    _files.replace_file(changed, after)
                else:
                    os.unlink(changed)
            except OSError as error:
                module.fail_json(msg=f"{changed} cannot be written: {error.strerror}")
        for key, value in differing.items():
            try:
                with open(KERNEL + key, "w", encoding="ascii") as stream:
                    stream.write(value)
            except OSError as error:
                module.fail_json(msg=f"the kernel does not take {key} = {value}: {error}", changed=True)
            if read(KERNEL + key).split() != value.split():
                module.fail_json(msg=f"{key} is {read(KERNEL + key).strip()}, asked was {value}", changed=True)
    ports = _tcp_settings.parse_range(settings.get("ip_local_port_range", read(KERNEL + "ip_local_port_range"))) or (0, 0)
    diffs = [{"before_header": name, "after_header": name, "before": before, "after": after}
             for name, (before, after) in changes.items()]
    diffs += [{"before_header": "kernel", "after_header": "kernel", "before": f"{key} = {read(KERNEL + key)}",
               "after": f"{key} = {value}\n"} for key, value in differing.items()]
    module.exit_json(
        changed=bool(changes or differing), removed=removed, diff=diffs,
        warnings_of_ports=_tcp_settings.taken(ports, listening, reserved),
    )


if __name__ == "__main__":
    main()
