# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done about a truncated upload, through the S3 API. Runs in a child process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sabakan_sftp.config import Bucket
from sabakan_sftp.uploads import WAIT, action, verdict


class Storage(Protocol):
    def head(self, key: str) -> dict[str, Any] | None: ...
    def copy(self, source: str, target: str, found: Mapping[str, Any]) -> None: ...
    def delete(self, key: str, found: Mapping[str, Any]) -> bool: ...


def aside(prefix: str, record: Mapping[str, Any]) -> str:
    """A name that says when it happened and is the same at every try."""
    return f"{prefix}{record['key']}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(record['ended']))}-{record['id'][:8]}"


def settle(store: Storage, record: Mapping[str, Any], policy: str, prefix: str, wait: float = WAIT,
           now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> dict[str, str]:
    """{"outcome", "detail"}. Waits for the object, as the mount may still be finishing what it has."""
    until = now() + wait
    while True:
        found = store.head(record["key"])
        judged = verdict(record, found, now()) if found else "other"
        if judged != "other" or now() >= until:
            break
        sleep(1.0)
    target = aside(prefix, record)
    if found is None:
        if policy != "record" and store.head(target):
            return {"outcome": "quarantined", "detail": target}  # an earlier try got so far and could not tell
        return {"outcome": "absent", "detail": "no object came of it"}
    if judged == "other":
        return {"outcome": "other", "detail": f"the object there ({found['size']} bytes) is not known to be of this upload"}
    chosen = action(policy, judged)
    if chosen == "record":
        return {"outcome": "recorded", "detail": f"an object of {found['size']} bytes is there"}
    if chosen == "quarantine":
        store.copy(record["key"], target, found)
        copied = store.head(target)
        if copied is None or copied["size"] != found["size"]:
            return {"outcome": "recorded", "detail": f"its copy {target} is not whole, so that the object was left"}
    again = store.head(record["key"])
    if again is None or again["etag"] != found["etag"] or not store.delete(record["key"], found):
        return {"outcome": "replaced", "detail": "another object took its place meanwhile"}
    return {"outcome": "quarantined", "detail": target} if chosen == "quarantine" else {"outcome": "removed", "detail": f"{found['size']} bytes"}


def run(bucket: Bucket, environment: Mapping[str, str], record: Mapping[str, Any], policy: str, prefix: str) -> dict[str, str]:
    from sabakan_sftp import s3

    store = s3.Store(bucket, environment, 20.0)
    if not store.keys:
        return {"outcome": "recorded", "detail": "the mount has no keys of its own to look with"}
    try:
        return settle(store, record, policy, prefix, WAIT if record["finishing"] else 0.0)
    except s3.Denied as error:
        return {"outcome": "refused", "detail": str(error)}
