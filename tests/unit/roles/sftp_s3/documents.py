# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration as the role writes it."""

from __future__ import annotations

import json
from typing import Any

from sabakan_sftp import config

MOUNT = {"name": "partners", "path": "/srv/s3/partners", "command": ["rclone"], "s3": {"bucket": "b", "prefix": "p/"}}
USER = {"name": "store1", "uid": 5001, "gid": 5001, "groups": [900], "mount": "partners", "directory": "data"}


def document(**changes: Any) -> bytes:
    return json.dumps({"version": 1, "mounts": [MOUNT], "users": [USER], **changes}).encode()


def users() -> list[config.User]:
    return list(config.parse(document(users=[USER, {**USER, "name": "store2", "uid": 5002, "gid": 5002, "password_hash": "$y$x"}])).users.values())
