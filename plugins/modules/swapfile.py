#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swapfile
short_description: A swap file of a size at a path, in use or not
version_added: 0.1.0
description:
  - Makes a swap file without holes, keeps its line in C(/etc/fstab) and no other, and switches it on or off.
  - A resize makes the new file first. Where memory cannot hold what is swapped out, a second file carries it while the
    first is replaced, so that the host is never without swap that it needs; where even that cannot work the task fails
    with the figures, before anything has changed, rather than let C(swapoff) wake the OOM killer.
  - Interrupted at any point, the next run goes on from what it finds. C(PATH.new) and C(PATH.bridge) are its own names;
    what is there and is neither swap nor blank is left alone, and the task fails.
options:
  path:
    description:
      - The file, on ext4, xfs or btrfs. Its directory must exist. On btrfs it is made without copy-on-write.
      - A file there that is no swap file is refused and left alone, and so is a link, or one that is in use under another name.
    type: path
    required: true
  state:
    description:
      - C(enabled) is there, in fstab and in use. C(disabled) is there, neither in fstab nor in use. C(absent) is not there.
    type: str
    choices: [enabled, disabled, absent]
    default: enabled
  size:
    description:
      - A number and C(M), C(G) or C(T), powers of 1024, rounded down to whole MiB, at least 8M. Not for C(state=absent).
      - C(auto) leaves a swap file that is there as it is, and makes one of the size of the memory, at most O(size_limit) and
        at most a quarter of the free disk; other swap of the host counts. Where less than 64 MiB come out there is none,
        and RV(obstacle) says why.
    type: str
    default: auto
  size_limit:
    description: The most that C(size=auto) makes, written as a size is.
    type: str
    default: 4G
  priority:
    description: Of its use against other swap, 0 to 32767. Without it that in fstab is kept, and where there is none the kernel chooses.
    type: int
  keep_free:
    description: What of the disk must stay free, written as a size is, from 0M. C(size=auto) is bound by its quarter instead.
    type: str
    default: 512M
  replaces:
    description:
      - Paths of swap files that go afterwards; C(size=auto) does not count what they are.
      - C(/run/sabakan-zram), in which role C(swap) has noted its zram, stands for that.
    type: list
    elements: path
    default: []
  tolerate:
    description:
      - Leave a host that can have no swap file (a container, a file system without support, no room for C(auto)) as it is, and say why
        in RV(obstacle).
    type: bool
    default: false
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
notes:
  - When swap is taken away 5 % of the host's memory, at least 64 MiB, are to stay available.
requirements: ["root, mkswap, swapon and swapoff on the host, and on btrfs chattr"]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Two gigabytes of swap
  sabakan.vps.swapfile:
    path: /swapfile
    size: 2G

- name: The old one is to go, once the new one is in use
  sabakan.vps.swapfile:
    path: /var/swap
    state: absent
"""

RETURN = r"""
obstacle:
  description: Why there is no swap file, where that is tolerated; empty where there is one.
  returned: always
  type: str
size_mb:
  description: MiB of the file that is wanted, 0 for none.
  returned: always
  type: int
path:
  description: The file, with the links of its directory resolved, as the kernel names it.
  returned: always
  type: str
steps:
  description: What was done, in its order; in check mode what would be begun with.
  returned: always
  type: list
  elements: str
container:
  description: What kind of container the host is; empty for a machine.
  returned: always
  type: str
memory_mb:
  description: MiB of the host's memory.
  returned: always
  type: int
swaps:
  description: All swap of the host afterwards, each with C(path), C(size_mb), C(used_mb) (both MiB) and C(priority).
  returned: always
  type: list
  elements: dict
"""

import dataclasses
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _swap, _swap_host, _swap_text

MOST_STEPS = 20


def sizes(module):
    """{option: bytes}; fails for what is no size."""
    found = {}
    for name, least in (("size", _swap_text.SMALLEST), ("size_limit", _swap_text.SMALLEST), ("keep_free", 0)):
        text = module.params[name]
        if name == "size" and (text == "auto" or module.params["state"] == "absent"):
            continue
        try:
            found[name] = _swap_text.parse_size(text, least)
        except ValueError as error:
            module.fail_json(msg=f"{name}: {error}")
    return found


def resolved(path):
    """As the kernel names it: the links of the directory followed, that of the file itself not."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def checked_path(module):
    path = module.params["path"]
    if not os.path.isabs(path) or os.path.basename(path) in ("", ".", "..") or "\n" in path:
        module.fail_json(msg=f"path: {path!r} is not the absolute path of a file")
    return resolved(path)


