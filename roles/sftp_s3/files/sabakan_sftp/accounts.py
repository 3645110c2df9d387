# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of the container: its account files, keys, homes, and who is in a session."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from sabakan_sftp import kernel
from sabakan_sftp.config import IDS, User

HOMES = "/home"
OPEN, CLOSED = 0o755, 0o775  # sshd refuses a chroot that a group may write: that is how a login is turned away
TITLE = re.compile(r"sshd(?:-session|-auth)?: (?P<user>[a-z_][a-z0-9_-]*)(?:@| \[)")


def write(path: Path, text: str, mode: int) -> bool:
    """Replaces a file in one step; whether it changed."""
    data = text.encode("utf-8", "surrogateescape")
    with contextlib.suppress(OSError):
        if path.read_bytes() == data and path.stat().st_mode & 0o7777 == mode:
            return False
    temporary = path.with_name(f".{path.name}.new")
    with open(temporary, "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    if path.exists():
        found = path.stat()
        os.chown(temporary, found.st_uid, found.st_gid)
    temporary.replace(path)
    return True


def others(text: str, ours: set[str], number: int = 2) -> list[str]:
    """The lines of an account file that are the image's: whose number is not in the users' range, nor name among theirs."""
    kept = []
    for line in text.splitlines():
        words = line.split(":")
        if words[0] in ours or (len(words) > number and words[number].isdigit() and int(words[number]) in IDS):
            continue
        if line:
            kept.append(line)
    return kept


def passwd(text: str, users: Iterable[User]) -> str:
    lines = [f"{user.name}:x:{user.uid}:{user.gid}::{HOMES}/{user.name}:/usr/sbin/nologin" for user in users]
    return "\n".join([*others(text, {user.name for user in users}), *lines]) + "\n"


def shadow(text: str, image: set[str], users: Iterable[User]) -> str:
    """image: names that the image has itself. A star locks the password and leaves the keys, an exclamation mark would not."""
    kept = [line for line in text.splitlines() if line.split(":")[0] in image]
    lines = [f"{user.name}:{user.password_hash or '*'}:19000:0:99999:7:::" for user in users]
    return "\n".join([*kept, *lines]) + "\n"


def group(text: str, image: set[str], users: Iterable[User]) -> str:
    """Primary groups by the users' names; members of the numbers that users name besides, and the image's own."""
    members: dict[int, list[str]] = {}
    for user in users:
        for gid in user.groups:
            members.setdefault(gid, []).append(user.name)
    named = {user.gid: user.name for user in users}
    lines, seen = [], set()
    for line in others(text, set(named.values())):
        words = line.split(":")
        gid = int(words[2])
        seen.add(gid)
        kept = [name for name in words[3].split(",") if name in image]
        lines.append(":".join([*words[:3], ",".join(kept + members.get(gid, []))]))
    for gid in sorted({*named, *members} - seen):
        lines.append(f"{named.get(gid, f'sftp-{gid}')}:x:{gid}:{','.join(members.get(gid, []))}")
    return "\n".join(lines) + "\n"


class Accounts:
    """etc: where the account files are; keys: where sshd finds the users' keys."""

    def __init__(self, etc: Path = Path("/etc"), keys: Path = Path("/run/sabakan-sftp/authorized_keys"), homes: Path = Path(HOMES)) -> None:
        self.etc, self.keys, self.homes = etc, keys, homes

    def home(self, user: str) -> Path:
        return self.homes / user

    def place(self, user: User) -> str:
        return str(self.home(user.name) / user.directory)

    def apply(self, users: Mapping[str, User]) -> None:
        """Keys first and accounts last, as a user is there from that moment; of one that is gone the other way round."""
        self.keys.mkdir(parents=True, exist_ok=True)
        for user in users.values():
            write(self.keys / user.name, "".join(f"{key}\n" for key in user.keys), 0o644)
        read = {name: (self.etc / name).read_text(encoding="utf-8") for name in ("passwd", "group", "shadow")}
        image = {line.split(":")[0] for line in others(read["passwd"], set(users))}
        write(self.etc / "group", group(read["group"], image, users.values()), 0o644)
        write(self.etc / "shadow", shadow(read["shadow"], image, users.values()), 0o640)
        write(self.etc / "passwd", passwd(read["passwd"], users.values()), 0o644)
        for path in self.keys.iterdir():
            if path.name not in users:
                path.unlink()

    def prepare(self, user: User) -> None:
        """The home, closed at first, and in it the place of the mount: nobody's, so that without the mount it is no empty directory."""
        home = self.home(user.name)
        if not home.is_dir():
            home.mkdir(mode=CLOSED)
            self.let(user.name, False)
        os.chown(home, 0, 0)
        (home / "dev").mkdir(mode=0o755, exist_ok=True)
        place = self.place(user)
        if not kernel.at(place):
            Path(place).mkdir(mode=0, exist_ok=True)
            os.chown(place, 0, 0)
            os.chmod(place, 0)

    def let(self, user: str, allowed: bool) -> None:
        """Whether sshd lets the user in; sessions that are there stay."""
        with contextlib.suppress(FileNotFoundError):
            os.chmod(self.home(user), OPEN if allowed else CLOSED)

    def forget(self, user: str, directory: str) -> None:
        """Removes a home as far as it is empty: what is not the keeper's stays."""
        home = self.home(user)
        kernel.detach(str(home / directory))
        with contextlib.suppress(OSError):
            (home / "dev" / "log").unlink()
        for path in (home / "dev", home / directory, home):
            with contextlib.suppress(OSError):
                path.rmdir()

    def strangers(self, users: Mapping[str, User]) -> list[tuple[str, str]]:
        """(user, directory) of homes that no user has any more, left by a keeper that was killed."""
        found = []
        for home in self.homes.iterdir() if self.homes.is_dir() else ():
            if home.name not in users and (home / "dev").is_dir():
                inner = [name for name in os.listdir(home) if name != "dev"]
                found += [(home.name, name) for name in inner] or [(home.name, "dev")]
        return found


def title(cmdline: bytes) -> str:
    """Whose session a process is, by the title that sshd gives it; empty for any other."""
    match = TITLE.match(cmdline.replace(b"\0", b" ").decode("utf-8", "replace"))
    return match["user"] if match else ""


def sessions() -> dict[int, str]:
    """Process numbers of the sessions of this container, and whose they are."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                user = title((path / "cmdline").read_bytes())
                if user:
                    found[int(path.name)] = user
    return found


def end(names: set[str], number: int = signal.SIGTERM) -> int:
    """Signals the sessions of these users; how many processes there were."""
    count = 0
    for pid, user in sessions().items():
        if user in names:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                count += 1
    return count
