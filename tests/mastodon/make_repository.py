#!/usr/bin/env python3
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a bare git repository of the stand-in application.

It holds two tags, v1 and v2 = v1 + v2.patch, and the branch main at v1. The same files give the same commit ids on
any machine; a repository that has them already is left alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIGNATURE = b"Sabakan <sabakan@example.invalid> 1760000000 +0000"


def read_tree(root: Path) -> dict[str, bytes]:
    """The content of every file under root by its relative path."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def patched(files: dict[str, bytes], patch: Path, scratch: Path) -> dict[str, bytes]:
    """The files with a patch applied, in a scratch directory that is not there yet."""
    for name, content in files.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    git("apply", "--whitespace=nowarn", f"--directory={scratch.name}", patch, cwd=scratch.parent)
    return read_tree(scratch)


def commit(number: int, files: dict[str, bytes]) -> bytes:
    """One commit on main, as git fast-import reads it, and its tag."""
    message = b"v%d\n" % number
    lines = [
        b"commit refs/heads/work",
        b"mark :%d" % number,
        b"committer " + SIGNATURE,
        b"data %d\n%s" % (len(message), message),
    ]
    if number > 1:
        lines.append(b"from :%d" % (number - 1))
    lines.append(b"deleteall")
    for name, content in files.items():
        mode = b"100755" if name.startswith("bin/") else b"100644"
        lines.append(b"M %s inline %s\ndata %d\n%s" % (mode, name.encode(), len(content), content))
    lines.append(b"reset refs/tags/v%d\nfrom :%d" % (number, number))
    return b"\n".join(lines) + b"\n"


def git(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> str:
    """Run git without the user's or the machine's configuration."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    result = subprocess.run(["git", *map(str, arguments)], input=stdin, capture_output=True, env=environment, cwd=cwd, check=False)
    if result.returncode:
        sys.exit(f"git {' '.join(map(str, arguments))}: {result.stderr.decode().strip()}")
    return result.stdout.decode().strip()


def refs(repository: Path) -> dict[str, str]:
    """Every ref of a repository and its commit id."""
    listing = git("-C", repository, "for-each-ref", "--format=%(refname) %(objectname)")
    return dict(line.split(" ") for line in listing.splitlines())


def make_repository(output: Path) -> tuple[dict[str, str], bool]:
    """Bring output up to date; returns its refs and whether anything changed."""
    first = read_tree(HERE / "application")
    with tempfile.TemporaryDirectory() as directory:
        second = patched(first, HERE / "v2.patch", Path(directory) / "v2")
        built = Path(directory) / "built.git"
        git("init", "--quiet", "--bare", built)
        stream = commit(1, first) + commit(2, second) + b"reset refs/heads/main\nfrom :1\n"
        git("-C", built, "fast-import", "--quiet", stdin=stream)
        git("-C", built, "update-ref", "-d", "refs/heads/work")
        wanted = refs(built)
        if output.is_dir() and any(output.iterdir()):
            if not (output / "objects").is_dir():
                sys.exit(f"{output} is there and is no bare git repository: move it away or name another path")
            if refs(output) == wanted:
                return wanted, False
        else:
            git("init", "--quiet", "--bare", output)
        git("-C", output, "symbolic-ref", "HEAD", "refs/heads/main")
        git("-C", built, "push", "--quiet", "--mirror", output)
    return wanted, True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, metavar="OUTPUT.git", help="path of the bare repository")
    output = parser.parse_args().output.resolve()
    made, changed = make_repository(output)
    for name, identifier in sorted(made.items()):
        print(identifier, name)
    print("changed" if changed else "up to date", output)


if __name__ == "__main__":
    main()
