#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: descriptor_info
short_description: File descriptors of processes, open and permitted, and the link that holds their limit down
version_added: 0.1.0
description:
  - Reads what the kernel says of the processes themselves, not what files ask for, and changes nothing.
  - For each process, tells the chain that its limit came down by (kernel, container runtime, systemd, unit, container,
    supervisord) and, with each verdict, the first link to change.
  - A process is chosen when any of the choices names it. One that ends while it is read is left out.
options:
  units:
    description: Units whose processes are read, children included.
    type: list
    elements: str
    default: []
  programs:
    description: Programs of Supervisor, by the names of their processes.
    type: list
    elements: str
    default: []
  containers:
    description: Containers by name, or by their id or its beginning (at least 8 digits).
    type: list
    elements: str
    default: []
  names:
    description: Names of processes, as in C(/proc/PID/comm).
    type: list
    elements: str
    default: []
  all:
    description: Every process of the host, the kernel's own left out.
    type: bool
    default: false
  findings_only:
    description: Leave out processes that nothing is to be said of.
    type: bool
    default: false
  near:
    description: Percent of the soft limit from which on a process counts as near to it.
    type: int
    default: 80
  need:
    description: Descriptors that each chosen process should be able to open; what its configuration implies counts when more.
    type: int
    default: 0
  needs:
    description: The same by unit, program or container, or C(soft:hard); the largest that a process belongs to counts.
    type: dict
    default: {}
  journal_since:
    description: How far back the journal is searched for EMFILE and ENFILE, as in C(journalctl --since); empty for not at all.
    type: str
    default: -1h
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
requirements: [root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Find what is short of descriptors
  sabakan.vps.descriptor_info:
    all: true
    findings_only: true
  register: descriptors

- name: Ask whether each process of a program may open 4096
  sabakan.vps.descriptor_info:
    programs: [crawler]
    need: 4096
"""

RETURN = r"""
processes:
  description: The processes, those with the highest share first.
  returned: always
  type: list
  elements: dict
  contains:
    pid: {description: PID., type: int, returned: always}
    name: {description: Its name., type: str, returned: always}
    unit: {description: Its systemd unit or empty., type: str, returned: always}
    program: {description: Its program of Supervisor or empty., type: str, returned: always}
    container: {description: Its container or empty., type: str, returned: always}
    open: {description: Descriptors open., type: int, returned: always}
    soft: {description: "Soft limit, -1 for unlimited.", type: int, returned: always}
    hard: {description: "Hard limit, -1 for unlimited.", type: int, returned: always}
    share: {description: Percent of the soft limit that is open., type: float, returned: always}
    kinds: {description: "How many of each kind, the most first.", type: dict, returned: always}
    chain:
      description:
        - "The links from the kernel down: C(kind), C(name), C(soft) and C(hard), the C(setting) that changes them, and whether somebody
          chose them (C(asked)), the link may go above them (C(can_raise)), and a change awaits its restart (C(pending))."
      type: list
      elements: dict
      returned: always
    verdicts:
      description:
        - "Each with C(verdict), C(link) and C(message). C(near): near the limit. C(below_need): less than its own
          configuration, or O(need), implies. C(clamped): the unit asks for more than the machine permits.
          C(stale): started before its manager's setting was raised. C(inherited): a default that nobody chose."
      type: list
      elements: dict
      returned: always
system:
  description: Descriptors of the whole host, C(open), C(file_max) (beyond it comes ENFILE) and C(nr_open).
  returned: always
  type: dict
tcp:
  description: Connections of the host by state; C(time_wait) among them.
  returned: always
  type: dict
tcp_note:
  description: What connections in TIME_WAIT have to do with descriptors.
  returned: always
  type: str
errors:
  description: Lines of the journal, C(EMFILE) (a process met its limit) and C(ENFILE) (the kernel met fs.file-max) apart.
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _descriptor_chain, _descriptor_host, _service
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_report import (
    errors_of,
    report,
    selected,
    system,
    tcp,
)

JOURNAL = ["journalctl", "--no-pager", "-o", "short-iso", "-n", "200", "--case-sensitive=no"]
PATTERN = "too many open files|file-max limit|EMFILE|ENFILE"


def runner(module):
    """What a program prints; also one that fails in part, as docker inspect does when a container has gone meanwhile."""
    def run(program, *words):
        path = module.get_bin_path(program)
        return module.run_command([path, *words], errors="surrogate_then_replace")[1] if path else ""

    return run


def main():
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "list", "elements": "str", "default": []} for name in ("units", "programs", "containers", "names")},
            "all": {"type": "bool", "default": False},
            "findings_only": {"type": "bool", "default": False},
            "near": {"type": "int", "default": 80},
            "need": {"type": "int", "default": 0},
            "needs": {"type": "dict", "default": {}},
            "journal_since": {"type": "str", "default": "-1h"},
        },
        supports_check_mode=True,
    )

    for name, limit in module.params["needs"].items():
        try:
            _service.parse_wanted(limit)
        except ValueError:
            module.fail_json(msg=f"needs: {name} must be a whole number, or two as soft:hard, not {limit!r}")
    run = runner(module)
    host = _descriptor_host.Host(run)
    host.scan()
    lines = []
    if module.params["journal_since"]:
        lines = run(*JOURNAL, "--since", module.params["journal_since"], "--grep", PATTERN).splitlines()
    module.exit_json(
        changed=False,
        processes=report(host, selected(host, module.params), module.params),
        system=system(host),
        tcp=tcp(host),
        tcp_note=_descriptor_chain.TIME_WAIT_NOTE,
        errors=errors_of(lines),
    )


if __name__ == "__main__":
    main()
