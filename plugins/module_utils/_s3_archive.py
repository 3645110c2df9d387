# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decisions of s3_prefix_archive: which objects go, where to, what proves that a copy is the same. Pure.

An ETag is an MD5 of the content only if it is 32 hexadecimal digits and the object is not encrypted with a key of KMS or
the customer's. One with a dash is made of the MD5s of the parts: two of them are equal only if the parts were cut alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

MIB = 1024**2
COPY_LIMIT = 5 * 1024**3  # one CopyObject takes no more
PART_LIMIT = 5 * 1024**3
PARTS = 10000
PART = 128 * MIB
COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # cannot be read, and so not copied, without a restore
CHECKSUMS = ("ChecksumCRC64NVME", "ChecksumSHA256", "ChecksumSHA1", "ChecksumCRC32C", "ChecksumCRC32")
CARRIED = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_PARTED = re.compile(r'"?[0-9a-f]{32}-([0-9]+)"?')

SAME, DIFFERENT, UNKNOWN = "same", "different", "unknown"


@dataclass(frozen=True)
class Thing:
    """An object as a listing tells of it."""

    key: str
    size: int
    etag: str
    modified: datetime
    storage_class: str = "STANDARD"


def things(page: Mapping[str, Any]) -> list[Thing]:
    return [
        Thing(one["Key"], int(one["Size"]), one.get("ETag", ""), one["LastModified"], one.get("StorageClass") or "STANDARD")
        for one in page.get("Contents") or ()
    ]


def complaint(bucket: str, prefix: str, target_bucket: str, target: str, older_than: int | None, patterns: Sequence[str]) -> str:
    """What is wrong with an order; empty when nothing."""
    if prefix and not prefix.endswith("/"):
        return f"prefix {prefix!r} does not end with a slash: objects of other prefixes that begin alike would go too"
    if target and not target.endswith("/"):
        return f"destination_prefix {target!r} does not end with a slash"
    if prefix.startswith("/") or target.startswith("/"):
        return "a prefix begins with a slash: keys do not"
    if bucket == target_bucket and (target.startswith(prefix) or prefix.startswith(target)):
        return f"prefix {prefix!r} and destination_prefix {target!r} of bucket {bucket} hold one another: what was moved would be found again"
    if older_than is None and not patterns:
        return "neither older_than nor patterns is given: everything would go"
    if older_than is not None and older_than < 0:
        return f"older_than is {older_than}, which is not 0 days or more"
    return ""


