# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of the SFTP server as data: read, with everything that is wrong with them told at once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._plan import integer, mapping, sequence, text

FIELDS = (
    "name", "uid", "keys", "password_hash", "bucket", "prefix", "directory", "read_only", "delete", "overwrite", "access_key",
    "secret_key",
)
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
# Accounts that the container's Debian has or could get.
TAKEN = {
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup", "list", "irc",
    "nobody", "sshd", "messagebus", "sabakan-sftp", "systemd-network",
}
UIDS = range(1000, 60000)
HASH = re.compile(r"\$(y|gy|7|6|5|2[aby])\$[A-Za-z0-9./$=,+-]{8,250}")
KEY_TYPES = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)")
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
DIRECTORY = re.compile(r"(?!dev$)[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class User:
    """A partner."""

    name: str
    uid: int
    keys: tuple[str, ...]
    password_hash: str
    bucket: str
    prefix: str
    directory: str
    read_only: bool
    delete: bool
    overwrite: bool
    access_key: str
    secret_key: str


def truth(value: object, path: str) -> bool:
    """Read a truth value, also as -e gives it."""
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0"):
        return False
    raise ValueError(f"{path}: expected true or false, got {value!r}")


def key(value: object, path: str) -> str:
    """Read one public key, `type base64 comment`, without options."""
    line = text(value, path)
    parts = line.split(None, 2)
    if CONTROL.search(line):
        raise ValueError(f"{path}: one key on one line is expected")
    if len(parts) < 2 or not KEY_TYPES.fullmatch(parts[0]):
        raise ValueError(f"{path}: expected a public key such as 'ssh-ed25519 AAAA... comment', without options, got {line[:30]!r}")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    kind = parts[0].encode()
    if blob[:4 + len(kind)] != len(kind).to_bytes(4, "big") + kind or len(blob) < len(kind) + 36:
        raise ValueError(f"{path}: the base64 of this {parts[0]} key is damaged")
    return line


def prefix(value: object, path: str) -> str:
    """Read a prefix: empty for the whole bucket, else it ends with a slash."""
    if value in (None, ""):
        return ""
    text(value, path)
    found = str(value).rstrip()  # a space at the beginning is part of the name
    if CONTROL.search(found) or len(found.encode()) > 900:
        raise ValueError(f"{path}: a prefix has no control characters and at most 900 bytes")
    if not found.endswith("/"):
        raise ValueError(f"{path}: {found!r} must end with a slash ({found + '/'!r}); without it other objects that begin so would match")
    if found.startswith("/") or any(part in ("", ".", "..") for part in found[:-1].split("/")):
        raise ValueError(f"{path}: {found!r} must not begin with a slash nor have empty, '.' or '..' parts")
    return found


def _matching(pattern: re.Pattern[str], value: object, path: str, expected: str) -> str:
    found = text(value, path)
    if not pattern.fullmatch(found):
        raise ValueError(f"{path}: expected {expected}, got {found!r}")
    return found


def read_user(item: object, path: str, settings: Mapping[str, Any]) -> User:
    """Read one user; raises ValueError with the first thing that is wrong."""
    given = mapping(item, path, FIELDS)
    name = _matching(NAME, given.get("name"), f"{path}.name", "a small letter, then small letters, digits, - and _, 32 at most")
    path = f"{path} ({name})"
    if name in TAKEN:
        raise ValueError(f"{path}.name: this account exists in the system itself")
    uid = integer(given.get("uid"), f"{path}.uid")
    if uid not in UIDS:
        raise ValueError(f"{path}.uid: {uid} is outside of {UIDS.start} to {UIDS.stop - 1}")
    keys = tuple(key(line, f"{path}.keys[{index}]") for index, line in enumerate(sequence(given.get("keys"), f"{path}.keys")))
    password_hash = given.get("password_hash") or ""
    if password_hash and not (isinstance(password_hash, str) and HASH.fullmatch(password_hash)):
        raise ValueError(f"{path}.password_hash: expected a crypt(3) hash ($y$..., $6$...), as mkpasswd gives it, not a password")
    if not keys and not password_hash:
        raise ValueError(f"{path}: has neither keys nor a password_hash, so it could not log in")
    read_only = truth(given.get("read_only", False), f"{path}.read_only")
    delete = truth(given.get("delete", False), f"{path}.delete")
    overwrite = truth(given.get("overwrite", False), f"{path}.overwrite")
    if read_only and (delete or overwrite):
        raise ValueError(f"{path}: is read_only, so that delete and overwrite cannot be true")
    access, secret = (str(given.get(field) or settings[field] or "") for field in ("access_key", "secret_key"))
    if bool(given.get("access_key")) != bool(given.get("secret_key")) or bool(access) != bool(secret):
        raise ValueError(f"{path}: access_key and secret_key go together")
    if CONTROL.search(access + secret):
        raise ValueError(f"{path}: access_key or secret_key holds a control character")
    return User(
        name, uid, keys, password_hash,
        _matching(BUCKET, given.get("bucket"), f"{path}.bucket", "the name of a bucket (3 to 63 of a-z, 0-9, . _ and -)"),
        prefix(given.get("prefix"), f"{path}.prefix"),
        _matching(DIRECTORY, given.get("directory") or "data", f"{path}.directory", "the name of a directory, other than dev"),
        read_only, delete, overwrite, access, secret,
    )


def read_users(users: object, driver: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[list[User], list[str]]:
    """Read all users, in the order of their names, and every error."""
    found: list[User] = []
    errors: list[str] = []
    for index, item in enumerate(sequence(users, "sftp_s3_users")):
        try:
            found.append(read_user(item, f"sftp_s3_users[{index}]", settings))
        except ValueError as error:
            errors.append(f"{error}.")
    for what in ("name", "uid"):
        values = [getattr(user, what) for user in found]
        for value in sorted({value for value in values if values.count(value) > 1}):
            names = " and ".join(user.name for user in found if getattr(user, what) == value)
            errors.append(f"sftp_s3_users: {names} have one {what}, {value}: it must be of one user alone.")
    pairs = {(user.access_key, user.secret_key) for user in found}
    for access in sorted({access for access, dummy in pairs if sum(access == other for other, dummy in pairs) > 1}):
        errors.append(f"sftp_s3_users: the access_key {access} has more than one secret_key.")
    cannot = [user.name for user in found if not user.read_only and not user.overwrite and not driver["can"]["forbid_overwrite"]]
    if cannot:
        errors.append(
            f"sftp_s3_users: {', '.join(cannot)} must not overwrite, but {driver['name']} cannot forbid it: set overwrite: true (or"
            " read_only: true) for them, or take a driver that can."
        )
    return sorted(found, key=lambda user: user.name), errors
