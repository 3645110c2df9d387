#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_prefix_archive
short_description: Move cold objects out of a mounted prefix of an S3 bucket
version_added: 0.1.0
description:
  - Moves objects that are older than so many days, or whose names match a pattern, from one prefix to another prefix or
    bucket of the same store, so that what is mounted stays small. The store copies by itself; nothing passes through the
    host unless O(compare_content) asks for it.
  - A source is deleted only after its copy was proven the same, and only if it is still the object that was copied. By
    version in a bucket with versions, where an older one that comes up by that is hidden by a delete marker; otherwise by
    C(If-Match), and after another look, as not every store heeds it; see RV(conditional_delete). Swift misjudges
    C(If-Match) for objects in parts, so that there the last look, milliseconds before, is all.
  - Nothing that is at the destination is overwritten. The same object there counts as an earlier run's copy, so that an
    interrupted run goes on where it was; another one is a conflict, and its source stays.
  - "What proves that a copy is the same: always the size; then a checksum that the store keeps of both whole objects
    (CRC64NVME, SHA256, SHA1, CRC32C, CRC32); else the ETags, if both are an MD5 of the content. The ETag of an object that
    was uploaded in parts is none: such an object is copied in parts of the same size where the store tells it, which gives
    an equal ETag, and is read on both sides where that does not help. Objects encrypted by keys of KMS or the customer are
    never compared by ETag."
  - No module that exists does this. C(amazon.aws.s3_object) copies one object and neither compares nor deletes,
    C(community.aws.s3_sync) uploads files, lifecycle rules change the class of an object and never its key, and moving by
    command line tools deletes by name whatever is there by then.
options:
  bucket:
    description: Bucket of the objects.
    type: str
    required: true
  prefix:
    description: Prefix that they leave, with a slash at its end; empty for the whole bucket, and then O(destination_bucket) is another one.
    type: str
    required: true
  destination_bucket:
    description: Bucket that they go to; O(bucket) when not given.
    type: str
  destination_prefix:
    description: Prefix that replaces O(prefix) in their keys, with a slash at its end. Neither prefix may hold the other.
    type: str
    required: true
  older_than:
    description: Days since an object was last modified, by the store's clock. 0 for any age. With O(patterns) both must hold.
    type: int
  patterns:
    description: Shell patterns of the key after O(prefix); one that matches is enough. C(*) matches slashes too.
    type: list
    elements: str
    default: []
  exclude:
    description: Shell patterns of what stays in any case.
    type: list
    elements: str
    default: []
  keep_metadata:
    description: Whether user metadata and headers such as C(Cache-Control) go along. The content type always does.
    type: bool
    default: true
  keep_tags:
    description: Whether tags go along.
    type: bool
    default: true
  storage_class:
    description: Class of the copies, such as C(GLACIER_IR); the source's own when empty.
    type: str
    default: ""
  compare_content:
    description:
      - V(when_needed) reads an object and its copy where the store's own figures do not prove that they are the same.
      - V(always) reads all. V(never) reads none; a source whose copy is not proven then stays, and is in RV(unverified).
    type: str
    choices: [when_needed, always, never]
    default: when_needed
  require_conditional_delete:
    description:
      - Whether to refuse a store that ignores C(If-Match) when it deletes. There an object that is replaced in the
        milliseconds between the last look and the deletion is lost, unless the bucket keeps versions.
    type: bool
    default: false
  limit:
    description: Objects of one run at most, in the order of their keys; 0 for all. RV(remaining) says how many are left.
    type: int
    default: 0
  progress:
    description: File that says how far a long run is, as JSON with C(done), C(total), C(bytes) and C(key); replaced about once a second.
    type: path
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.s3
attributes:
  check_mode:
    support: full
    details: The list is whole. Conflicts are found by looking at each destination.
  diff_mode:
    support: full
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Move what was delivered three months ago out of the partners' sight
  sabakan.vps.s3_prefix_archive:
    bucket: deliveries
    prefix: partners/
    destination_prefix: archive/partners/
    older_than: 90
    exclude: ["readme/*"]
    storage_class: GLACIER_IR
    region: ap-northeast-1
    path_style: false

