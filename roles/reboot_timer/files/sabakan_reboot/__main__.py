# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reboot this host when there is a reason and nothing speaks against it; never in a loop."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

# Beside the package whose lease it uses.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sabakan_reboot import host, journal, settings, turn  # noqa: E402
from sabakan_reboot.decide import TIMER, Decision  # noqa: E402
from sabakan_reboot.gate import BUSY, HELD, NO_REASON, TROUBLES, UNHEALTHY, UNKNOWN, YES, Busy, Gate  # noqa: E402
from sabakan_reboot.tell import say  # noqa: E402

USAGE, CONFIG = 64, 78
EPILOG = """
commands:
  check      what would be decided if the timer started it now, with the figure of each reason and gate; --now passes over the turn
  run        decide, and if it is yes: lock, baseline, evidence, drain, reboot; what sabakan-reboot.service executes
  verify     after a boot: compare with the baseline, undrain, release the lock; or disarm and tell. Never reboots
  recover    after a run that ended before its time: the same for this boot
  sample     hourly: uptime and slab for the budget and the forecast
  status     armed or not, the last attempt and how it ended
  request    ask for a reboot in the next turn (the operator's sentinel); with --withdraw not any more
  disarm     no reboot by this gate until `arm`; arm: what was counted is forgotten, this host's lock is freed
  unlock     free the lock that another host (--host) has left behind
  init       make the journal where there is none

exit codes:
  0 yes (check), the reboot is ordered (run), healthy (verify, status)     10 no reason
  11 a gate holds it back     12 something is not known: no, and told     13 it did not come back healthy, or is disarmed
  64 wrong usage              75 another one is at work                   78 the settings cannot be used
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    made = Parser(prog="sabakan-reboot", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--settings", default="/etc/sabakan/reboot.json", metavar="FILE", help="default %(default)s")
    made.add_argument("--secrets", default="/etc/sabakan/reboot-secrets.json", metavar="FILE", help="mode 0600; default %(default)s")
    commands = made.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")
    for name in ("check", "run"):
        command = commands.add_parser(name)
        command.add_argument("--now", action="store_true", help="without waiting for this host's turn: every gate but window, turn, trigger and changed")
        command.add_argument("--reason", metavar="TEXT", help="an operator's own, as by `request` but for this once")
        if name == "check":
            command.add_argument("--json", action="store_true", help="the decision as JSON on standard output")
        else:
            command.add_argument("--wait", type=float, metavar="SECONDS", help="for the lock of the group (default lock_wait)")
    status = commands.add_parser("status")
    status.add_argument("--json", action="store_true")
    status.add_argument("--await", dest="patience", type=float, default=0, metavar="SECONDS", help="until the last reboot is verified")
    request = commands.add_parser("request")
    request.add_argument("why", nargs="?", default="asked for by hand")
    request.add_argument("--withdraw", action="store_true")
    for name in ("arm", "disarm"):
        commands.add_parser(name).add_argument("why", nargs="?", default="by hand")
    commands.add_parser("unlock").add_argument("--host", dest="whose", required=True)
    for name in ("verify", "recover", "sample", "init"):
        commands.add_parser(name)
    return made


def load(path: str) -> settings.Settings:
    return settings.parse(json.loads(Path(path).read_text(encoding="utf-8")))


def show(made: Decision, as_json: bool) -> None:
    if as_json:
        print(json.dumps(dataclasses.asdict(made), indent=2))
        return
    print(made.summary)
    for one in [*made.reasons, *made.gates]:
        print(f"  {one.verdict:<8} {one.name}: {one.figure}")


def code_of(made: Decision) -> int:
    if made.reboot:
        return YES
    if any(one.verdict == "unknown" for one in [*made.reasons, *made.gates]):
        return UNKNOWN
    return HELD if any(one.verdict == "yes" for one in made.reasons) else NO_REASON


def status(gate: Gate, patience: float, as_json: bool) -> int:
    until = host.uptime() + patience
    while True:
        entries = gate.journal.read()
        waits = journal.pending(entries)
        if waits is None or host.uptime() >= until:
            break
        time.sleep(1)
    why = journal.disarmed(entries)
    told: dict[str, Any] = {
        "armed": not why, "disarmed": why, "pending": waits, "boot_id": host.boot_id(), "uptime": round(host.uptime()),
        "last": next((one for one in reversed(entries) if one["event"] in journal.ENDS), None),
        "reboots": journal.spent(entries, gate.asked.budget_period, host.boot_id(), host.uptime()), "budget": gate.asked.budget,
        "turn": gate.asked.window.calendar(),
    }
    last = told["last"] or {}
    print(json.dumps(told, indent=2) if as_json else
          f"{f'disarmed: {why}' if why else 'armed'}; {told['reboots']} of {told['budget']} reboots; turn {told['turn']}; "
          f"{'not verified yet' if waits else 'last: ' + str(last.get('event', 'none'))} {last.get('why') or ''}".rstrip())
    return UNHEALTHY if why or last.get("event") == "unhealthy" else UNKNOWN if waits else YES


def request(gate: Gate, why: str, withdraw: bool) -> int:
    place = Path(gate.asked.state) / "requested"
    if withdraw:
        place.unlink(missing_ok=True)
    else:
        journal.write_atomically(place, why.replace("\n", " ") + "\n")
    return YES


def perform(gate: Gate, arguments: argparse.Namespace) -> int:
    command = arguments.command
    trigger = os.environ.get("TRIGGER_UNIT", "")
    if command == "check":
        gate.reason = arguments.reason
        made = gate.decision(None, trigger or TIMER, arguments.now)
        show(made, arguments.json)
        return code_of(made)
    if command == "status":
        return status(gate, arguments.patience, arguments.json)
    # The verification of a boot may be at work for as long as a service takes to come up.
    with gate.alone(0 if command == "sample" else 30 if command == "run" else gate.asked.health_timeout + 120):
        if command == "run":
            gate.reason = arguments.reason
            return gate.run(trigger, arguments.now, arguments.wait)
        if command in ("verify", "recover"):
            return gate.verify()
        if command == "sample":
            return gate.sample()
        if command == "init":
            host.mark_clock(gate.asked)
            print("created" if gate.journal.create(gate.entry("armed", why="made by hand")) else "exists")
            return YES
        if command == "request":
            return request(gate, arguments.why, arguments.withdraw)
        if command == "disarm":
            gate.disarm(arguments.why)
            return YES
        if command == "unlock":
            freed = turn.free_by_hand(gate.asked, gate.own_turn().store, arguments.whose)
            print(f"freed: {freed}" if freed else f"{arguments.whose} has no lock")
            return YES
        return gate.arm(arguments.why)


def main() -> int:
    arguments = parser().parse_args()
    try:
        asked = load(arguments.settings)
        gate = Gate(asked, turn.secrets_of(arguments.secrets), [arguments.settings])
    except (settings.Refused, OSError, ValueError) as error:
        say(f"{arguments.settings}: {error}; nothing is rebooted", alert=True)
        return CONFIG
    try:
        return perform(gate, arguments)
    except Busy as busy:
        say(str(busy))
        return BUSY
    except TROUBLES as error:
        gate.teller.alert(f"{arguments.command}: {error}")
        return UNKNOWN


if __name__ == "__main__":
    sys.exit(main())
