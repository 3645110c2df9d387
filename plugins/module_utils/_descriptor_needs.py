# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of a running daemon implies: which file it reads, by its command line, and what is in it."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Callable

from ansible_collections.sabakan.vps.plugins.module_utils import _daemon_needs
from ansible_collections.sabakan.vps.plugins.module_utils._daemon_needs import Need

if TYPE_CHECKING:
    from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_host import Host, Process

Words = tuple[str, ...]


class Needs:
    """The needs of one host's processes; each file is read once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._of = cache(self._need)

    def of(self, process: Process) -> Need | None:
        """What one process may have open."""
        words = self.host.cmdline(process.pid)
        if process.name in ("nginx", "postgres"):
            above = self.host.processes.get(process.parent)
            if above and above.name == process.name:
                words = self.host.cmdline(above.pid)
            elif process.name == "nginx":
                return None  # the master serves nobody
        return self._of(process.name, tuple(words))

    def of_all(self, process: Process) -> Need | None:
        """What a postmaster's processes may have open together, which is the kernel's to give."""
        above = self.host.processes.get(process.parent)
        if process.name != "postgres" or (above and above.name == "postgres"):
            return None
        path = self.postgresql_path(tuple(self.host.cmdline(process.pid)))
        text = self.host.read(path)
        return _daemon_needs.postgresql_total(text, self.host.files, os.path.dirname(path)) if text else None

    def _need(self, name: str, words: Words) -> Need | None:
        reader: Callable[[Words], Need | None] | None = getattr(self, f"_{name.partition('-')[0]}", None) if name in DAEMONS else None
        return reader(words) if reader else None

    def _nginx(self, words: Words) -> Need | None:
        path = after(words, "-c", "/etc/nginx/nginx.conf")
        text = self.host.read(path)
        return _daemon_needs.nginx(text, self.host.files, os.path.dirname(path)) if text else None

    def _haproxy(self, words: Words) -> Need | None:
        pattern = after(words, "-f", "/etc/haproxy/haproxy.cfg")
        text = "\n".join(found for dummy, found in self.host.files(pattern))
        return _daemon_needs.haproxy(text, os.cpu_count() or 1) if text else None

    def _pgbouncer(self, words: Words) -> Need | None:
        path = next((word for word in words[1:] if word.endswith(".ini")), "/etc/pgbouncer/pgbouncer.ini")
        text = self.host.read(path)
        return _daemon_needs.pgbouncer(text, self.host.files) if text else None

    def _redis(self, words: Words) -> Need | None:
        path = next((word for word in words[1:] if word.endswith(".conf")), "/etc/redis/redis.conf")
        text = self.host.read(path)
        return _daemon_needs.redis(text, self.host.files) if text else None

    def _postgres(self, words: Words) -> Need | None:
        path = self.postgresql_path(words)
        text = self.host.read(path)
        return _daemon_needs.postgresql(text, self.host.files, os.path.dirname(path)) if text else None

    @staticmethod
    def postgresql_path(words: Words) -> str:
        given = [word.partition("=")[2] for word in words if word.startswith("config_file=")]
        return given[0] if given else os.path.join(after(words, "-D", "/nonexistent"), "postgresql.conf")


DAEMONS = ("nginx", "haproxy", "pgbouncer", "redis-server", "postgres")


def after(words: Words, option: str, default: str) -> str:
    """The word behind an option."""
    return next((words[i + 1] for i, word in enumerate(words[:-1]) if word == option), default)