- name: See what would go from a store of one's own
  sabakan.vps.s3_prefix_archive:
    endpoint_url: https://10.91.0.51:8080
    access_key: test:tester
    secret_key: "{{ vault_key }}"
    bucket: media
    prefix: p/
    destination_prefix: old/
    patterns: ["*.part", "tmp/*"]
  check_mode: true
"""

RETURN = r"""
objects:
  description: Every object that was or would be moved, and what became of it.
  returned: always
  type: list
  elements: dict
  contains:
    key: {description: Its key., type: str}
    destination: {description: Its key at the destination., type: str}
    size: {description: Bytes., type: int}
    modified: {description: When it was last modified., type: str}
    outcome: {description: "V(would_move), V(moved), V(conflict), V(unverified), V(changed), V(gone) or V(failed)", type: str}
    detail: {description: What proved the copy or what was in the way., type: str}
moved:
  description: Number of objects moved, or that would be.
  returned: always
  type: int
bytes:
  description: Their bytes.
  returned: always
  type: int
conflicts:
  description: Keys whose destination has another object.
  returned: always
  type: list
  elements: str
unverified:
  description: Keys whose copy could not be proven the same; both are there.
  returned: always
  type: list
  elements: str
skipped:
  description: Keys that would go and are in a storage class that cannot be read without a restore.
  returned: always
  type: list
  elements: str
remaining:
  description: Objects that are left because of O(limit).
  returned: always
  type: int
conditional_delete:
  description: Whether the source is deleted only if it is still the same by the store's own word; null where nothing was to be deleted.
  returned: always
  type: bool
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_archive as archive
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_client as s3
from ansible_collections.sabakan.vps.plugins.module_utils._s3_mover import (
    CONFLICT,
    FAILED,
    MOVED,
    UNVERIFIED,
    Mover,
    Order,
)


class Progress:
    """Tells how far it is, without making the work wait for it."""

    def __init__(self, path: str | None, total: int) -> None:
        self.path, self.total, self.told = Path(path) if path else None, total, 0.0

    def tell(self, done: int, count: int, key: str) -> None:
        if self.path is None or (done < self.total and time.monotonic() - self.told < 1):
            return
        self.told = time.monotonic()
        temporary = self.path.with_name(f".{self.path.name}.new")
        temporary.write_text(json.dumps({"done": done, "total": self.total, "bytes": count, "key": key}) + "\n", encoding="utf-8")
        temporary.replace(self.path)


def candidates(client: Any, values: dict[str, Any]) -> tuple[list[archive.Thing], list[archive.Thing]]:
    going: list[archive.Thing] = []
    cold: list[archive.Thing] = []
    now = None
    for page in s3.pages(client, "list_objects_v2", Bucket=values["bucket"], Prefix=values["prefix"]):
        now = now or s3.store_time(page)
        found = archive.choose(archive.things(page), values["prefix"], now, values["older_than"], values["patterns"], values["exclude"])
        going += found[0]
        cold += found[1]
    return going, cold


def foresee(client: Any, order: Order, thing: archive.Thing) -> tuple[str, str]:
    """What a real run would make of an object, as far as looking tells."""
    there = s3.head(client, order.target_bucket, archive.target_key(thing.key, order.prefix, order.target_prefix))
    source = s3.head(client, order.bucket, thing.key) if there else None
    if there and source and archive.compare(source, there)[0] == archive.DIFFERENT:
        return CONFLICT, "another object is there"
    return "would_move", "the copy is there" if there else ""


