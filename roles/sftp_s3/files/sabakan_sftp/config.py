# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration: parsed whole and refused whole, before anything is touched."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
SSHD = ("/usr/sbin/sshd", "-D", "-f", "/etc/sabakan-sftp/sshd_config")
COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
POLICIES = ("record", "quarantine", "remove")
IDS = range(1000, 60000)


class Refused(Exception):
    """The configuration cannot be taken; the message says which entry and why."""


@dataclass(frozen=True)
class Bucket:
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    path_style: bool = False
    ca_file: str = ""


@dataclass(frozen=True)
class Mount:
    name: str
    path: str
    command: tuple[str, ...]
    s3: Bucket
    environment: tuple[tuple[str, str], ...] = ()
    environment_file: str = ""
    secrets_digest: str = ""
    unmount: tuple[str, ...] = ()
    read_only: bool = False
    probe_interval: float = 2.0
    probe_timeout: float = 5.0
    store_interval: float = 15.0
    mount_timeout: float = 30.0
    backoff_max: float = 30.0
    on_truncated: str = "record"
    quarantine_prefix: str = "quarantine/"


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int
    mount: str
    directory: str
    groups: tuple[int, ...] = ()
    password_hash: str = ""
    keys: tuple[str, ...] = ()
    read_only: bool = False
    delete: bool = False  # sshd forbids it where the mount cannot, which a session that is there would not hear of
    start: str = "/"


@dataclass(frozen=True)
class Config:
    digest: str
    mounts: dict[str, Mount] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    sshd_digest: str = ""
    sshd_command: tuple[str, ...] = SSHD
    memory: int = 0  # MiB that the container was planned with; 0 where nothing says so

    def users_of(self, mount: str) -> list[User]:
        return [user for user in self.users.values() if user.mount == mount]


def _need(condition: object, message: str) -> None:
    if not condition:
        raise Refused(message)


def _text(entry: dict[str, Any], key: str, default: str = "") -> str:
    value = entry.get(key, default)
    _need(isinstance(value, str) and not set("\n\0") & set(value), f"{key}: {value!r} is not one line of text")
    return str(value)


def _number(entry: dict[str, Any], key: str, default: float) -> float:
    value = entry.get(key, default)
    _need(isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0, f"{key}: {value!r} is not above 0")
    return float(value)


def _words(entry: dict[str, Any], key: str) -> tuple[str, ...]:
    value = entry.get(key) or []
    _need(isinstance(value, list) and all(isinstance(word, str) and word for word in value), f"{key} is not a list of words")
    return tuple(value)


def _bucket(entry: Any) -> Bucket:
    _need(isinstance(entry, dict) and entry.get("bucket"), "s3.bucket is missing")
    prefix = _text(entry, "prefix")
    _need(not prefix or prefix.endswith("/"), f"s3.prefix {prefix!r} does not end with a slash")
    _need(not prefix.startswith("/"), f"s3.prefix {prefix!r} begins with a slash")
    endpoint = _text(entry, "endpoint").rstrip("/")
    _need(not endpoint or endpoint.startswith(("http://", "https://")), f"s3.endpoint {endpoint!r} is no http or https address")
    return Bucket(_text(entry, "bucket"), prefix, endpoint, _text(entry, "region") or "us-east-1",
                  bool(entry.get("path_style")), _text(entry, "ca_file"))


def _mount(entry: Any) -> Mount:
    _need(isinstance(entry, dict), "is not an object")
    name, path, policy = _text(entry, "name"), _text(entry, "path"), _text(entry, "on_truncated", "record")
    _need(COMPONENT.fullmatch(name), f"name {name!r} has other characters than letters, digits, dots, dashes and underscores")
    _need(path.startswith("/") and path == posixpath.normpath(path) and path != "/", f"path {path!r} is not absolute and plain")
    _need(policy in POLICIES, f"on_truncated: {policy!r} is none of {', '.join(POLICIES)}")
    command = _words(entry, "command")
    _need(command, "command is empty")
    environment = entry.get("environment") or {}
    _need(isinstance(environment, dict), "environment is not an object")
    s3 = _bucket(entry.get("s3"))
    quarantine = _text(entry, "quarantine_prefix", "quarantine/")
    _need(policy == "record" or (quarantine.endswith("/") and quarantine != s3.prefix),
          f"quarantine_prefix {quarantine!r} must end with a slash and not be the mount's own prefix")
    return Mount(
        name=name, path=path, command=command, s3=s3,
        environment=tuple(sorted((str(key), str(value)) for key, value in environment.items())),
        environment_file=_text(entry, "environment_file"), secrets_digest=_text(entry, "secrets_digest"),
        unmount=_words(entry, "unmount"), read_only=bool(entry.get("read_only")),
        probe_interval=_number(entry, "probe_interval", 2), probe_timeout=_number(entry, "probe_timeout", 5),
        store_interval=_number(entry, "store_interval", 15), mount_timeout=_number(entry, "mount_timeout", 30),
        backoff_max=_number(entry, "backoff_max", 30), on_truncated=policy, quarantine_prefix=quarantine,
    )


