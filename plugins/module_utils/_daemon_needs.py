# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a daemon's own configuration implies in descriptors, a process each. Only the directives needed are read.

Each reader takes the text (and, where the format includes other files, a function that reads a pattern) and
returns a Need. Text that is malformed is skipped, as the daemon itself would have refused to start with it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable

# Reads the files that a pattern names, sorted, as (path, text).
Reader = Callable[[str], "list[tuple[str, str]]"]
MAX_DEPTH = 16


@dataclass(frozen=True)
class Need:
    """Descriptors that one process may have open, how they are counted, and the directive that decides."""

    count: int
    formula: str
    directive: str
    hard: int = 0  # the hard limit that is asked for besides, for a process that raises its own


def _whole(value: str | None, default: int) -> int:
    return int(value) if value and re.fullmatch(r"\d{1,9}", value, re.ASCII) else default


def _nginx_words(text: str) -> Iterator[str]:
    """nginx' tokens: words, quoted strings, and the marks ; { }."""
    pattern = r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\$\{|\\.|[^\s;{}])+"""
    for match in re.finditer(pattern, text):
        word = match.group()
        if not word.startswith("#"):
            yield word if word in ";{}" else word.strip("\"'")


def _nginx_directives(text: str, read: Reader, base: str, depth: int = 0) -> Iterator[tuple[str, list[str]]]:
    """(block, words) of every directive outside of blocks and in `events`."""
    blocks: list[str] = []
    words: list[str] = []
    for word in _nginx_words(text):
        if word == "{":
            blocks.append(words[0] if words else "")
            words = []
        elif word == "}":
            blocks = blocks[:-1]
            words = []
        elif word == ";":
            if words and words[0] == "include" and len(words) == 2 and depth < MAX_DEPTH and blocks in ([], ["events"]):
                for _path, included in read(os.path.join(base, words[1])):
                    for block, found in _nginx_directives(included, read, base, depth + 1):
                        yield (blocks[0] if blocks else block), found
            elif words and blocks in ([], ["events"]):
                yield (blocks[0] if blocks else ""), words
            words = []
        else:
            words.append(word)


def nginx(text: str, read: Reader = lambda pattern: [], base: str = "/etc/nginx") -> Need:
    """A worker's need: each connection may hold a file (a cache, a temporary file) beside its socket."""
    connections = 512
    for block, words in _nginx_directives(text, read, base):
        if block == "events" and words[0] == "worker_connections" and len(words) == 2:
            connections = _whole(words[1], connections)
    return Need(2 * connections + 64, f"2 * worker_connections {connections} + 64", "worker_connections")


def haproxy(text: str, processors: int = 1) -> Need | None:
    """None when `maxconn` is not given: HAProxy then takes it from the limit that it finds."""
    section, settings, listeners, servers = "", {}, 0, 0
    for line in text.splitlines():
        words = re.sub(r"(?<!\\)#.*", "", line).split()
        if not words:
            continue
        if words[0] in ("global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist"):
            section = words[0]
        elif section == "global" and len(words) > 1:
            settings[words[0]] = words[1]
        listeners += words[0] == "bind"
        servers += words[0] == "server" and "check" in words
    maxconn = _whole(settings.get("maxconn"), 0)
    if not maxconn:
        return None
    threads = _whole(settings.get("nbthread"), processors)
    count = 2 * maxconn + 3 * threads + listeners + servers + 32
    return Need(
        count, f"2 * maxconn {maxconn} + 3 * nbthread {threads} + {listeners} binds + {servers} checks + 32", "maxconn",
    )


def pgbouncer(text: str, read: Reader = lambda pattern: [], depth: int = 0) -> Need:
    settings: dict[str, str] = {}
    databases: list[str] = []
    _pgbouncer(text, read, settings, databases, depth, "")
    clients = _whole(settings.get("max_client_conn"), 100)
    default = _whole(settings.get("default_pool_size"), 20)
    reserve = _whole(settings.get("reserve_pool_size"), 0)
    pools = sum(
        _whole((re.search(r"\bpool_size\s*=\s*'?(\d+)", database) or [None, None])[1], default) + reserve
        for database in databases
    )
    return Need(
        clients + pools + 64, f"max_client_conn {clients} + {pools} of the pools + 64", "max_client_conn",
    )


def _pgbouncer(text, read, settings, databases, depth, section):  # type: ignore[no-untyped-def]
    for line in text.splitlines():
        line = line.strip()
        header = re.fullmatch(r"\[([^\]]*)\]", line)
        if line.startswith("%include ") and depth < MAX_DEPTH:
            for _path, included in read(line.split(None, 1)[1]):
                section = _pgbouncer(included, read, settings, databases, depth + 1, section)
        elif header:
            section = header[1].strip()
        elif "=" in line and line[0] not in ";#":
            key, dummy, value = line.partition("=")
            if section == "pgbouncer":
                settings[key.strip()] = value.strip()
            elif section == "databases":
                databases.append(value.strip())
    return section


def redis(text: str, read: Reader = lambda pattern: []) -> Need:
    clients = _redis(text, read, 10000, 0)
    return Need(clients + 32, f"maxclients {clients} + 32 of its own", "maxclients")


def _redis(text: str, read: Reader, clients: int, depth: int) -> int:
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        if len(words) == 2 and words[0].lower() == "maxclients":
            clients = _whole(words[1], clients)
        elif len(words) == 2 and words[0].lower() == "include" and depth < MAX_DEPTH:
            for _path, included in read(words[1]):
                clients = _redis(included, read, clients, depth + 1)
    return clients


def postgresql(text: str, read: Reader = lambda pattern: [], base: str = "/") -> Need:
    """A process' need. max_connections multiplies it: that total is held against fs.file-max, not a limit."""
    settings: dict[str, str] = {}
    _postgresql(text, read, base, settings, 0)
    files = _whole(settings.get("max_files_per_process"), 1000)
    return Need(files, f"max_files_per_process {files}", "max_files_per_process")


def postgresql_total(text: str, read: Reader = lambda pattern: [], base: str = "/") -> Need:
    """What all processes together may open, of the kernel's fs.file-max."""
    settings: dict[str, str] = {}
    _postgresql(text, read, base, settings, 0)
    files, connections = _whole(settings.get("max_files_per_process"), 1000), _whole(settings.get("max_connections"), 100)
    return Need(
        files * connections, f"max_connections {connections} * max_files_per_process {files}", "max_connections",
    )


def _postgresql(text: str, read: Reader, base: str, settings: dict[str, str], depth: int) -> None:
    for line in text.splitlines():
        match = re.match(r"\s*([A-Za-z_][\w.]*)(?:\s*=\s*|\s+)(?:'((?:''|\\.|[^'\\])*)'|([^\s#']+))", line, re.ASCII)
        if not match:
            continue
        key, value = match[1].lower(), match[2] if match[2] is not None else match[3]
        if key in ("include", "include_if_exists", "include_dir"):
            if depth < MAX_DEPTH:
                pattern = os.path.join(base, value, "*.conf") if key == "include_dir" else os.path.join(base, value)
                for path, included in read(pattern):
                    _postgresql(included, read, os.path.dirname(path), settings, depth + 1)
        else:
            settings[key] = value
