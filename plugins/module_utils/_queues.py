# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queue contract: every Sidekiq queue of the deployed Mastodon is consumed, the scheduler's once.

Declared by a role on a host: queues: {processes: [{name, queues, concurrency}]}, concurrency in
threads, each queue as "default", "default,8", ["default", 8] or {default: 8}. A weight says
how often a process looks into a queue; with any weight it is a consumer.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.sabakan.vps.plugins.module_utils._plan import (
    Report,
    declared,
    hosts_of,
    integer,
    mapping,
    read_version,
    sequence,
    text,
)

# Since which version, which queues: config/sidekiq.yml of Mastodon v4.2 to v4.7.
QUEUES: dict[tuple[int, int], tuple[str, ...]] = {
    (4, 2): ("default", "push", "ingress", "mailers", "pull", "scheduler"),
    (4, 4): ("default", "push", "ingress", "mailers", "pull", "scheduler", "fasp"),
}
NEWEST = (4, 7)
MASTODON = frozenset({"mastodon", "puma", "streaming", "sidekiq"})


@dataclass(frozen=True)
class Process:
    """One Sidekiq process; queues empty means all of config/sidekiq.yml."""

    host: str
    name: str
    queues: tuple[str, ...]
    concurrency: int

    @property
    def where(self) -> str:
        """Name and host, for a message."""
        return f"{self.name} on {self.host}"


def queues_of(version: object) -> tuple[tuple[str, ...], str]:
    """Return the queues of a Mastodon version, and a warning if it is outside of what is known."""
    wanted = read_version(version)
    known = [since for since in QUEUES if since <= wanted] or [min(QUEUES)]
    queues = QUEUES[max(known)]
    oldest = min(QUEUES)
    if oldest <= wanted <= NEWEST:
        return queues, ""
    side, edge = ("newer", NEWEST) if wanted > NEWEST else ("older", oldest)
    return queues, (
        f"Mastodon {version} is {side} than what the queue contract knows; the queues of"
        f" {edge[0]}.{edge[1]} are taken ({', '.join(queues)}): compare with its config/sidekiq.yml."
    )


def queue_names(value: object, path: str) -> tuple[str, ...]:
    """Read a process's queues, without their weights; none or empty means all.

    A list alone: of any other notation the unit would be given something else than what is read here.
    """
    names = []
    for index, item in enumerate(sequence(value, path)):
        where = f"{path}[{index}]"
        if isinstance(item, Mapping):
            if len(item) != 1:
                raise ValueError(f"{where}: expected one name and its weight, got {item!r}")
            item = next(iter(item.items()))
        if isinstance(item, str):
            item = re.split(r"\s*,\s*", item.strip())
        parts = list(sequence(item, where))
        if len(parts) not in (1, 2):
            raise ValueError(f"{where}: expected a name, or a name and its weight, got {item!r}")
        if len(parts) == 2:
            integer(parts[1], f"{where} (weight)", 1)
        names.append(text(parts[0], where))
    return tuple(dict.fromkeys(names))


def queue_contract(fleet: object, version: object, *, partial: bool = False) -> Report:
    """Check the queues of all Sidekiq processes of the fleet against a Mastodon version.

    fleet: list of {host, services, declarations: {role: declaration}}. Refuses a queue
    without consumer, a queue that Mastodon does not have, a scheduler consumed by more or
    fewer than one process, two processes of one name on a host. A fleet without any
    Mastodon service needs no Sidekiq. partial: part of the fleet is not declared, so what
    seems not consumed is only a warning. Raises ValueError with the path to a malformed field.
    """
    processes = [_process(*item) for item in declared(fleet, "queues")]
    processes.sort(key=lambda process: (process.host, process.name))
    report = Report()
    services = {
        name for host in hosts_of(fleet) for name in sequence(host.get("services"), f"{host['host']}: services")
    }
    if not processes and not services & MASTODON:
        return report
    known, warning = queues_of(version)
    report.warnings += [warning] if warning else []
    report.errors += _twice(processes) + _misspelt(processes, known)

    lacking = report.warnings if partial else report.errors
    if not processes:
        lacking.append(
            f"Mastodon runs ({', '.join(sorted(services & MASTODON))}) but no Sidekiq process is declared on any host:"
            " give a host the service sidekiq in stack_services, with sidekiq_processes."
        )
        return report
    for queue in known:
        consumers = [p for p in processes if not p.queues or queue in p.queues]
        wheres = [p.where for p in consumers]
        report.table.append(
            {"queue": queue, "consumers": wheres, "text": f"queue {queue}: {', '.join(wheres) or 'nobody'}"}
        )
        if not consumers:
            lacking.append(
                f"Queue {queue} of Mastodon {version} is consumed by no process of the fleet"
                f" ({', '.join(p.where for p in processes)}): add it to one in sidekiq_processes."
            )
        elif queue == "scheduler" and len(consumers) > 1:
            several = ", ".join(p.where + ("" if p.queues else " (no list, so all queues)") for p in consumers)
            report.errors.append(
                f"Queue scheduler is consumed by {len(consumers)} processes, {several}: exactly one may, whatever its"
                " weight, or every periodic job runs several times. Take it out of the others in sidekiq_processes."
            )
    return report


def _process(host: str, path: str, item: object) -> Process:
    fields = mapping(item, path, ("name", "queues", "concurrency"))
    return Process(
        host=host,
        name=text(fields.get("name"), f"{path}.name"),
        queues=queue_names(fields.get("queues"), f"{path}.queues"),
        concurrency=integer(fields.get("concurrency"), f"{path}.concurrency", 1),
    )


def _twice(processes: list[Process]) -> list[str]:
    wheres = [process.where for process in processes]
    return [
        f"Sidekiq process {where} is declared {wheres.count(where)} times: names in sidekiq_processes are units' names."
        for where in sorted({where for where in wheres if wheres.count(where) > 1})
    ]


def _misspelt(processes: list[Process], known: tuple[str, ...]) -> list[str]:
    errors = []
    for process in processes:
        for queue in process.queues:
            if queue not in known:
                near = difflib.get_close_matches(queue, known, 1, 0.5)
                hint = f" Did you mean {near[0]}?" if near else ""
                errors.append(
                    f"Sidekiq process {process.where} consumes {queue!r}, which this Mastodon does not have"
                    f" (it has {', '.join(known)}): correct sidekiq_processes.{hint}"
                )
    return errors
