#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swift_container
short_description: Containers of an OpenStack Swift account
version_added: 0.1.0
description:
  - Creates containers (buckets, in the words of S3) and sets who may read them, by Swift's own API with version 1
    authentication. S3's canned ACL C(public-read) would also let anybody list the bucket.
  - Containers are never deleted, nor is anything in them.
options:
  auth_url:
    description: URL of version 1 authentication.
    type: str
    required: true
  user:
    description: C(account:user).
    type: str
    required: true
  key:
    description: The user's key.
    type: str
    required: true
  ca_path:
    description: File with the CA certificate that the server is verified with; the system's when not given.
    type: path
  containers:
    description: The containers.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name.
        type: str
        required: true
      public_read:
        description: Whether anybody may read objects (C(.r:*)); nobody gets a list of them. No other entry is kept.
        type: bool
        default: false
  timeout:
    description: Seconds for each request.
    type: int
    default: 15
extends_documentation_fragment:
  - sabakan.vps.attributes
attributes:
  check_mode:
    support: full
    details: Where the server does not answer yet, as on an untouched host, every container counts as missing.
  diff_mode:
    support: full
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Make the bucket for media
  sabakan.vps.swift_container:
    auth_url: https://10.91.0.51:8080/auth/v1.0
    user: mastodon:mastodon
    key: "{{ vault_key }}"
    containers: [{name: media, public_read: true}]
"""

RETURN = r"""
storage_url:
  description: URL of the account; empty in check mode where the server does not answer.
  returned: always
  type: str
"""

from urllib.error import HTTPError, URLError
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.sabakan.vps.plugins.module_utils import _swift


class Account:
    """One account, as the module's user sees it."""

    def __init__(self, module):
        self.module = module
        answer = self.request(
            module.params["auth_url"], "GET", {"X-Auth-User": module.params["user"], "X-Auth-Key": module.params["key"]}
        )
        self.url = answer.headers["X-Storage-Url"]
        self.token = {"X-Auth-Token": answer.headers["X-Auth-Token"]}

    def request(self, url, method, headers):
        return open_url(
            url, method=method, headers=headers, ca_path=self.module.params["ca_path"],
            timeout=self.module.params["timeout"], use_proxy=False,
        )

    def container(self, method, name, headers=None):
        """The answer's headers; None for a container that does not exist."""
        try:
            answer = self.request(f"{self.url}/{quote(name, safe='')}", method, {**self.token, **(headers or {})})
        except HTTPError as error:
            if error.code == 404 and method == "HEAD":
                return None
            self.module.fail_json(msg=f"{method} of container {name}: {error.code} {error.reason}")
        except OSError as error:
            self.module.fail_json(msg=f"{method} of container {name}: {error}")
        return answer.headers


def read_acl(headers):
    return None if headers is None else _swift.acl_entries(headers.get("X-Container-Read"))


def main():
    module = AnsibleModule(
        argument_spec={
            "auth_url": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": True},
            "ca_path": {"type": "path"},
            "containers": {
                "type": "list", "elements": "dict", "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "public_read": {"type": "bool", "default": False},
                },
            },
            "timeout": {"type": "int", "default": 15},
        },
        supports_check_mode=True,
    )
    account = None
    try:
        account = Account(module)
    except (URLError, OSError, KeyError) as error:
        if not module.check_mode:
            module.fail_json(msg=f"{module.params['auth_url']}: {error}")
    diffs = []
    for container in module.params["containers"]:
        name, wanted = container["name"], frozenset([".r:*"] if container["public_read"] else [])
        found = read_acl(account.container("HEAD", name)) if account else None
        if found == wanted:
            continue
        before = "absent" if found is None else f"read: {', '.join(sorted(found))}"
        diffs.append({"before_header": name, "after_header": name, "before": before + "\n",
                      "after": f"read: {', '.join(sorted(wanted))}\n"})
        if module.check_mode:
            continue
        account.container("PUT" if found is None else "POST", name, {"X-Container-Read": ",".join(sorted(wanted))})
        if read_acl(account.container("HEAD", name)) != wanted:
            module.fail_json(msg=f"container {name} does not have the ACL that was asked: {', '.join(sorted(wanted))}")
    module.exit_json(changed=bool(diffs), storage_url=account.url if account else "", diff=diffs)


if __name__ == "__main__":
    main()
