# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.sabakan.vps.plugins.module_utils._vapid import vapid_keys


def vapid_keys_filter(pem):
    try:
        return vapid_keys(pem)
    except ValueError as error:
        raise AnsibleFilterError(f"vapid_keys: {error}") from error


class FilterModule:
    """Filters for Web Push."""

    def filters(self):
        return {"vapid_keys": vapid_keys_filter}
