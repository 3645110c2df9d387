# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of the plan as filters; their documentation is in the .yml file of each name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._addresses import address_plan
from ansible_collections.sabakan.vps.plugins.module_utils._budget import connection_budget
from ansible_collections.sabakan.vps.plugins.module_utils._descriptors import descriptor_budget
from ansible_collections.sabakan.vps.plugins.module_utils._environment import environment_lint
from ansible_collections.sabakan.vps.plugins.module_utils._plan import Report
from ansible_collections.sabakan.vps.plugins.module_utils._queues import queue_contract


def _reporting(check: Callable[..., Report]) -> Callable[..., dict[str, Any]]:
    """Make a malformed field one error among the others, so that all are told at once."""

    @wraps(check)
    def report(*args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            return check(*args, **kwargs).as_dict()
        except ValueError as error:
            return Report(errors=[str(error)]).as_dict()

    return report


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the filters by name."""
        checks = (address_plan, connection_budget, descriptor_budget, environment_lint, queue_contract)
        return {check.__name__: _reporting(check) for check in checks}
