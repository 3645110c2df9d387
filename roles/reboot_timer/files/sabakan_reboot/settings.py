# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the gate, checked; and the window's arithmetic. Alone in its file, so that it can be run where
nothing is installed yet: settings in on standard input, complaints or what is computed from them out."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import re
import sys
import zoneinfo
from dataclasses import dataclass, field
from typing import Any

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY = 86400
ZONES = "/usr/share/zoneinfo"
# What is left of the window after the latest offset, for the drain and for waiting for the lock.
LEAST_ROOM = 300


@dataclass(frozen=True)
class Hook:
    """A program of the administrator's, with seconds after which it and all that it started are killed."""

    name: str
    argv: list[str]
    timeout: float = 60


@dataclass(frozen=True)
class Settings:
    host: str
    days: list[str] = field(default_factory=lambda: list(DAYS))
    start: str = "03:00"
    end: str = "05:00"
    timezone: str = "UTC"
    spread: int = 3600
    settle: int = 600
    kernel: bool = True
    libraries: bool = True
    slab_share: int = 20
    slab_forecast: bool = True
    maximum_uptime: int = 0
    minimum_uptime: int = 21600
    budget: int = 3
    budget_period: int = 604800
    clock_synchronised: bool = True
    clock_tolerance: int = 60
    logins: bool = False
    blockers: list[Hook] = field(default_factory=list)
    drain: list[Hook] = field(default_factory=list)
    undrain: list[Hook] = field(default_factory=list)
    health_timeout: int = 300
    health_ignore: list[str] = field(default_factory=list)
    lock_store: str = "none"
    lock_ttl: int = 1800
    lock_wait: int = 3600
    notify: list[Hook] = field(default_factory=list)
    command: list[str] = field(default_factory=lambda: ["systemctl", "reboot"])
    state: str = "/var/lib/sabakan/reboot"
    runtime: str = "/run/sabakan-reboot"

    @property
    def window(self) -> Window:
        return Window(tuple(self.days), _minutes(self.start) * 60, _minutes(self.end) * 60, self.timezone, self.offset)

    @property
    def offset(self) -> int:
        """Seconds after the window's start; the same for a host as long as its name and the spread are."""
        return int.from_bytes(hashlib.sha256(self.host.encode()).digest()[:8], "big") % self.spread if self.spread else 0


@dataclass(frozen=True)
class Window:
    """Local times; one that ends before it starts goes over midnight and belongs to the day on which it starts."""

    days: tuple[str, ...]
    start: int
    end: int
    timezone: str
    offset: int = 0

    @property
    def length(self) -> int:
        return (self.end - self.start) % DAY

    def _local(self, moment: float) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(moment, zoneinfo.ZoneInfo(self.timezone))

    def _at(self, day: datetime.date, seconds: int) -> float:
        naive = datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(seconds=seconds)
        return naive.replace(tzinfo=zoneinfo.ZoneInfo(self.timezone)).timestamp()

    def _day(self, moment: float, shift: int) -> datetime.date | None:
        day = self._local(moment).date() + datetime.timedelta(days=shift)
        return day if DAYS[day.weekday()] in self.days else None

    def ends(self, moment: float) -> float | None:
        """When the window that this moment is in ends; None outside of any."""
        for shift in (0, -1):
            day = self._day(moment, shift)
            if day is not None and self._at(day, self.start) <= moment < self._at(day, self.start + self.length):
                return self._at(day, self.start + self.length)
        return None

    def late(self, moment: float) -> float:
        """Seconds since this host's latest turn."""
        turns = [self._at(day, self.start + self.offset) for shift in range(1, -9, -1) for day in [self._day(moment, shift)] if day]
        return moment - max((turn for turn in turns if turn <= moment), default=moment - 9 * DAY)

    def next_turn(self, moment: float) -> float:
        """This host's next turn that is not in a window that has begun."""
        days = [self._day(moment, shift) for shift in range(9)]
        starts = [(self._at(day, self.start), self._at(day, self.start + self.offset)) for day in days if day]
        return min(turn for start, turn in starts if start > moment)

    def calendar(self) -> str:
        """OnCalendar= of this host's turn."""
        shift, seconds = divmod(self.start + self.offset, DAY)
        days = sorted({(DAYS.index(day) + shift) % 7 for day in self.days})
        named = "" if len(days) == 7 else ",".join(DAYS[day] for day in days) + " "
        return f"{named}*-*-* {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} {self.timezone}"


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


