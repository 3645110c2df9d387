#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_cluster
short_description: Make a PostgreSQL cluster, new or cloned, whole or not at all
version_added: 0.1.0
description:
  - Makes a cluster with data checksums by C(initdb), or a standby by C(pg_basebackup), where the data directory is
    missing or empty. A directory that holds anything is left as it is when it may serve as what is asked, and is an
    error otherwise; see M(sabakan.vps.postgresql_cluster_info).
  - The cluster is made beside the data directory and renamed when it is complete, so that an interrupted run leaves no
    half of a cluster; the next run starts again. Two runs at once are kept apart by a lock.
  - A cluster is not started, and its configuration is not this module's.
options:
  data_directory:
    description: The data directory. Its parent must be there and belong to the user postgres.
    type: path
    required: true
  version:
    description: Major release of PostgreSQL.
    type: str
    required: true
  source:
    description: The primary to clone; without it a new cluster is made.
    type: dict
    suboptions:
      host: {description: Its address., type: str, required: true}
      port: {description: Its port., type: int, default: 5432}
      user: {description: A user with the REPLICATION attribute., type: str, required: true}
      password: {description: Its password., type: str, required: true}
      slot: {description: "Replication slot, there already, that keeps the WAL from the start of the clone.", type: str}
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
requirements: [root, PostgreSQL of that release as Debian packages it]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Clone the primary
  sabakan.vps.postgresql_cluster:
    data_directory: /var/lib/postgresql/17/main
    version: "17"
    source: {host: 10.91.0.21, user: replicator, password: "{{ password }}", slot: standby_10_91_0_22}
"""

RETURN = r"""
system_identifier:
  description: The cluster's identifier, empty in check mode where there is none yet.
  returned: always
  type: str
"""

import contextlib
import fcntl
import os
import pwd
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _postgresql, _postgresql_host

AS_POSTGRES = ["runuser", "-u", "postgres", "--"]
# The C.UTF-8 order never changes with the C library, so an upgrade of Debian corrupts no index.
INITDB = ["--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=peer"]


def make(host, path, lock):
    """Fill `path`; the child holds the lock too, so that it counts as running when only this module was killed."""
    source = host.source
    if not source:
        return host.run("initdb", "-D", path, *INITDB, through=AS_POSTGRES, pass_fds=[lock])
    target = f"host={source['host']} port={source['port']} user={source['user']}"
    words = ["-D", path, "-X", "stream", "-c", "fast", "-d", target]
    words += ["-S", source["slot"]] if source["slot"] else []
    with host.passfile("postgres") as environment:
        return host.run("pg_basebackup", *words, through=AS_POSTGRES, pass_fds=[lock], environment=environment)


def make_standby(directory):
    """The directory is of PostgreSQL's user, who could have put a link there: neither it nor what it names is touched."""
    owner, signal = pwd.getpwnam("postgres"), os.path.join(directory, "standby.signal")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(signal)
    with open(signal, "x", encoding="utf-8") as stream:
        os.fchown(stream.fileno(), owner.pw_uid, owner.pw_gid)


def main():
    module = AnsibleModule(argument_spec=_postgresql_host.ARGUMENTS, supports_check_mode=True)
    host = _postgresql_host.Host(module)
    found = host.found()
    source = _postgresql.Source(error="not asked") if host.source else None
    refusal = _postgresql.refusal(found, module.params["version"], source)
    if refusal:
        module.fail_json(msg=refusal)
    if found.entries:
        module.exit_json(changed=False, system_identifier=found.system_identifier)
    how = f"a clone of {host.source['host']}" if host.source else "a new cluster"
    diff = {"before": "", "after": f"{host.path}: {how}\n"}
    if module.check_mode:
        module.exit_json(changed=True, diff=diff, system_identifier="")

    parent = os.path.dirname(host.path)
    if not os.path.isdir(parent):  # Debian makes it with its first cluster, which the role does not let it make
        os.makedirs(parent, 0o755)
        shutil.chown(parent, "postgres", "postgres")
    incomplete = host.path + ".incomplete"
    lock = os.open(host.path + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        module.fail_json(msg=f"{host.path}: an earlier run still makes this cluster; wait for it, or end it")
    shutil.rmtree(incomplete, ignore_errors=True)
    code, text, error = make(host, incomplete, lock)
    if code:
        module.fail_json(msg=f"{host.path}: could not make {how}: {error.strip() or text.strip()}")
    if host.source:
        make_standby(incomplete)
    os.sync()
    os.rename(incomplete, host.path)
    os.unlink(host.path + ".lock")
    module.exit_json(changed=True, diff=diff, system_identifier=host.found().system_identifier)


if __name__ == "__main__":
    main()
