# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From one configuration to the next: only those sessions end whose user or mount is another one or gone."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sabakan_sftp import accounts, config
from sabakan_sftp.mounts import Counters, Keeping
from sabakan_sftp.sshd import Sshd
from sabakan_sftp.world import System

LAST_WARNING = 2.0  # seconds between a session's SIGTERM and its SIGKILL


class Takeover:
    """listen, unlisten: the log of a user's sessions begins and ends. world: makes what the mounts live in, of the configuration in force."""

    def __init__(self, path: Path, homes: accounts.Accounts, sshd: Sshd, world: Callable[[Callable[[], config.Config]], System],
                 tell: Callable[..., None], listen: Callable[[str, Path], None], unlisten: Callable[[str], None]) -> None:
        self.path, self.homes, self.sshd, self.tell, self.listen, self.unlisten = path, homes, sshd, tell, listen, unlisten
        self.config = config.Config(digest="")
        self.error = ""
        self.world = world(lambda: self.config)
        self.keepings: dict[str, Keeping] = {}
        self.leaving: list[Keeping] = []
        self.listening: set[str] = set()
        self.to_kill: list[tuple[float, set[str]]] = []

    def reload(self, now: float) -> str:
        """Takes over the configuration file; empty, or why not, and then nothing has changed."""
        try:
            wanted = config.load(self.path)
            same = (wanted.sshd_digest, wanted.sshd_command) == (self.config.sshd_digest, self.config.sshd_command)
            error = "" if same else self.sshd.check(wanted.sshd_command)
            if error and self.config.digest:
                raise config.Refused(f"sshd refuses its configuration: {error}")
            self._apply(wanted, now)
        except (config.Refused, OSError) as error:
            self.error = str(error)
            self.tell("config-refused", reason=self.error)
        else:
            self.error = ""
            self.tell("config-in-force", digest=wanted.digest, mounts=sorted(wanted.mounts), users=sorted(wanted.users))
        return self.error

    def _apply(self, wanted: config.Config, now: float) -> None:
        before = self.config
        gone = {name for name, user in before.users.items() if _bound(user) != _bound(wanted.users.get(name))}
        changed = {name for name, keeping in self.keepings.items()
                   if name not in wanted.mounts or _essence(keeping.mount) != _essence(wanted.mounts[name])}
        ending = gone | {user.name for name in changed for user in before.users_of(name)}
        for name in ending:
            self.homes.let(name, False)
        if gone:
            # Out of the account files first: nobody can come back between the signal and the end.
            self.homes.apply({name: user for name, user in wanted.users.items() if name not in gone})
        self.end_sessions(ending, now)
        for name in changed:
            self._leave(self.keepings.pop(name), now)
        for name in gone:
            self._forget_user(before.users[name])
        self.config = wanted
        self.homes.apply(wanted.users)
        for user in wanted.users.values():
            self.homes.prepare(user)
            if user.name not in self.listening:
                self.listening.add(user.name)
                self.listen(user.name, self.homes.home(user.name) / "dev" / "log")
        for name, mount in wanted.mounts.items():
            if name in self.keepings:
                self.keepings[name].mount = mount
                if before.users_of(name) != wanted.users_of(name):
                    self.keepings[name].rebind()
        self.start_mounts()
        self.sshd.configure(wanted.sshd_command, wanted.sshd_digest, now)

    def start_mounts(self) -> None:
        """Those that are wanted and of which no earlier self is still there."""
        busy = {keeping.mount.path for keeping in self.leaving}
        for name, mount in self.config.mounts.items():
            if name not in self.keepings and mount.path not in busy:
                self.keepings[name] = Keeping(mount, self.world, self.world.counters.setdefault(name, Counters()))

    def _leave(self, keeping: Keeping, now: float) -> None:
        keeping.stop(now)
        if not keeping.gone:
            self.leaving.append(keeping)

    def _forget_user(self, user: config.User) -> None:
        if user.name in self.listening:
            self.listening.discard(user.name)
            self.unlisten(user.name)
        with contextlib.suppress(OSError):
            self.homes.forget(user.name, user.directory)

    def end_sessions(self, names: set[str], now: float) -> None:
        if accounts.end(names):
            self.to_kill.append((now + LAST_WARNING, names))

    def stop(self, now: float) -> None:
        """All sessions, then all mounts, which finish what they have."""
        names = set(self.config.users)
        for name in names:
            self.homes.let(name, False)
        self.end_sessions(names, now)
        for keeping in self.keepings.values():
            self._leave(keeping, now)
        self.keepings = {}

    def tick(self, now: float, stopping: bool) -> list[float]:
        """Does what is due of mounts and of sessions that do not end; seconds until more may be due."""
        waits = [keeping.tick(now) for keeping in [*self.keepings.values(), *self.leaving]]
        if any(keeping.gone for keeping in self.leaving):
            self.leaving = [keeping for keeping in self.leaving if not keeping.gone]
            if not stopping:
                self.start_mounts()
        for due, names in list(self.to_kill):
            if now >= due:
                accounts.end(names, signal.SIGKILL)
                self.to_kill.remove((due, names))
        return waits + [max(0.0, due - now) for due, dummy in self.to_kill]

    def exited(self, pid: int, code: int, now: float) -> None:
        for keeping in [*self.keepings.values(), *self.leaving]:
            if keeping.pid == pid:
                keeping.exited(code, now)


def _bound(user: config.User | None) -> Any:
    """What a session depends on: of a user in whom it changes, the sessions end."""
    return user and (user.uid, user.gid, user.groups, user.mount, user.directory, user.read_only, user.delete, user.start)


def _essence(mount: config.Mount) -> Any:
    """What the mount's process depends on: where it changes, the mount is made anew."""
    return (mount.path, mount.command, mount.environment, mount.environment_file, mount.secrets_digest, mount.s3, mount.read_only)
