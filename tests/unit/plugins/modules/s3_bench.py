# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the modules for S3 stores share."""

from __future__ import annotations

from typing import Any

PART = 64 * 1024
DEFAULTS = {
    "endpoint_url": None, "region": "us-east-1", "access_key": "test", "secret_key": "testing", "session_token": None, "path_style": True,
    "ca_path": None, "timeout": 5, "bucket": "bucket", "prefix": "p/", "destination_bucket": None, "destination_prefix": "old/", "older_than": 0,
    "patterns": [], "exclude": [], "keep_metadata": True, "keep_tags": True, "storage_class": "", "compare_content": "when_needed",
    "require_conditional_delete": False, "limit": 0, "progress": None,
}


class Ended(Exception):
    pass


class Module:
    """What the modules use of AnsibleModule."""

    def __init__(self, check: bool = False, **params: Any) -> None:
        self.params, self.check_mode, self.result = {**DEFAULTS, **params}, check, {}

    def fail_json(self, **values: Any) -> None:
        self.result = values
        raise Ended(values["msg"])

    def exit_json(self, **values: Any) -> None:
        self.result = values
        raise Ended
