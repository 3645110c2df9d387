#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mastodon_migrations_info
short_description: Tell which migrations of a Mastodon release wait, without starting Rails
version_added: 0.1.0
description:
  - Compares the release's migration files with the table C(schema_migrations) by psql.
  - Changes nothing. In check mode a database that cannot be reached yet is one of which nothing is known.
options:
  release: {description: Directory of the release., type: path, required: true}
  current: {description: "Directory of the release that runs now, which may be a newer one; empty for none.", type: path, default: ""}
  host: {description: Address of the PostgreSQL primary., type: str, required: true}
  port: {description: Its port., type: int, default: 5432}
  database: {description: Name of the database., type: str, required: true}
  user: {description: Name of its owner., type: str, required: true}
  password: {description: The owner's password., type: str, required: true}
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.info_module
requirements: [psql on the host]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Which migrations wait
  sabakan.vps.mastodon_migrations_info:
    release: /home/mastodon/current
    host: 10.91.0.21
    database: mastodon_production
    user: mastodon
    password: "{{ password }}"
"""

RETURN = r"""
state:
  description:
    - C(empty); C(initialising), when the schema's load or the seeds were interrupted; C(ready); C(foreign), when there
      are tables but no migrations; C(unknown).
  type: str
  returned: success
loaded: {description: Whether any migration is recorded., type: bool, returned: success}
pre: {description: Versions that wait and belong before the new code., type: list, elements: str, returned: success}
post: {description: Versions that wait and belong after it., type: list, elements: str, returned: success}
between:
  description: The Mastodon that must be deployed before this release, of which the database has not seen all; empty for none.
  type: str
  returned: success
taken_away:
  description:
    - Post-deployment migrations of C(current) that the database has run and this release, which is no newer, does not know; it
      may still read what they have removed.
  type: list
  elements: str
  returned: success
server_version: {description: server_version_num of PostgreSQL., type: int, returned: success}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils import _release

# One row a fact.
FACTS = (
    "SELECT 'tables ' || count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'public'",
    "SELECT 'server ' || current_setting('server_version_num')",
    "SELECT 'comment ' || shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
    "SELECT 'recorded in ' || to_regclass('public.schema_migrations')",
)
VERSIONS = ("SELECT 'version ' || version FROM public.schema_migrations",)
UNKNOWN = {"state": "unknown", "loaded": False, "pre": [], "post": [], "between": "", "taken_away": [], "server_version": 0}


def version_of(release):
    try:
        with open(os.path.join(release, "lib/mastodon/version.rb"), encoding="utf-8", errors="replace") as stream:
            return _release.version_of(stream.read())
    except OSError:
        return ""


def files(path):
    return os.listdir(path) if os.path.isdir(path) else []


def rows(module, psql, statements):
    """What the statements say, as pairs of a fact's name and its value; the module fails where the database cannot be read."""
    asked = module.params
    # As arguments, for psql that cannot connect ends without reading its input, and who writes to it then gets no message.
    commands = [word for statement in statements for word in ("-c", statement)]
    code, text, error = module.run_command(
        [psql or "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", asked["host"], "-p", str(asked["port"]),
         "-U", asked["user"], "-d", asked["database"], *commands],
        environ_update={"PGPASSWORD": asked["password"], "PGCONNECT_TIMEOUT": "10"},
    )
    if code and module.check_mode:
        module.exit_json(**UNKNOWN)
    if code:
        module.fail_json(msg=(
            f"PostgreSQL at {asked['host']}:{asked['port']}, database {asked['database']}, cannot be read as"
            f" {asked['user']}: {error.strip()}"
        ))
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if " " in line]


def main():
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "path", "required": True},
            "current": {"type": "path", "default": ""},
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 5432},
            "database": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    asked = module.params
    psql = module.get_bin_path("psql")
    if not psql and module.check_mode:
        module.exit_json(**UNKNOWN)
    first = dict(rows(module, psql, FACTS))
    applied = {version for dummy, version in rows(module, psql, VERSIONS)} if "recorded" in first else set()
    pre = _release.migration_versions(files(os.path.join(asked["release"], "db/migrate")))
    post = _release.migration_versions(files(os.path.join(asked["release"], "db/post_migrate")))
    state = _release.database_state(int(first.get("tables", 0)), applied, first.get("comment", ""))
    module.exit_json(
        state=state, loaded=bool(applied), pre=sorted(pre - applied), post=sorted(post - applied),
        between=_release.release_between(version_of(asked["release"]), state, post - applied),
        taken_away=_release.taken_away(
            version_of(asked["release"]), version_of(asked["current"]),
            _release.migration_versions(files(os.path.join(asked["current"], "db/post_migrate"))), pre | post, applied,
        ),
        server_version=int(first.get("server", 0)),
    )


if __name__ == "__main__":
    main()
