"""Commands of the development entry."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import NoReturn

from tools import images
from tools.ground import Failure, end_commands, ensure_cache, ensure_output, report

RELEASES = sorted(images.SUITES)
PYTHON = (3, 11)  # that requirements.lock is made for


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="sabakan", description="The demo, the tests and the bench of the collection sabakan.vps, on this machine alone.",
    )
    # Before the command or after it.
    release = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for one in (top, release):
        one.add_argument("--debian", choices=RELEASES, help="release of the test hosts (also SABAKAN_DEBIAN; default 13)")
    top.set_defaults(debian=os.environ.get("SABAKAN_DEBIAN") or "13")
    commands = top.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", parents=[release], help="nine hosts become a split Mastodon; post a toot and see it arrive")
    demo.add_argument("--down", action="store_true", help="stop the demo and remove its hosts")
    test = commands.add_parser("test", parents=[release], help="run all tests, or the named parts")
    test.add_argument("parts", nargs="*", metavar="PART", help="lint, sanity, unit, molecule, or a scenario's name")
    test.add_argument("--list", action="store_true", help="name the parts and stop")
    commands.add_parser("lint", parents=[release], help="the same as: test lint")
    bench = commands.add_parser("bench", parents=[release], help="measure, print and write as JSON")
    bench.add_argument("what", nargs="?", choices=["stack", "sftp"], default="stack", help="the split Mastodon (default), or the SFTP server")
    bench.add_argument("--output", default="bench.json", help="where the JSON goes (default bench.json)")
    return top


def _interrupt(*dummy: object) -> NoReturn:
    raise KeyboardInterrupt


def carry_out(arguments: argparse.Namespace) -> int:
    from tools import checks

    if getattr(arguments, "list", False):
        return checks.show()
    if sys.version_info[:2] < PYTHON:
        wanted, here = (".".join(map(str, version[:2])) for version in (PYTHON, sys.version_info))
        raise Failure(f"Python {wanted} or newer is needed, this is {here} ({sys.executable})", "/usr/bin/python3 ./sabakan, which is Debian's")
    ensure_cache()
    if arguments.command == "demo":
        from tools import demo

        return demo.down(arguments.debian) if arguments.down else demo.up(arguments.debian)
    if arguments.command == "bench":
        ensure_output(arguments.output)
        if arguments.what == "sftp":
            from tools import bench_sftp

            return bench_sftp.main(arguments.debian, arguments.output)
        from tools import bench

        return bench.main(arguments.debian, arguments.output)
    return checks.main(arguments.debian, ["lint"] if arguments.command == "lint" else arguments.parts)


def main(words: list[str] | None = None) -> int:
    top = parser()
    arguments = top.parse_args(words)
    # argparse does not look at a default.
    if arguments.debian not in RELEASES:
        top.error(f"SABAKAN_DEBIAN: invalid choice: {arguments.debian!r} (choose from {', '.join(RELEASES)})")
    # A runner that ends a job sends this one, and to no more than the process that it started.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return carry_out(arguments)
    except Failure as failure:
        report(failure)
        return 1
    except KeyboardInterrupt:
        end_commands()
        print("\nsabakan: interrupted; the same command " + ("goes on from here" if arguments.command == "demo" else "starts anew"), file=sys.stderr)
        return 130
