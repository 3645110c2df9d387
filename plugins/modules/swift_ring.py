#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swift_ring
short_description: Rings of a single OpenStack Swift node
version_added: 0.1.0
description:
  - Builds the rings of a Swift node that keeps one replica on one device, and leaves them alone when they say so already.
  - What counts is the ring file itself, read and checked whole. A ring is built in a directory of its own and renamed
    into place, so that an interrupted run leaves either the old ring, or none, or the new one.
  - A ring under which stored data would be out of reach (another part power, another device) is refused.
options:
  path:
    description: Directory of the rings.
    type: path
    default: /etc/swift
  rings:
    description: Name of each ring (C(account), C(container), C(object)) and the port of its server.
    type: dict
    required: true
  address:
    description: Address of the storage servers.
    type: str
    default: 127.0.0.1
  device:
    description: Name of the device, a directory below C(devices) of the storage servers.
    type: str
    required: true
  part_power:
    description: The ring has 2 to this power partitions. It cannot be changed once data is stored.
    type: int
    default: 8
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
requirements: [swift-ring-builder on the host]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Build the rings
  sabakan.vps.swift_ring:
    device: d1
    rings: {account: 6202, container: 6201, object: 6200}
"""

RETURN = r"""
built:
  description: Names of the rings that were built.
  returned: always
  type: list
  elements: str
"""

import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _swift


def read_ring(path):
    """The ring, or None where there is none that is whole."""
    try:
        with open(path, "rb") as stream:
            return _swift.parse_ring(stream.read())
    except (FileNotFoundError, ValueError):
        return None


def build(module, name, ring):
    """Builds beside the place and renames, the ring file last: it alone is the proof that all is done."""
    path = module.params["path"]
    work = tempfile.mkdtemp(prefix=f".{name}-", dir=path)
    try:
        builder = os.path.join(work, f"{name}.builder")
        tool = module.get_bin_path("swift-ring-builder", required=True)
        for words in (
            ["create", str(ring.part_power), str(ring.replicas), "1"],
            ["add", f"r1z1-{ring.devices[0]}", "100"],
            ["rebalance"],
        ):
            code, out, error = module.run_command([tool, builder, *words])
            if code == 2:  # 1 is a warning
                module.fail_json(msg=f"swift-ring-builder {' '.join(words)}: {(error or out).strip()}")
        made = read_ring(os.path.join(work, f"{name}.ring.gz"))
        if made != ring:
            module.fail_json(msg=f"swift-ring-builder made {made} for {name}, asked was {ring}")
        for suffix in ("builder", "ring.gz"):
            os.chmod(os.path.join(work, f"{name}.{suffix}"), 0o644)
            os.replace(os.path.join(work, f"{name}.{suffix}"), os.path.join(path, f"{name}.{suffix}"))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/swift"},
            "rings": {"type": "dict", "required": True},
            "address": {"type": "str", "default": "127.0.0.1"},
            "device": {"type": "str", "required": True},
            "part_power": {"type": "int", "default": 8},
        },
        supports_check_mode=True,
    )
    asked = module.params
    wanted, diffs = {}, []
    for name, port in sorted(asked["rings"].items()):
        ring = _swift.Ring(asked["part_power"], 1, (f"{asked['address']}:{int(port)}/{asked['device']}",))
        path = os.path.join(asked["path"], f"{name}.ring.gz")
        found = read_ring(path)
        if found == ring:
            continue
        if found and _swift.moved_by(ring, found):
            module.fail_json(msg=(
                f"{path} is left alone: {_swift.moved_by(ring, found)}; what is stored would be out of reach. Ask for it as it is:"
                " object_storage_part_power and object_storage_device of role object_storage"
            ))
        wanted[name] = ring
        diffs.append({"before_header": path, "after_header": path, "before": f"{found}\n", "after": f"{ring}\n"})
    if not module.check_mode:
        try:
            for name, ring in wanted.items():
                build(module, name, ring)
        except OSError as error:
            module.fail_json(msg=f"{error.filename or asked['path']}: {error.strerror}")
    module.exit_json(changed=bool(wanted), built=sorted(wanted), diff=diffs)


if __name__ == "__main__":
    main()
