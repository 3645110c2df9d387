# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers that reboot a host, and what of them can become a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ansible_collections.sabakan.vps.plugins.module_utils import _power_commands as commands
from ansible_collections.sabakan.vps.plugins.module_utils import _unit_files as unit_files

FUTURE = 60
STAMPS = "/var/lib/systemd/timers"
EXEC = ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecStop", "ExecStopPost")
PULLS = ("Wants", "Requires", "Requisite", "BindsTo", "Upholds")
FROM_BOOT = ("OnBootSec", "OnStartupSec", "OnActiveSec")
TRUE = {"1", "yes", "y", "true", "t", "on"}
ENABLED = {"enabled", "enabled-runtime", "linked", "linked-runtime", "generated"}


@dataclass(frozen=True)
class Unit:
    name: str
    files: tuple[tuple[str, str], ...] = ()  # path and text, the drop-ins last
    wanted_by: tuple[str, ...] = ()  # what wants or requires it
    state: str = ""  # UnitFileState
    type: str = ""
    persistent: bool = False  # as systemd has it loaded
    triggers: tuple[str, ...] = ()
    stamp: float | None = None

    def settings(self, section: str) -> dict[str, list[str]]:
        return unit_files.unit_settings([text for dummy, text in self.files], section)

    def lines(self, *keys: str, value: str = "") -> list[str]:
        """`path:line: text` of the assignments of these keys."""
        found = []
        for path, text in self.files:
            for number, line in enumerate(text.splitlines(), 1):
                key, equals, right = line.partition("=")
                if equals and key.strip() in keys and value in right:
                    found.append(f"{path}:{number}: {line.strip()}")
        return found


@dataclass(frozen=True)
class Host:
    now: float
    waits_for_sync: bool
    stamps_trouble: str = ""  # why a stamp could not be kept; empty when it can


@dataclass
class Finding:
    kind: str
    severity: str  # loops: under a condition that the summary names; latent: after one more step
    timer: str
    service: str
    summary: str
    lines: list[str] = field(default_factory=list)
    instead: str = ""


def how(name: str, units: dict[str, Unit], read: commands.Read, seen: frozenset[str] = frozenset()) -> str:
    """How starting a unit reboots the host; empty when it does not."""
    if name in commands.POWER_UNITS:
        return name
    unit = units.get(name) or units.get(f"{name}.service")
    if unit is None or name in seen or len(seen) > 6:
        return ""

    return commands.worst(_ways(unit, read, lambda other: how(other, units, read, seen | {name})))


def _ways(unit: Unit, read: commands.Read, follow: Callable[[str], str]) -> Iterator[str]:
    service, head = unit.settings("Service"), unit.settings("Unit")
    for key in EXEC:
        for line in service.get(key, []):
            # A separator of commands is a word of its own in a unit, unlike in a shell.
            for part in line.split(" ; "):
                yield commands.power(commands.words_of(commands.strip_prefix(part.strip())), read, follow)
    for key in ("SuccessAction", "FailureAction", "StartLimitAction", "JobTimeoutAction"):
        yield from (f"{key}={value}" for value in head.get(key, [])[-1:] if value in commands.ACTIONS)
    for key in (*PULLS, "OnSuccess", "OnFailure"):
        for other in [word for value in head.get(key, []) for word in value.split()]:
            found = follow(other)
            yield found if found in ("", commands.GUARDED) else f"{key}={other}: {found}"


