# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which link of the chain kernel -> container runtime -> systemd -> unit -> supervisord -> process holds a limit down,
and what is to be said about a process. Nothing here touches the system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._daemon_needs import Need

UNLIMITED = -1
TIME_WAIT_NOTE = (
    "A connection in TIME_WAIT belongs to the kernel alone and uses no descriptor: many of them are no reason for"
    " 'Too many open files', and no TCP setting cures that."
)


@dataclass(frozen=True)
class Link:
    """One that hands limits down: what it hands down now, and the setting that changes it.

    `hard` is as high as it can go without being changed; `can_raise` when it may go above (root, by its setting).
    """

    kind: str
    name: str
    soft: int
    hard: int
    setting: str
    asked: bool = True  # whether somebody chose the value; False: it is the manager's default
    can_raise: bool = False
    pending: bool = False  # it runs since before its setting was changed: what it hands down now is the older value

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))  # asdict copies deeply, and a host has thousands


def height(value: int) -> float:
    """A limit as something to compare."""
    return float("inf") if value == UNLIMITED else value


def culprit(links: list[Link], wanted: int) -> Link:
    """The first link to change, from the kernel down, so that the last one may have `wanted` descriptors."""
    *managers, process = links
    for link in managers:
        if height(link.hard) < wanted and not link.can_raise:
            return link
    giver = managers[-1] if managers else process
    return giver if height(giver.soft) < wanted or giver.pending else process


def culprit_of_hard(links: list[Link], wanted: int) -> Link:
    """The first link to change so that the last one's hard limit may be `wanted`."""
    *managers, process = links
    for link in managers:
        if height(link.hard) < wanted and not link.can_raise:
            return link
    giver = managers[-1] if managers else process
    return giver if height(giver.hard) < wanted or giver.pending else process


@dataclass(frozen=True)
class Reading:
    """What one process has."""

    open: int
    soft: int
    hard: int
    links: list[Link]
    need: Need | None = None
    total: Need | None = None  # of all processes of its kind together
    file_max: int = 0  # what the kernel gives to all processes of the host together, 0 when unknown

    @property
    def share(self) -> float:
        """Part of the soft limit that is open."""
        return 0.0 if self.soft == UNLIMITED else self.open / max(self.soft, 1)


def verdicts(reading: Reading, near: float) -> list[dict[str, str]]:
    """What is wrong, the most pressing first: {verdict, link, message}."""
    found: list[dict[str, str]] = []

    def say(verdict: str, link: Link, message: str) -> None:
        found.append({"verdict": verdict, "link": link.kind, "message": f"{message}. {remedy(link)}"})

    *managers, process = reading.links
    more = culprit(reading.links, (reading.soft if reading.soft != UNLIMITED else 0) + 1)
    if reading.soft != UNLIMITED and reading.share >= near:
        say("near", more, f"{reading.open} of {reading.soft} descriptors are open")
    if reading.need and height(reading.soft) < reading.need.count:
        link = culprit(reading.links, reading.need.count)
        say("below_need", link, f"{reading.need.count} descriptors are needed ({reading.need.formula}),"
            f" its limit is {reading.soft}")
    elif reading.need and height(reading.hard) < reading.need.hard:
        say("below_need", culprit_of_hard(reading.links, reading.need.hard),
            f"a hard limit of {reading.need.hard} is needed ({reading.need.formula}), it is {reading.hard}")
    if reading.total and 0 < reading.file_max < reading.total.count:
        say("below_need", Link("kernel", "fs.file-max", reading.file_max, reading.file_max, f"sysctl fs.file-max, or {reading.total.directive}"),
            f"{reading.total.count} descriptors may be needed by all its processes together ({reading.total.formula}),"
            f" the host has {reading.file_max} for everybody")
    top = ceiling(managers)
    unit = next((link for link in managers if link.kind == "unit"), None)
    if unit and unit.asked and height(unit.hard) > top and height(reading.hard) < height(unit.hard):
        link = culprit(reading.links, 1 + int(top))
        say("clamped", link, f"{unit.name} asks for {shown(unit.hard)} descriptors and got {shown(reading.hard)}:"
            " systemd clamps in silence to its own hard limit")
    elif managers and stale(reading):
        say("stale", managers[-1] if managers[-1].pending else process, f"{managers[-1].kind} {managers[-1].name} hands down {shown(managers[-1].soft)}:"
            f"{shown(managers[-1].hard)} now, the process has {shown(reading.soft)}:{shown(reading.hard)}")
    if managers and not managers[-1].asked and reading.soft == managers[-1].soft and height(reading.soft) < height(reading.hard):
        say("inherited", more, f"nobody chose the soft limit {reading.soft}: it is the default of {managers[-1].kind}"
            f" {managers[-1].name}, below the hard limit {shown(reading.hard)}")
    return found


ABOVE_UNIT = ("kernel", "container runtime", "systemd")


def ceiling(managers: list[Link]) -> float:
    """As much as the machine gives to any unit."""
    bounds = [height(link.hard) for link in managers if link.kind in ABOVE_UNIT and not link.can_raise]
    return min(bounds, default=float("inf"))


def stale(reading: Reading) -> bool:
    """Whether the process has less than its manager would give it if it were started now.

    A daemon may lower its own soft limit; what a container starts has no reason to.
    """
    managers = reading.links[:-1]
    bound = min([ceiling(managers), *(height(link.hard) for link in managers if not link.can_raise)])
    giver = managers[-1]
    lower = [height(reading.soft) < min(height(giver.soft), bound), height(reading.hard) < min(height(giver.hard), bound)]
    return any(lower) if giver.kind == "container" else all(lower)


def shown(value: int) -> str:
    return "unlimited" if value == UNLIMITED else str(value)


def remedy(link: Link) -> str:
    return f"The link to change is {link.kind} {link.name}: {link.setting}"
