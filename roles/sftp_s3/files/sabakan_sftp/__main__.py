# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep S3 mounts and sshd in service: the first process of the container of role sftp_s3."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

# Run as a directory, which is how the image holds it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sabakan_sftp import config, control  # noqa: E402

OK, UNHEALTHY, REFUSED, SILENT, USAGE, RUNNING, UNFIT = 0, 1, 2, 3, 64, 75, 78
EPILOG = """
commands:
  run      supervise; SIGHUP reads the configuration again, SIGTERM ends sessions, finishes uploads, unmounts, stops
  health   0 when every mount and its store answer and sshd runs; otherwise 1 and the reasons
  status   print what is in force as JSON; 0 also when it is not healthy
  reload   take over the configuration; with --wait return when all of it is in force
  check    read the configuration and say what is wrong with it; nothing is touched

exit codes:
  0  done                          1   not healthy: reload --wait took the configuration over, a mount does not serve
  2  the configuration is refused, the former one is still in force
  3  no keeper answers             64  wrong usage       75  run: a keeper runs already      78  run: not possible here

state, under --state: status.json, metrics.prom (Prometheus text), uploads.jsonl (open and truncated uploads).
The audit trail is standard output: one JSON object a line.
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser() -> Parser:
    made = Parser(prog="sabakan-sftp-keeper", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("command", choices=["run", "health", "status", "reload", "check"], metavar="COMMAND", help="run, health, status, reload or check")
    made.add_argument("--config", type=Path, default=Path("/etc/sabakan-sftp/config.json"), metavar="FILE", help="default %(default)s")
    made.add_argument("--state", type=Path, default=Path("/var/lib/sabakan-sftp"), metavar="DIRECTORY", help="default %(default)s")
    made.add_argument("--run", type=Path, default=Path("/run/sabakan-sftp"), metavar="DIRECTORY", dest="run_path",
                      help="socket, lock and keys; default %(default)s")
    made.add_argument("--wait", action="store_true", help="reload: return when the configuration is in force")
    made.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="reload --wait: how long at most (default %(default)g)")
    return made


def say(message: str) -> None:
    print(f"sabakan-sftp-keeper: {message}", file=sys.stderr, flush=True)


def health(path: Path) -> int:
    found = control.ask(path, "status")
    print("healthy" if found["healthy"] else "; ".join(found["reasons"]))
    return OK if found["healthy"] else UNHEALTHY


def reload(path: Path, wait: bool, timeout: float) -> int:
    answer = control.ask(path, "reload", 30.0)
    if answer["error"]:
        say(answer["error"])
        return REFUSED
    until = time.monotonic() + timeout
    while wait:
        found = control.ask(path, "status")
        if found["healthy"]:
            break
        if time.monotonic() >= until or not _is_starting(found):
            say("; ".join(found["reasons"]))
            return UNHEALTHY
        time.sleep(0.1)
    return OK


def _is_starting(found: dict[str, Any]) -> bool:
    """Whether waiting may help: something is on its way up, or sshd has not been tried yet."""
    return any(mount["state"] == "starting" for mount in found["mounts"].values()) or (found["sshd"]["error"] == "not started yet")


def run(arguments: argparse.Namespace) -> int:
    from sabakan_sftp import keeper

    try:
        return keeper.Keeper(arguments.config, arguments.state, arguments.run_path).run()
    except keeper.Running as error:
        say(str(error))
        return RUNNING
    except OSError as error:
        say(str(error))
        return UNFIT


def main() -> int:
    arguments = parser().parse_args()
    socket = arguments.run_path / "control"
    try:
        if arguments.command == "run":
            return run(arguments)
        if arguments.command == "check":
            config.load(arguments.config)
            return OK
        if arguments.command == "health":
            return health(socket)
        if arguments.command == "reload":
            return reload(socket, arguments.wait, arguments.timeout)
        print(json.dumps(control.ask(socket, "status"), indent=1))
        return OK
    except config.Refused as error:
        say(str(error))
        return REFUSED
    except control.Silent as error:
        say(str(error))
        return SILENT


if __name__ == "__main__":
    sys.exit(main())