def work(module: AnsibleModule, client: Any, order: Order, going: list[archive.Thing], result: dict[str, Any]) -> None:
    mover, progress = Mover(client, order), Progress(None if module.check_mode else module.params["progress"], len(going))
    for done, thing in enumerate(going, 1):
        try:
            outcome, detail = foresee(client, order, thing) if module.check_mode else mover.move(thing)
        except (s3.ClientError, s3.BotoCoreError) as error:
            outcome, detail = FAILED, str(error)
        result["objects"].append({
            "key": thing.key, "destination": archive.target_key(thing.key, order.prefix, order.target_prefix), "size": thing.size,
            "modified": thing.modified.isoformat(), "outcome": outcome, "detail": detail,
        })
        if outcome in (MOVED, "would_move"):
            result["moved"] += 1
            result["bytes"] += thing.size
        progress.tell(done, result["bytes"], thing.key)
    for name, outcome in (("conflicts", CONFLICT), ("unverified", UNVERIFIED)):
        result[name] = [one["key"] for one in result["objects"] if one["outcome"] == outcome]


def run(module: AnsibleModule, result: dict[str, Any]) -> None:
    values = module.params
    order = Order(values["bucket"], values["prefix"], values["destination_bucket"] or values["bucket"], values["destination_prefix"],
                  values["keep_metadata"], values["keep_tags"], values["storage_class"], values["compare_content"])
    problem = archive.complaint(order.bucket, order.prefix, order.target_bucket, order.target_prefix, values["older_than"], values["patterns"])
    if problem:
        module.fail_json(msg=problem, **result)
    client = s3.connect(values)
    going, cold = candidates(client, values)
    result["skipped"] = [thing.key for thing in cold]
    if values["limit"] > 0:
        result["remaining"] = max(0, len(going) - values["limit"])
        going = going[:values["limit"]]
    if going and not module.check_mode:
        versions = client.get_bucket_versioning(Bucket=order.bucket).get("Status") == "Enabled"
        result["conditional_delete"] = versions or Mover(client, order).deletes_on_condition()
        if values["require_conditional_delete"] and not result["conditional_delete"]:
            module.fail_json(msg=f"{client.meta.endpoint_url} deletes {order.bucket}'s objects whatever If-Match says, and the bucket keeps no versions: "
                                 "nothing was moved. Set require_conditional_delete to false, or versioning on.", **result)
    work(module, client, order, going, result)


def main() -> None:
    module = AnsibleModule(argument_spec={
        **s3.ARGUMENTS, "bucket": {"type": "str", "required": True}, "prefix": {"type": "str", "required": True},
        "destination_bucket": {"type": "str"}, "destination_prefix": {"type": "str", "required": True}, "older_than": {"type": "int"},
        "patterns": {"type": "list", "elements": "str", "default": []}, "exclude": {"type": "list", "elements": "str", "default": []},
        "keep_metadata": {"type": "bool", "default": True}, "keep_tags": {"type": "bool", "default": True},
        "storage_class": {"type": "str", "default": ""},
        "compare_content": {"type": "str", "choices": ["when_needed", "always", "never"], "default": "when_needed"},
        "require_conditional_delete": {"type": "bool", "default": False}, "limit": {"type": "int", "default": 0}, "progress": {"type": "path"},
    }, supports_check_mode=True)
    if s3.missing():
        module.fail_json(msg=missing_required_lib("boto3"))
    result: dict[str, Any] = {"objects": [], "moved": 0, "bytes": 0, "conflicts": [], "unverified": [], "skipped": [], "remaining": 0,
                              "conditional_delete": None}
    try:
        run(module, result)
    except (s3.ClientError, s3.BotoCoreError, OSError) as error:
        module.fail_json(msg=f"{module.params['bucket']}/{module.params['prefix']}: {error}", **result)
    gone = [one for one in result["objects"] if one["outcome"] in (MOVED, "would_move")]
    result["diff"] = {"before": "".join(f"{one['key']}\n" for one in gone), "after": "".join(f"{one['destination']}\n" for one in gone)}
    bad = [one for one in result["objects"] if one["outcome"] in (CONFLICT, FAILED, UNVERIFIED)]
    if bad and not module.check_mode:
        module.fail_json(msg=f"{len(bad)} of {len(result['objects'])} objects stay where they are, {result['moved']} were moved; first: "
                             f"{bad[0]['key']}: {bad[0]['detail']}", changed=result["moved"] > 0, **result)
    module.exit_json(changed=result["moved"] > 0, **result)


if __name__ == "__main__":
    main()