def _identity(value: Any, key: str) -> int:
    _need(isinstance(value, int) and not isinstance(value, bool) and value in IDS,
          f"{key} {value!r} is not between {IDS.start} and {IDS.stop - 1}")
    return int(value)


def _user(entry: Any) -> User:
    _need(isinstance(entry, dict), "is not an object")
    name, directory, start = _text(entry, "name"), _text(entry, "directory"), _text(entry, "start", "/")
    _need(NAME.fullmatch(name), f"name {name!r} is no login name")
    _need(COMPONENT.fullmatch(directory) and directory != "dev", f"directory {directory!r} is not one plain name, or is dev")
    password = _text(entry, "password_hash")
    _need(":" not in password, "password_hash has a colon")
    keys = _words(entry, "keys")
    _need(not any("\n" in key for key in keys), "a key has more than one line")
    uid = _identity(entry.get("uid"), "uid")
    groups = entry.get("groups") or []
    _need(isinstance(groups, list) and all(isinstance(gid, int) and 0 < gid < 65534 for gid in groups), "groups are no group numbers")
    return User(name=name, uid=uid, gid=_identity(entry.get("gid", uid), "gid"), mount=_text(entry, "mount"), directory=directory,
                groups=tuple(groups), password_hash=password, keys=keys, read_only=bool(entry.get("read_only")), delete=bool(entry.get("delete")), start=start)


def _unique(kind: str, values: list[Any]) -> None:
    double = sorted({str(value) for value in values if values.count(value) > 1})
    _need(not double, f"{kind} given twice: {', '.join(double)}")


def parse(content: bytes) -> Config:
    """The configuration of these bytes; Refused names what is wrong."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Refused(f"is no JSON: {error}") from error
    _need(isinstance(document, dict) and document.get("version") == 1, "version is not 1")
    made: dict[str, list[Any]] = {"mounts": [], "users": []}
    for kind, make in (("mounts", _mount), ("users", _user)):
        entries = document.get(kind) or []
        _need(isinstance(entries, list), f"{kind} is not a list")
        for index, entry in enumerate(entries):
            try:
                made[kind].append(make(entry))
            except Refused as error:
                label = entry.get("name") or index if isinstance(entry, dict) else index
                raise Refused(f"{kind} {label}: {error}") from error
    mounts, users = made["mounts"], made["users"]
    _unique("mount name", [mount.name for mount in mounts])
    _unique("user name", [user.name for user in users])
    _unique("uid", [user.uid for user in users])
    for one in mounts:
        for other in mounts:
            _need(one is other or not f"{other.path}/".startswith(f"{one.path}/"), f"mounts {one.name} and {other.name}: one path holds the other")
    names = {mount.name for mount in mounts}
    for user in users:
        _need(user.mount in names, f"user {user.name}: there is no mount {user.mount!r}")
    memory = document.get("memory") or 0
    _need(isinstance(memory, int) and memory >= 0, f"memory: {memory!r} is no number of MiB")
    sshd = document.get("sshd") or {}
    _need(isinstance(sshd, dict), "sshd is not an object")
    return Config(
        digest=hashlib.sha256(content).hexdigest(), mounts={mount.name: mount for mount in mounts},
        users={user.name: user for user in users}, sshd_digest=_text(sshd, "config_digest"),
        sshd_command=_words(sshd, "command") or SSHD, memory=int(memory),
    )


def load(path: Path) -> Config:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except Refused as error:
        raise Refused(f"{path}: {error}") from error


def environment(mount: Mount) -> dict[str, str]:
    """What a mount's process gets: its settings, then the lines KEY=VALUE of its file, which are taken as they are."""
    made = dict(mount.environment)
    if mount.environment_file:
        try:
            text = Path(mount.environment_file).read_text(encoding="utf-8")
        except OSError as error:
            raise Refused(f"{mount.environment_file}: {error.strerror}") from error
        for line in text.splitlines():
            key, separator, value = line.partition("=")
            if separator and not line.startswith("#"):
                made[key.strip()] = value
    return made
