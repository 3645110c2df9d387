# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._sftp import SftpPlan, sftp_plan


def sftp_plan_filter(users: Any, driver: str, drivers: Any, settings: Any) -> dict[str, Any]:
    try:
        plan = sftp_plan(users, driver, drivers, settings)
    except ValueError as error:
        plan = SftpPlan(errors=[str(error)])
    return {"ok": not plan.errors, **asdict(plan)}


class FilterModule:
    """The plan of an SFTP server over mounts of S3."""

    def filters(self) -> dict[str, Any]:
        return {"sftp_plan": sftp_plan_filter}