def plan(wanted, host, found):
    """(wanted with its size, why there is none)."""
    if wanted.state == "absent":
        return wanted, ""
    why = _swap.obstacle(host, wanted.path)
    if not why and "size" not in found:
        size, why = _swap.automatic(host, found["size_limit"])
        wanted = dataclasses.replace(wanted, size=size, keep_free=0)
    elif not why:
        wanted = dataclasses.replace(wanted, size=found["size"])
    return wanted, why


def run(module, on_host, wanted, before, after):
    """The steps that were done. fstab comes first where the file goes, last where it comes."""
    steps = []
    if before != after and wanted.state != "enabled":
        on_host.write_fstab(after)
        steps.append("fstab")
    while True:
        host = on_host.observe()
        step = _swap.next_step(host, wanted)
        if not step:
            break
        if len(steps) >= MOST_STEPS:
            module.fail_json(msg=f"{wanted.path}: no end after {', '.join(steps)}; does something else change it?", steps=steps)
        on_host.do(step, host, wanted)
        steps.append(step)
    if before != after and wanted.state == "enabled":
        on_host.write_fstab(after)
        steps.append("fstab")
    return steps


def differences(host, wanted, step, before, after):
    """For the diff: the file, and fstab."""
    found = []
    if step:
        priority = host.file.priority if wanted.priority is not None else None
        found.append({
            "before_header": wanted.path, "after_header": wanted.path,
            "before": _swap.describe(wanted.path, "", host.file.size, host.file.active, priority),
            "after": _swap.describe(wanted.path, wanted.state, wanted.size, wanted.state == "enabled", wanted.priority),
        })
    if before != after:
        found.append({"before_header": _swap_host.FSTAB, "after_header": _swap_host.FSTAB, "before": before, "after": after})
    return found


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["enabled", "disabled", "absent"], "default": "enabled"},
            "size": {"type": "str", "default": "auto"},
            "size_limit": {"type": "str", "default": "4G"},
            "priority": {"type": "int"},
            "keep_free": {"type": "str", "default": "512M"},
            "replaces": {"type": "list", "elements": "path", "default": []},
            "tolerate": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    found, path, priority = sizes(module), checked_path(module), module.params["priority"]
    if priority is not None and not 0 <= priority <= 32767:
        module.fail_json(msg=f"priority: {priority} is not within 0 to 32767")
    if os.geteuid():
        module.fail_json(msg="root alone can see and change swap files; use become")
    on_host = _swap_host.SwapHost(module, path, [module.params["path"]], [resolved(name) for name in module.params["replaces"]])
    if not module.check_mode:
        on_host.lock()
    host = on_host.observe()
    wanted, obstacle = plan(_swap.Wanted(path, module.params["state"], None, priority, found["keep_free"]), host, found)

    def finish(**values):
        swaps = _swap_text.parse_swaps(_swap_host.read("/proc/swaps"))
        megabytes = _swap_text.megabytes
        module.exit_json(
            path=path, container=host.container, memory_mb=megabytes(host.memory), size_mb=megabytes(wanted.size or 0), obstacle=obstacle,
            swaps=[{"path": one.path, "size_mb": megabytes(one.size), "used_mb": megabytes(one.used), "priority": one.priority}
                   for one in swaps], **values,
        )

    if obstacle and not module.params["tolerate"]:
        module.fail_json(msg=f"no swap file at {path}: {obstacle}")
    if obstacle:
        finish(changed=False, steps=[])
    refused = _swap.refusal(host, wanted)
    if refused:
        module.fail_json(msg=refused)

    before, after = on_host.fstab(wanted)
    first = _swap.next_step(host, wanted)
    steps = ([first] if first else []) + (["fstab"] if before != after else [])
    if not module.check_mode and steps:
        steps = run(module, on_host, wanted, before, after)
    finish(changed=bool(steps), steps=steps, diff=differences(host, wanted, first, before, after))


if __name__ == "__main__":
    main()
