#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_cluster_info
short_description: What a PostgreSQL data directory holds, and whether it may become what is asked
version_added: 0.1.0
description:
  - Reads a data directory, running or not, there or not, and judges whether it may serve as the primary or the standby
    that is asked for. It changes nothing.
  - A directory that is missing or empty may become anything, unless it is a mount point or a link, as a cluster is made
    beside it and renamed into its place, and unless there is a cluster of another release beside it, as after an upgrade of Debian.
    A cluster is refused when it is not of the release asked, cannot be read (as where that release is not installed),
    has no checksums, follows somebody although a primary is asked, follows nobody although a standby is asked, or is of
    another system identifier or of a later timeline than its source.
  - The source is asked only where there is a cluster. One that does not answer refuses nothing.
options:
  data_directory:
    description: The data directory.
    type: path
    required: true
  version:
    description: Major release of PostgreSQL.
    type: str
    required: true
  source:
    description: The primary that the cluster should follow; without it the cluster should be a primary.
    type: dict
    suboptions:
      host: {description: Its address., type: str, required: true}
      port: {description: Its port., type: int, default: 5432}
      user: {description: A user with the REPLICATION attribute., type: str, required: true}
      password: {description: Its password., type: str, required: true}
      slot: {description: Ignored here., type: str}
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
requirements: [root]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Read what is there
  sabakan.vps.postgresql_cluster_info:
    data_directory: /var/lib/postgresql/17/main
    version: "17"
    source: {host: 10.91.0.21, user: replicator, password: "{{ password }}"}
  register: cluster
"""

RETURN = r"""
present:
  description: Whether the directory is there and not empty.
  returned: always
  type: bool
installed:
  description: Whether the programs of that release are installed.
  returned: always
  type: bool
configured:
  description: Whether Debian's directory of configuration for this cluster is there.
  returned: always
  type: bool
running:
  description: Whether a server runs on the directory.
  returned: always
  type: bool
standby:
  description: Whether the cluster follows another one.
  returned: always
  type: bool
checksums:
  description: Whether its pages carry checksums.
  returned: always
  type: bool
system_identifier:
  description: Its identifier, empty when there is none.
  returned: always
  type: str
state:
  description: State as pg_controldata says it, empty when there is none.
  returned: always
  type: str
settings:
  description: The settings that a standby must have at least as high as its primary; on a standby the primary's.
  returned: always
  type: dict
space:
  description: MiB of the file system, C(total), and C(free), what WAL takes now counted as free.
  returned: always
  type: dict
refusal:
  description: Why the directory may not become what is asked; empty when it may.
  returned: always
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _postgresql, _postgresql_host


def main():
    module = AnsibleModule(argument_spec=_postgresql_host.ARGUMENTS, supports_check_mode=True)
    host = _postgresql_host.Host(module)
    found = host.found()
    source = None
    if host.source:
        asks = found.version and found.standby and host.installed
        source = host.identify_source() if asks else _postgresql.Source(error="not asked")
    module.exit_json(
        changed=False,
        present=bool(found.entries),
        installed=host.installed,
        configured=os.path.isdir(f"/etc/postgresql/{module.params['version']}/{os.path.basename(host.path)}"),
        running=host.running(),
        standby=found.standby,
        checksums=found.checksums,
        system_identifier=found.system_identifier,
        state=found.control.get("Database cluster state", ""),
        settings=found.settings,
        space=host.space(),
        refusal=_postgresql.refusal(found, module.params["version"], source),
    )


if __name__ == "__main__":
    main()
