# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of role descriptor_limits as filters; their documentation is in the .yml file of each name."""

from __future__ import annotations

from ansible_collections.sabakan.vps.plugins.module_utils import _descriptor_plan


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {
            "descriptor_plan": _descriptor_plan.plan,
            "descriptor_shortfalls": _descriptor_plan.told,
            "descriptor_behind": _descriptor_plan.behind,
        }
