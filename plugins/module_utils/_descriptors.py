# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptor budget: what each daemon may have open at once against its LimitNOFILE.

Declared by a role on a host: descriptors: {service, need, limit, formula, variable},
need and limit in file descriptors, formula in words for the operator.
"""

from __future__ import annotations

from ansible_collections.sabakan.vps.plugins.module_utils._plan import Report, declared, integer, mapping, text

# fs.nr_open's default: the kernel refuses a RLIMIT_NOFILE above it.
CEILING = 1 << 20
UNBOUNDED = ("infinity", "unlimited", "-1")


def descriptor_budget(fleet: object) -> Report:
    """Check that each daemon's limit covers its need, and is bounded.

    fleet: list of {host, declarations: {role: declaration}}.
    Raises ValueError with the path to a malformed field.
    """
    report = Report()
    for host, path, item in declared(fleet, "descriptors"):
        fields = mapping(item, path, ("service", "need", "limit", "formula", "variable"))
        service = text(fields.get("service"), f"{path}.service")
        formula = text(fields.get("formula"), f"{path}.formula")
        variable = text(fields.get("variable"), f"{path}.variable")
        need = integer(fields.get("need"), f"{path}.need", 1)
        unbounded = str(fields.get("limit")).strip() in UNBOUNDED
        limit = CEILING + 1 if unbounded else integer(fields.get("limit"), f"{path}.limit", 1)
        shown = str(fields.get("limit")) if unbounded else str(limit)
        report.table.append(
            {
                "host": host,
                "service": service,
                "need": need,
                "limit": shown,
                "variable": variable,
                "text": f"{service} on {host}: {need} of {shown} descriptors",
            }
        )
        # https://github.com/containerd/containerd/pull/7566 for the daemons that walk their table.
        if limit > CEILING:
            report.errors.append(
                f"{host}: {service} has a limit of {shown} descriptors, above {CEILING}: daemons that walk or allocate"
                f" their whole table then spend memory and time in proportion, and the kernel's default fs.nr_open"
                f" does not permit it. Its need is {need} ({formula}): set {variable} between {need} and {CEILING}."
            )
        elif need > limit:
            report.errors.append(
                f"{host}: {service} needs {need} descriptors ({formula}) but its limit is {limit}:"
                f" raise {variable} to at least {need}, or lower what the formula counts."
            )
    report.table.sort(key=lambda row: (row["host"], row["service"]))
    report.errors.sort()
    return report
