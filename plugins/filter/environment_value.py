# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of the environment as programs read them; the documentation is in the .yml file of each name."""

from __future__ import annotations

from ansible_collections.sabakan.vps.plugins.module_utils._environment import environment_value
from ansible_collections.sabakan.vps.plugins.module_utils._unit_files import environment_setting


class FilterModule:
    """The filters of this file."""

    def filters(self):
        return {"environment_value": environment_value, "environment_setting": environment_setting}