def _of_the_timer(timer: Unit, service: Unit, host: Host) -> list[Finding]:
    found = []
    calendar = timer.settings("Timer").get("OnCalendar", [])
    values = timer.settings("Timer").get("Persistent", [])
    if timer.persistent or (values and values[-1].lower() in TRUE):
        found.append(Finding(
            "persistent", "loops", timer.name, service.name,
            "a missed run is caught up at the boot; where the stamp of the last run cannot be kept every boot finds one missed",
            timer.lines("Persistent"), f"remove Persistent= from {timer.name} (false is the default): a reboot that was missed is not needed any more",
        ))
        if host.stamps_trouble:
            found.append(Finding(
                "stamp_not_kept", "loops", timer.name, service.name, f"{host.stamps_trouble}: each boot finds the old stamp and reboots",
                timer.lines("Persistent"), f"remove Persistent= from {timer.name}; make {STAMPS} writable and lasting",
            ))
    if timer.stamp is not None and timer.stamp > host.now + FUTURE:
        found.append(Finding(
            "stamp_in_future", "loops", timer.name, service.name,
            f"the stamp of the last run is {timer.stamp - host.now:.0f} s in the future: the clock was ahead then, or is behind now",
            [f"{STAMPS}/stamp-{timer.name}"], f"put the clock right, then: touch {STAMPS}/stamp-{timer.name}",
        ))
    from_boot = [key for key in FROM_BOOT if timer.settings("Timer").get(key)]
    if from_boot:
        found.append(Finding(
            "counts_from_boot", "loops", timer.name, service.name, f"{' and '.join(from_boot)} count from each boot: every boot leads to the next",
            timer.lines(*from_boot), "write OnCalendar= instead, and let the service refuse below a minimum uptime",
        ))
    if calendar and not host.waits_for_sync:
        found.append(Finding(
            "no_time_sync", "loops", timer.name, service.name,
            "a clock that is behind at the boot passes the time again, at every boot; time-sync.target is reached without a synchronised clock",
            timer.lines("OnCalendar"), "systemctl enable systemd-time-wait-sync.service, or have the service refuse an unsynchronised clock",
        ))
    pulled = _pulls(timer, service)
    if pulled:
        found.append(Finding(
            "timer_pulls_service", "loops", timer.name, service.name, f"{'= and '.join(pulled)}= start the service with the timer, at every boot",
            timer.lines(*pulled, value=service.name), f"remove {'= and '.join(pulled)}= from {timer.name}; a timer starts its service by itself",
        ))
    return found


def _pulls(timer: Unit, service: Unit) -> list[str]:
    """By which settings of its own file a timer starts its service as soon as it is started itself."""
    return [key for key in PULLS if service.name in " ".join(timer.settings("Unit").get(key, [])).split()]


def _of_the_service(timer: Unit, service: Unit) -> list[Finding]:
    found = []
    install = service.lines("WantedBy", "RequiredBy", "UpheldBy", "Also")
    # A timer that wants its service starts it with itself; being its timer alone is no wanting.
    wanting = [name for name in service.wanted_by if name != timer.name or not _pulls(timer, service)]
    cure = f"systemctl disable {service.name}, and remove its section [Install]: only {timer.name} has one"
    if wanting:
        links = [f"/etc/systemd/system/{name}.wants/{service.name}" for name in wanting]
        found.append(Finding(
            "wanted_at_boot", "loops", timer.name, service.name, f"{', '.join(wanting)} start it at every boot, whatever the timer says",
            install or links, cure,
        ))
    if service.state in ENABLED and service.type in ("oneshot", ""):
        found.append(Finding("enabled_oneshot", "loops", timer.name, service.name, "the oneshot itself is enabled, so that it runs at boot", install, cure))
    elif install and not wanting:
        found.append(Finding(
            "installable", "latent", timer.name, service.name, "one `systemctl enable` of the service and it runs at every boot", install,
            f"remove the section [Install] from {service.name}",
        ))
    return found


def audit(timers: list[Unit], units: dict[str, Unit], read: commands.Read, host: Host) -> tuple[list[dict[str, str]], list[Finding]]:
    """The timers that can reboot the host, and what of them can loop. Those that sabakan-reboot guards are only named."""
    rebooting, findings = [], []
    for timer in timers:
        for name in timer.triggers:
            reason = how(name, units, read)
            if not reason:
                continue
            guarded = reason == commands.GUARDED
            rebooting.append({"timer": timer.name, "service": name, "how": reason, "guarded": "yes" if guarded else "no"})
            service = units.get(name, Unit(name))
            if not guarded:
                findings += _of_the_timer(timer, service, host)
            findings += _of_the_service(timer, service)
    return rebooting, findings