class Refused(Exception):
    """Settings that cannot work; each line names the setting, its value and what it must be."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


# Least and most of the numbers. A minimum uptime of nothing would leave the budget as the only end of a loop.
RANGES = {
    "spread": (0, DAY), "settle": (10, DAY), "slab_share": (0, 95), "maximum_uptime": (0, 10 * 365 * DAY),
    "minimum_uptime": (30, 365 * DAY), "budget": (1, 50), "budget_period": (3600, 365 * DAY), "clock_tolerance": (1, 3600),
    "health_timeout": (10, DAY), "lock_ttl": (120, 7 * DAY), "lock_wait": (0, DAY),
}
HOOKS = ("blockers", "drain", "undrain", "notify")


def _hook(name: str, value: Any) -> tuple[Hook | None, list[str]]:
    wanted = {"name", "argv", "timeout"}
    if not isinstance(value, dict) or not {"name", "argv"} <= value.keys() <= wanted:
        return None, [f"{name}: a program is name, argv and timeout"]
    argv, timeout = value["argv"], value.get("timeout", 60)
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) and "\0" not in word for word in argv):
        return None, [f"{name}: argv of {value['name']} is {argv!r}; it must be a list of strings"]
    if not argv[0].startswith("/"):
        return None, [f"{name}: argv of {value['name']} begins with {argv[0]!r}; it must be an absolute path"]
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 1 <= timeout <= 3600:
        return None, [f"{name}: timeout of {value['name']} is {timeout!r}; it must be 1 to 3600 seconds"]
    return Hook(str(value["name"]), argv, timeout), []


def _typed(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    known = {one.name: one.type for one in dataclasses.fields(Settings)}
    wrong = [f"{name}: no such setting" for name in raw.keys() - known.keys()]
    values: dict[str, Any] = {}
    for name, value in raw.items():
        kind = known.get(name, "")
        if name in HOOKS:
            pairs = [_hook(name, one) for one in value] if isinstance(value, list) else [(None, [f"{name} is {value!r}; it must be a list of programs"])]
            values[name] = [hook for hook, dummy in pairs if hook]
            wrong += [line for dummy, lines in pairs for line in lines]
        elif kind == "int" and (isinstance(value, bool) or not isinstance(value, int)):
            wrong.append(f"{name} is {value!r}; it must be a whole number")
        elif kind == "bool" and not isinstance(value, bool):
            wrong.append(f"{name} is {value!r}; it must be true or false")
        elif kind == "str" and (not isinstance(value, str) or not value):
            hint = ""
            if name in ("start", "end") and isinstance(value, int) and 0 < value < 24 * 60:
                hint = f", in quotes, without which YAML takes {value // 60}:{value % 60:02} for the number {value}"
            wrong.append(f"{name} is {value!r}; it must be a text{hint}")
        elif kind == "list[str]" and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            wrong.append(f"{name} is {value!r}; it must be a list of texts")
        else:
            values[name] = value
    return values, wrong


def _zone(name: str) -> list[str]:
    # Before the package with the zones is installed only the shape of a name can be told.
    if not os.path.isdir(ZONES):
        return [] if re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", name) else [f"timezone is {name!r}; that is no name of a time zone"]
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return [f"timezone is {name!r}; this host knows no such time zone (names as in {ZONES}, package tzdata)"]
    return []


def _window(asked: Settings) -> list[str]:
    wrong = [f"{name} is {value!r}; it must be a time from 00:00 to 23:59"
             for name, value in (("start", asked.start), ("end", asked.end)) if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value, re.ASCII)]
    bad = [day for day in asked.days if day not in DAYS]
    if bad or not asked.days:
        wrong.append(f"days are {asked.days}; they must be one or more of {', '.join(DAYS)}")
    wrong += _zone(asked.timezone)
    if wrong:
        return wrong
    length = Window(tuple(asked.days), _minutes(asked.start) * 60, _minutes(asked.end) * 60, asked.timezone).length
    if length < asked.spread + LEAST_ROOM:
        wrong.append(f"spread is {asked.spread}; the window {asked.start} to {asked.end} has {length} s and must have at least spread + {LEAST_ROOM}")
    return wrong


def parse(raw: Any) -> Settings:
    """Raises Refused with everything that is wrong."""
    if not isinstance(raw, dict):
        raise Refused(["the settings are no object"])
    values, wrong = _typed(raw)
    if wrong or "host" not in values:
        raise Refused(sorted(wrong) or ["host is missing"])
    asked = Settings(**values)
    wrong = _window(asked)
    for name, (least, most) in RANGES.items():
        if not least <= getattr(asked, name) <= most:
            wrong.append(f"{name} is {getattr(asked, name)}; it must be {least} to {most}")
    if not asked.command:
        wrong.append("command is empty")
    if 0 < asked.maximum_uptime < asked.minimum_uptime:
        wrong.append(f"maximum_uptime is {asked.maximum_uptime}; it must be 0 or at least minimum_uptime {asked.minimum_uptime}")
    if asked.lock_store not in ("none", "s3", "redis"):
        wrong.append(f"lock_store is {asked.lock_store!r}; it must be none, s3 or redis")
    needs = sum(hook.timeout for hook in [*asked.blockers, *asked.drain, *asked.undrain]) + asked.health_timeout + 60
    if asked.lock_store != "none" and needs > asked.lock_ttl:
        wrong.append(f"lock_ttl is {asked.lock_ttl}; blockers, drain, undrain, health_timeout and 60 s of reboot may take {needs:g}")
    if wrong:
        raise Refused(wrong)
    return asked


def main() -> int:
    try:
        asked = parse(json.load(sys.stdin))
    except ValueError as error:
        print(f"the settings are no JSON: {error}")
        return 1
    except Refused as refused:
        print("\n".join(refused.lines))
        return 1
    print(json.dumps({"calendar": asked.window.calendar(), "offset": asked.offset}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
