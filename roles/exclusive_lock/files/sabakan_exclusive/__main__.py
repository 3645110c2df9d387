# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a stateful command only while nobody else runs on the same data."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

# Run as a directory, which can be mounted into a container as it is.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sabakan_exclusive import places  # noqa: E402
from sabakan_exclusive.lease import Lease, Unavailable, Unsuitable  # noqa: E402
from sabakan_exclusive.lock import Held, Lock, Unfit, describe, holder  # noqa: E402
from sabakan_exclusive.supervise import Supervisor  # noqa: E402

USAGE, STORE, HELD, LOST, UNFIT = 64, 69, 75, 76, 78
EPILOG = """
The lock is on DATA itself (flock on the directory; O_EXCL on a block device) and lives as long as the command or any
of its descendants, whatever is killed. The record of the holder is DATA/.sabakan-exclusive.json.

exit codes: the command's own (128 + signal if it was killed), or
  64 wrong usage            69 the lease's store does not answer, or cannot compare and set
  75 another one runs: the message says who     76 the lease was lost, the command was ended
  78 DATA cannot carry a lock that others see   126, 127 the command cannot be run, does not exist

the command's environment: SABAKAN_FENCING_TOKEN (with --lease), SABAKAN_EXCLUSIVE_FD (the lock's descriptor)

The file of --lease is JSON, mode 0600: {"endpoint": "https://...", "bucket": "...", "key": "...", "access_key": "...",
"secret_key": "...", "region": "us-east-1", "ca_file": "", "ttl": 60}. The command is ended by SIGTERM when 0.6 of ttl
seconds have passed without a renewal, by SIGKILL after 0.8; another host may start after 1.0.
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    made = Parser(prog="sabakan-exclusive", description=__doc__, epilog=EPILOG,
                  formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", metavar="DATA", help="the directory or block device that must have one user at most")
    made.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="after --")
    made.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="how long to wait for another one to end (default: not)")
    made.add_argument("--linger", type=float, default=10.0, metavar="SECONDS",
                      help="how long descendants may outlive the command before SIGKILL; inf: for ever (default 10)")
    made.add_argument("--same-as", default="", metavar="IDENTITY",
                      help="refuse unless DATA is this one, as --identify printed on the other side")
    made.add_argument("--identify", action="store_true", help="print the identity of DATA (device and inode) and stop")
    made.add_argument("--allow-filesystem", action="append", default=[], metavar="TYPE", help="take locks on this file system for shared")
    made.add_argument("--host", default="", help="name of the host for the record; a container does not know it")
    made.add_argument("--lease", metavar="FILE", help="settings of a lease in an S3 store, for data that several hosts reach")
    return made


def say(message: str) -> None:
    print(f"sabakan-exclusive: {message}", file=sys.stderr, flush=True)


def identify(data: str) -> int:
    descriptor = os.open(data, os.O_RDONLY)
    print(places.identity(descriptor))
    os.close(descriptor)
    return 0


def lease_of(path: str, place: str, command: list[str], host: str) -> Lease:
    from sabakan_exclusive import s3

    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    ttl = float(settings.get("ttl") or 60)
    store = s3.Store(settings, ttl / 12)
    store.probe()
    return Lease(store, ttl, place, holder(host, command, None))


def run(arguments: argparse.Namespace, command: list[str]) -> int:
    lock = Lock(arguments.data, frozenset(arguments.allow_filesystem), arguments.same_as)
    lock.acquire(arguments.wait)
    lease: Lease | None = None
    environment = dict(os.environ)
    if arguments.lease:
        place = f"{holder('', [], None)['boot_id']} {places.identity(lock.descriptor)}" if lock.record else ""
        lease = lease_of(arguments.lease, place, command, arguments.host)
        lease.acquire(arguments.wait, time.sleep, describe)
        environment["SABAKAN_FENCING_TOKEN"] = str(lease.token)
    try:
        lock.write_record(holder(arguments.host, command, lease.token if lease else None))
    except OSError as error:  # a full disk: the lock holds without it
        say(f"{arguments.data}: who holds it is not written down: {error.strerror}")
    supervisor = Supervisor(command, environment, lock.descriptor, arguments.linger)
    code = supervisor.run(renewer(lease, supervisor) if lease else lambda: 3600.0)
    if lease:
        ended = lease.lost or lease.clock() >= lease.deadlines.terminate_at
        if ended:
            say(f"the command was ended, its lease could not be kept: {lease.trouble}")
            code = LOST
        lease.release()
    lock.clear_record()
    return code


def renewer(lease: Lease, supervisor: Supervisor) -> Callable[[], float]:
    told = ""

    def tick() -> float:
        nonlocal told
        due = lease.tick()
        if lease.lost:
            supervisor.deadlines(0.0, 0.0)
        else:
            supervisor.deadlines(lease.deadlines.terminate_at, lease.deadlines.kill_at)
        if lease.trouble and lease.trouble != told:
            say(f"the lease is not renewed: {lease.trouble}")
        told = lease.trouble
        return due

    return tick


def main() -> int:
    arguments = parser().parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command and not arguments.identify:
        parser().error("no command after --")
    try:
        return identify(arguments.data) if arguments.identify else run(arguments, command)
    except Held as held:
        say(f"{held}; nothing was started")
        return HELD
    except (Unfit, OSError) as error:
        say(f"{error}; nothing was started")
        return UNFIT
    except (Unavailable, Unsuitable) as error:
        say(f"{error}; nothing was started")
        return STORE
    except (KeyError, ValueError) as error:
        say(f"{arguments.lease}: {error!r}; nothing was started")
        return USAGE


if __name__ == "__main__":
    sys.exit(main())