def is_wanted(thing: Thing, prefix: str, now: datetime, older_than: int | None, patterns: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether an object goes: old enough, one of the patterns (of the key after the prefix), none of the excluded, no directory."""
    name = thing.key[len(prefix):]
    if not name or name.endswith("/"):
        return False
    if older_than is not None and now - thing.modified < timedelta(days=older_than):
        return False
    if patterns and not any(fnmatchcase(name, pattern) for pattern in patterns):
        return False
    return not any(fnmatchcase(name, pattern) for pattern in exclude)


def choose(found: Iterable[Thing], prefix: str, now: datetime, older_than: int | None, patterns: Sequence[str],
           exclude: Sequence[str]) -> tuple[list[Thing], list[Thing]]:
    """(those that go, those that would and are in a class that cannot be read)."""
    wanted = [thing for thing in found if is_wanted(thing, prefix, now, older_than, patterns, exclude)]
    return [thing for thing in wanted if thing.storage_class not in COLD], [thing for thing in wanted if thing.storage_class in COLD]


def target_key(key: str, prefix: str, target: str) -> str:
    return target + key[len(prefix):]


def parts_of(etag: str) -> int:
    """How many parts an object was uploaded in; 0 when in one go, or when the ETag does not tell."""
    match = _PARTED.fullmatch(etag)
    return int(match.group(1)) if match else 0


def part_size(size: int, parts: int, first: int | None) -> int:
    """The size of the parts to copy in: those of the source where it is known to be regular, so that the ETags can be compared."""
    if parts and first and first <= PART_LIMIT and -(-size // first) == parts:
        return first
    least = -(-size // PARTS)
    return max(PART, -(-least // MIB) * MIB)


def ranges(size: int, part: int) -> list[str]:
    return [f"bytes={start}-{min(start + part, size) - 1}" for start in range(0, size, part)]


def needs_parts(size: int, etag: str, first: int | None) -> bool:
    """Whether to copy in parts: one request would not take it, or only equal parts make the ETags comparable."""
    parts = parts_of(etag)
    return size > COPY_LIMIT or (parts > 0 and size > 0 and bool(first) and part_size(size, parts, first) == first)


def _is_plain(head: Mapping[str, Any]) -> bool:
    """Whether the ETag is made from the content as it is read."""
    return not head.get("SSECustomerAlgorithm") and not str(head.get("ServerSideEncryption") or "").startswith("aws:kms")


def compare(source: Mapping[str, Any], copy: Mapping[str, Any]) -> tuple[str, str]:
    """(same, different or unknown; by what), from what HEAD tells of each: size, the store's checksums, ETags."""
    if source["ContentLength"] != copy["ContentLength"]:
        return DIFFERENT, f"sizes {source['ContentLength']} and {copy['ContentLength']}"
    for name in CHECKSUMS:
        # A composite checksum is of the parts' checksums, and says nothing where the parts differ.
        if source.get(name) and copy.get(name) and source.get("ChecksumType", "FULL_OBJECT") == copy.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
            if "-" in source[name] or "-" in copy[name]:
                continue
            return (SAME if source[name] == copy[name] else DIFFERENT), name.removeprefix("Checksum")
    if not (_is_plain(source) and _is_plain(copy)):
        return UNKNOWN, "the ETags are not of the content, as the objects are encrypted by keys of their own"
    tags = [head.get("ETag", "").strip('"') for head in (source, copy)]
    if all(_MD5.fullmatch(tag) for tag in tags):
        return (SAME if tags[0] == tags[1] else DIFFERENT), "MD5"
    if tags[0] == tags[1] and parts_of(tags[0]):
        return SAME, "MD5 of the MD5s of equal parts"
    return UNKNOWN, "one is in parts and the other is not, or in other parts"


def is_unchanged(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether an object is still the one that was copied."""
    names = ("ETag", "ContentLength", "LastModified", "VersionId")
    return all(before.get(name) == now.get(name) for name in names)


def version(head: Mapping[str, Any]) -> str:
    """The version to delete; empty in a bucket without versions."""
    found = str(head.get("VersionId") or "")
    return "" if found == "null" else found


def carried(head: Mapping[str, Any], keep_metadata: bool, storage_class: str) -> dict[str, Any]:
    """What a copy is given besides its content. storage_class: empty for the source's own."""
    made: dict[str, Any] = {"ContentType": head["ContentType"]} if head.get("ContentType") else {}
    if keep_metadata:
        made.update({name: head[name] for name in CARRIED if head.get(name)})
        made["Metadata"] = dict(head.get("Metadata") or {})
    kept = storage_class or head.get("StorageClass") or "STANDARD"
    if kept != "STANDARD":
        made["StorageClass"] = kept
    return made


# -- incomplete uploads


def rule(identity: str, prefix: str, days: int) -> dict[str, Any]:
    return {"ID": identity, "Status": "Enabled", "Filter": {"Prefix": prefix}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}}


def merged(rules: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], present: bool) -> list[dict[str, Any]]:
    """All rules of a bucket, as they are written at once: the others as they are, this one once or not at all."""
    others = [dict(one) for one in rules if one.get("ID") != wanted["ID"]]
    return [*others, dict(wanted)] if present else others


def is_in_force(rules: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], present: bool) -> bool:
    """Whether the rule is there and says the same. A store may give the prefix in the older form, beside the rule's name."""
    found = [one for one in rules if one.get("ID") == wanted["ID"]]
    if not present:
        return not found
    if len(found) != 1:
        return False
    one = found[0]
    prefix = (one.get("Filter") or {}).get("Prefix", one.get("Prefix", ""))
    extra = set(one) - {"ID", "Status", "Filter", "Prefix", "AbortIncompleteMultipartUpload"}
    return not extra and one.get("Status") == "Enabled" and prefix == wanted["Filter"]["Prefix"] and \
        one.get("AbortIncompleteMultipartUpload") == wanted["AbortIncompleteMultipartUpload"]


def stale(uploads: Iterable[Mapping[str, Any]], now: datetime, days: int) -> list[dict[str, Any]]:
    """Uploads that were begun so many days ago and not ended."""
    return [dict(one) for one in uploads if now - one["Initiated"] >= timedelta(days=days)]
