# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Environment lint: which variables the deployed Mastodon no longer reads, needs, or cannot read from a file.

Sources: https://docs.joinmastodon.org/admin/config/ (what is marked removed) and, in
Mastodon's tree, config/initializers/deprecations.rb, active_record_encryption.rb and
config/puma.rb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.sabakan.vps.plugins.module_utils._plan import Report, mapping, read_version


class Removed(NamedTuple):
    """Since which version a variable is not read, and what to write instead."""

    since: tuple[int, int]
    instead: str


_ALWAYS_ON = "nothing: fetching all replies is always on"
REMOVED: dict[str, Removed] = {
    "STREAMING_CLUSTER_NUM": Removed((4, 2), "one mastodon-streaming@PORT unit for each process (streaming_ports)"),
    "STATSD_ADDR": Removed((4, 3), "MASTODON_PROMETHEUS_EXPORTER_ENABLED (from 4.4)"),
    "STATSD_NAMESPACE": Removed((4, 3), "nothing: StatsD is gone"),
    "STATSD_SIDEKIQ": Removed((4, 3), "MASTODON_PROMETHEUS_EXPORTER_SIDEKIQ_DETAILED_METRICS (from 4.4)"),
    "OTP_SECRET": Removed((4, 4), "nothing: second factors are under ACTIVE_RECORD_ENCRYPTION_* since 4.3"),
    "REDIS_NAMESPACE": Removed(
        (4, 4), "REDIS_DB or a Redis of its own, after the keys are migrated, and ES_PREFIX for Elasticsearch"
    ),
    "REDIS_USERNAME": Removed((4, 4), "REDIS_USER, which web, Sidekiq and streaming all read"),
    "FETCH_REPLIES_ENABLED": Removed((4, 5), _ALWAYS_ON),
    "FETCH_REPLIES_COOLDOWN_MINUTES": Removed((4, 5), _ALWAYS_ON),
    "FETCH_REPLIES_INITIAL_WAIT_MINUTES": Removed((4, 5), _ALWAYS_ON),
    "FETCH_REPLIES_MAX_GLOBAL": Removed((4, 5), _ALWAYS_ON),
    "FETCH_REPLIES_MAX_SINGLE": Removed((4, 5), _ALWAYS_ON),
    "FETCH_REPLIES_MAX_PAGES": Removed((4, 5), _ALWAYS_ON),
    "MASTODON_USE_LIBVIPS": Removed((4, 6), "nothing: libvips is the only one left"),
    "MAGICK_CONFIGURE_PATH": Removed((4, 6), "nothing: ImageMagick is gone"),
    "ENABLE_SIDEKIQ_UNIQUE_JOBS_UI": Removed((4, 6), "nothing: that page is gone"),
}
RENAMED = {
    "WHITELIST_MODE": "LIMITED_FEDERATION_MODE",
    "EMAIL_DOMAIN_BLACKLIST": "EMAIL_DOMAIN_DENYLIST",
    "EMAIL_DOMAIN_WHITELIST": "EMAIL_DOMAIN_ALLOWLIST",
}
# Read before dotenv has loaded the file, or by a process that never loads it.
_UNIT = "in the systemd unit (Environment=)"
_OF_PUMA = "in puma_environment of role puma"
NOT_FROM_DOTENV = {
    "RAILS_ENV": _UNIT, "NODE_ENV": _UNIT, "BIND": _UNIT, "PORT": _UNIT, "SOCKET": _UNIT,
    "WEB_CONCURRENCY": "by puma_workers of role puma", "MAX_THREADS": "by puma_threads of role puma",
    "MIN_THREADS": _OF_PUMA, "PERSISTENT_TIMEOUT": _OF_PUMA, "PROXY_PROTO_V1": _OF_PUMA,
}

# Each group: one of these must be there. since, until: first version, and first that does without.
_FIRST, _NEVER = (0, 0), (9999, 0)
REQUIRED: list[tuple[tuple[int, int], tuple[int, int], Sequence[str]]] = [
    (_FIRST, _NEVER, ("LOCAL_DOMAIN",)),
    (_FIRST, _NEVER, ("SECRET_KEY_BASE",)),
    (_FIRST, _NEVER, ("VAPID_PRIVATE_KEY",)),
    (_FIRST, _NEVER, ("VAPID_PUBLIC_KEY",)),
    (_FIRST, _NEVER, ("DB_HOST", "DATABASE_URL")),
    (_FIRST, _NEVER, ("REDIS_HOST", "REDIS_URL", "REDIS_SENTINELS")),
    (_FIRST, (4, 4), ("OTP_SECRET",)),
    ((4, 3), _NEVER, ("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",)),
    ((4, 3), _NEVER, ("ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",)),
    ((4, 3), _NEVER, ("ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",)),
]


def environment_lint(environment: object, version: object, *, complete: bool = True) -> Report:
    """Check Mastodon's environment file against the version that will read it.

    environment: {NAME: value}; values are never told. complete: it is the whole file, so
    the required variables are looked for, and an empty one counts as missing.
    """
    deployed = read_version(version)
    variables = mapping(environment, "environment")
    report = Report()
    for name in sorted(variables):
        if name in REMOVED and deployed >= REMOVED[name].since:
            major, minor = REMOVED[name].since
            report.errors.append(
                f"{name} is not read since Mastodon {major}.{minor} and {version} is deployed:"
                f" remove it; write instead {REMOVED[name].instead}."
            )
        elif name in NOT_FROM_DOTENV:
            report.errors.append(
                f"{name} cannot come from the environment file, it is read before or without it:"
                f" set it {NOT_FROM_DOTENV[name]}."
            )
        elif name in RENAMED:
            report.warnings.append(f"{name} is deprecated: write {RENAMED[name]} instead.")
    for since, until, names in REQUIRED if complete else []:
        if since <= deployed < until and not any(_given(variables.get(name)) for name in names):
            report.errors.append(f"{' or '.join(names)} is required by Mastodon {version} and is missing or empty.")
    report.table = [{"variables": len(variables), "version": str(version)}]
    return report


def _given(value: object) -> bool:
    return value is not None and bool(str(value).strip())


def environment_value(value: object) -> str:
    """A value of YAML as programs read it: Mastodon compares with "true", and Python would write True, or None."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
