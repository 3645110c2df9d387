#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cgroup_limits_info
short_description: Read the limits that are in force on a process from its control group
version_added: 0.1.0
description:
  - Reads memory, memory and swap, CPUs and swappiness from the control group of a process, of version 1 or 2. What was
    asked of a container engine need not be what the kernel enforces, as where it does not account swap.
options:
  pid:
    description: A process on the host, such as C(State.Pid) of a container.
    type: int
    required: true
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Read the limits of the system's first process
  sabakan.vps.cgroup_limits_info:
    pid: 1
  register: limits
"""

RETURN = r"""
limits:
  description:
    - C(version) of the control groups, C(memory) and C(memory_swap) (both together) in MiB, C(cpus), C(swappiness) (version 1
      only). 0 is no limit, null is a limit that this kernel does not account.
  returned: always
  type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils._cgroup import limits

ROOT = Path("/sys/fs/cgroup")


def read(path: str) -> str | None:
    try:
        return (ROOT / path).read_text().strip()
    except OSError:
        return None


def main() -> None:
    module = AnsibleModule(argument_spec={"pid": {"type": "int", "required": True}}, supports_check_mode=True)
    pid = module.params["pid"]
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError as error:
        module.fail_json(msg=f"process {pid} is not there: {error}")
    module.exit_json(changed=False, limits=limits(text, read))


if __name__ == "__main__":
    main()
