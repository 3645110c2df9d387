# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From users as data to mounts, the keeper's configuration and sshd's: nothing here touches a host.

A driver is a description (vars/drivers/*.yml); nothing here knows the name of one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._mount_memory import Load, MemoryPlan, memory_plan
from ansible_collections.sabakan.vps.plugins.module_utils._sftp_settings import (
    read_settings,
    wrong_options,
    wrong_settings,
)
from ansible_collections.sabakan.vps.plugins.module_utils._sftp_users import User, read_users
from ansible_collections.sabakan.vps.plugins.module_utils._signed_package import package_of

CONFIGURATION = "/etc/sabakan-sftp"
MOUNTS = "/srv/s3"
# User and group in the container that own what is mounted. All users are in the group, which sshd lets in; what keeps
# them apart is the chroot.
OWNER = 900
MIB = 1024 * 1024


@dataclass
class Mount:
    """One process of the driver; users with the same bucket, prefix, rights and keys share it."""

    name: str
    bucket: str
    prefix: str
    read_only: bool
    delete: bool
    overwrite: bool
    access_key: str
    secret_key: str
    users: list[str] = field(default_factory=list)


def mounts_of(users: Sequence[User], can: Mapping[str, bool]) -> list[Mount]:
    """Group the users. A mount's name and rights depend on none of them, so that one who comes or goes disturbs nobody.

    What the driver cannot forbid makes no difference between mounts.
    """
    mounts: dict[tuple[Any, ...], Mount] = {}
    for user in users:
        delete, overwrite = user.delete and can["forbid_delete"], user.overwrite and can["forbid_overwrite"]
        kind = (user.bucket, user.prefix, user.access_key, user.read_only, delete, overwrite)
        name = f"{user.bucket[:48]}-{hashlib.sha256(json.dumps(kind).encode()).hexdigest()[:8]}"
        mount = mounts.setdefault(
            kind, Mount(name, user.bucket, user.prefix, user.read_only, delete, overwrite, user.access_key, user.secret_key))
        mount.users.append(user.name)
    return sorted(mounts.values(), key=lambda mount: mount.name)


def words(template: object, fields: Mapping[str, Any]) -> list[str]:
    """A driver's list of words with its fields filled in."""
    found: list[str] = []
    for item in template if isinstance(template, (list, tuple)) else []:
        if isinstance(item, Mapping):
            wanted = bool(fields[item["if"]]) if "if" in item else not fields[item["unless"]]
            found += words(item["words"], fields) if wanted else []
        else:
            found.append(str(item).format_map(fields))
    return found


def fields_of(mount: Mount, settings: Mapping[str, Any], plan: MemoryPlan) -> dict[str, Any]:
    """What a driver's description may name."""
    endpoint = settings["endpoint"]
    return {
        "bucket": mount.bucket, "prefix": mount.prefix, "colon_prefix": f":/{mount.prefix.rstrip('/')}" if mount.prefix else "",
        "path": f"{MOUNTS}/{mount.name}", "uid": OWNER, "gid": OWNER,
        "read_only": mount.read_only, "delete": mount.delete, "overwrite": mount.overwrite,
        "endpoint": endpoint, "region": settings["region"], "path_style": Truth(settings["path_style"]),
        "provider": "Other" if endpoint else "AWS",
        "ca_file": f"{CONFIGURATION}/ca.crt" if settings["ca_certificate"] else "",
        "access_key": mount.access_key, "secret_key": mount.secret_key, "own_keys": "true" if mount.access_key else "",
        "memory_target": plan.target, "read_part": plan.read_part, "write_part": plan.write_part,
        "read_part_bytes": plan.read_part * MIB, "write_part_bytes": plan.write_part * MIB,
    }


class Truth:
    """A truth value that is written as programs read it."""

    def __init__(self, value: bool) -> None:
        self.value = bool(value)

    def __bool__(self) -> bool:
        return self.value

    def __format__(self, specification: str) -> str:
        return "true" if self.value else "false"


def secrets_of(driver: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, str]:
    """The environment with the keys of a mount; empty where the host's own role signs."""
    found = {name: str(value).format_map(fields) for name, value in driver.get("secrets", {}).items()}
    return {name: value for name, value in found.items() if value}


def configuration(
    driver: Mapping[str, Any], users: Sequence[User], mounts: Sequence[Mount], settings: Mapping[str, Any], plan: MemoryPlan,
) -> dict[str, Any]:
    """The keeper's config.json; the digest of sshd's own file is added where that is rendered."""
    return {
        "version": 1,
        "memory": settings["memory"],
        "mounts": [_mount(driver, mount, settings, plan) for mount in mounts],
        "users": [_user(user, mounts) for user in users],
        "sshd": {"port": 22},
    }


def _mount(driver: Mapping[str, Any], mount: Mount, settings: Mapping[str, Any], plan: MemoryPlan) -> dict[str, Any]:
    fields = fields_of(mount, settings, plan)
    secrets = secrets_of(driver, fields)
    environment = {name: str(value).format_map(fields) for name, value in driver.get("environment", {}).items()}
    return {
        "name": mount.name,
        "path": fields["path"],
        "command": words(driver["command"], fields) + settings["driver_options"],
        "environment": {name: value for name, value in environment.items() if value},
        "environment_file": f"{CONFIGURATION}/secrets/{mount.name}.env" if secrets else "",
        # Another key or authority must change this file, by which the keeper knows what to mount anew.
        "secrets_digest": hashlib.sha256(json.dumps([secrets, settings["ca_certificate"]], sort_keys=True).encode()).hexdigest(),
        "unmount": ["fusermount3", "-uz", fields["path"]],
        "read_only": mount.read_only,
        "can_delete": mount.delete or not driver["can"]["forbid_delete"],
        "can_overwrite": mount.overwrite or not driver["can"]["forbid_overwrite"],
        "uid": OWNER,
        "gid": OWNER,
        "probe_interval": settings["probe_interval"],
        "probe_timeout": settings["probe_timeout"],
        "backoff_max": settings["backoff_max"],
        "s3": {
            "bucket": mount.bucket, "prefix": mount.prefix, "endpoint": settings["endpoint"], "region": settings["region"],
            "path_style": bool(settings["path_style"]), "ca_file": fields["ca_file"],
        },
        "on_truncated": settings["on_truncated"],
        "quarantine_prefix": settings["quarantine_prefix"],
    }


def _user(user: User, mounts: Sequence[Mount]) -> dict[str, Any]:
    mount = next(mount for mount in mounts if user.name in mount.users)
    return {
        "name": user.name, "uid": user.uid, "gid": user.uid, "groups": [OWNER], "password_hash": user.password_hash,
        "keys": list(user.keys), "mount": mount.name, "directory": user.directory, "read_only": user.read_only, "delete": user.delete,
    }


def summary(config: Mapping[str, Any], table: Sequence[str]) -> dict[str, Any]:
    """What may be seen of the configuration: a digest tells that a hash is another one, and not which."""
    users = [
        {**user, "password_hash": user["password_hash"] and hashlib.sha256(user["password_hash"].encode()).hexdigest()[:12]}
        for user in config["users"]
    ]
    return {"memory": list(table), "mounts": config["mounts"], "users": users}


def policy(user: User, removes: bool, quarantine: str) -> dict[str, Any]:
    """The least policy document that serves a user.

    removes: truncated uploads are taken away; quarantine: the prefix that they are copied to before, where their copies
    are looked at too, or empty.
    """
    bucket = f"arn:aws:s3:::{user.bucket}"
    aside = f"{quarantine}{user.prefix}*" if quarantine and not user.read_only else ""
    listing: dict[str, Any] = {"Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket]}
    if user.prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [user.prefix.rstrip("/"), f"{user.prefix}*"] + ([aside] if aside else [])}}
    actions = ["s3:GetObject"]
    if not user.read_only:
        actions += ["s3:PutObject", "s3:AbortMultipartUpload"]
        if user.delete or removes:
            actions.append("s3:DeleteObject")
        if removes:
            actions.append("s3:DeleteObjectVersion")  # in a bucket with versions just the one that was looked at goes
    objects = {"Sid": "Objects", "Effect": "Allow", "Action": actions, "Resource": [f"{bucket}/{user.prefix}*"]}
    statements = [listing, objects]
    if aside:
        statements.append({
            "Sid": "Quarantine", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            "Resource": [f"{bucket}/{aside}"],
        })
    return {"Version": "2012-10-17", "Statement": statements}


def restricted(users: Sequence[User]) -> dict[str, list[str]]:
    """Users by the options of internal-sftp that take from them what their mount would let them do."""
    found: dict[str, list[str]] = {}
    for user in users:
        if user.read_only:
            found.setdefault("-R", []).append(user.name)
        elif not user.delete:
            # Renaming takes an object away too, and over another one it destroys that.
            found.setdefault("-P remove,rmdir,rename,posix-rename", []).append(user.name)
    return found


@dataclass
class SftpPlan:
    """All that follows from a role's variables; errors refuse it."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    table: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    restricted: dict[str, list[str]] = field(default_factory=dict)
    package: dict[str, str] = field(default_factory=dict)


def sftp_plan(
    users: object, driver_name: str, drivers: Sequence[Mapping[str, Any]], settings: Mapping[str, Any],
) -> SftpPlan:
    """Everything that the role needs to know, from its variables; what is wrong is told at once."""
    made = SftpPlan()
    driver = next((driver for driver in drivers if driver.get("name") == driver_name), None)
    if driver is None:
        known = ", ".join(sorted(str(driver.get("name")) for driver in drivers))
        made.errors.append(f"sftp_s3_driver {driver_name!r} is not known: {known} are.")
        return made
    settings = read_settings(settings)
    found, made.errors = read_users(users, driver, settings)
    made.errors += wrong_settings(settings) + wrong_options(driver, settings["driver_options"])
    made.package, errors = package_of(
        driver, settings["driver_version"], settings["architecture"], settings["driver_url"], settings["driver_signers"])
    made.errors += errors
    # Also where they are removed: one that is not proven to be truncated is put aside.
    quarantine = settings["quarantine_prefix"] if settings["on_truncated"] != "record" else ""
    made.errors += [
        f"sftp_s3_quarantine_prefix {quarantine} lies within the prefix {where} of a user, who would find it there."
        for where in sorted({user.prefix for user in found if user.prefix and quarantine.startswith(user.prefix)})
    ]
    mounts = mounts_of(found, driver["can"])
    memory = memory_plan(
        driver, drivers, Load(max(len(mounts), settings["mounts"], 1), settings["readers"], settings["writers"]), memory=settings["memory"],
        memory_swap=settings["memory_swap"], target=settings["memory_target"], host_memory=settings["host_memory"],
        host_reserve=settings["host_reserve"], host_swap=settings["host_swap"],
    )
    made.errors += memory.errors
    made.warnings, made.table = memory.warnings, memory.table
    if made.errors:
        return made
    made.config = configuration(driver, found, mounts, settings, memory)
    made.summary = summary(made.config, memory.table)
    made.secrets = {
        mount.name: found_secrets for mount in mounts
        if (found_secrets := secrets_of(driver, fields_of(mount, settings, memory)))
    }
    removes = settings["on_truncated"] != "record"
    made.policies = {user.name: policy(user, removes, quarantine) for user in found}
    made.restricted = restricted(found)
    return made
