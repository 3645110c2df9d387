#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_incomplete_uploads
short_description: Abort multipart uploads that nobody completes
version_added: 0.1.0
description:
  - A mount that is killed in an upload leaves its parts in the store. They are in no listing and are paid for until
    the upload is aborted.
  - Where the store has lifecycle rules, one rule of the bucket is set, and read back; the bucket's other rules stay as they
    are. A store without them (Swift, for one) is told by hand to abort what is old; that has to be done again now and then.
  - C(amazon.aws.s3_lifecycle) is for stores that have lifecycles; where there are none, this aborts the uploads itself.
options:
  bucket:
    description: Bucket.
    type: str
    required: true
  prefix:
    description: Only uploads to keys that begin so; empty for the whole bucket.
    type: str
    default: ""
  days:
    description: Days since an upload was begun. Longer than the longest real upload.
    type: int
    default: 2
  rule:
    description: Name of the rule in the bucket's lifecycle.
    type: str
    default: sabakan-abort-incomplete-uploads
  method:
    description: V(lifecycle) sets the rule or fails; V(abort) aborts by hand; V(auto) does the first where the store can, else the second.
    type: str
    choices: [auto, lifecycle, abort]
    default: auto
  state:
    description: V(absent) removes the rule. Nothing is aborted then.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
  - sabakan.vps.s3
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Let no killed upload be paid for longer than two days
  sabakan.vps.s3_incomplete_uploads:
    bucket: deliveries
    region: ap-northeast-1
    path_style: false
"""

RETURN = r"""
method:
  description: V(lifecycle) or V(abort), whichever was used.
  returned: success
  type: str
rules:
  description: The bucket's lifecycle rules as they are now, or would be.
  returned: with V(lifecycle)
  type: list
  elements: dict
aborted:
  description: Uploads that were aborted, or would be.
  returned: success
  type: list
  elements: dict
  contains:
    key: {description: Key., type: str}
    initiated: {description: When it was begun., type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_archive as archive
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_client as s3


class NoLifecycle(Exception):
    """The store has no lifecycle rules."""


SIZE = "TransitionDefaultMinimumObjectSize"


def current(client: Any, bucket: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The rules, and what is told of all of them together: unless it is told again when they are written, Amazon sets it anew."""
    bodies: list[bytes] = []

    def hear(response_dict: Any = None, **dummy: Any) -> None:
        bodies.append((response_dict or {}).get("body") or b"")

    client.meta.events.register("response-received.s3.GetBucketLifecycleConfiguration", hear)
    try:
        found = client.get_bucket_lifecycle_configuration(Bucket=bucket)
        # Swift takes the request for one that it knows, and lists the bucket.
        if bodies and b"ListBucketResult" in bodies[-1]:
            raise NoLifecycle("it lists the bucket when it is asked for its rules")
        return found.get("Rules") or [], {SIZE: found[SIZE]} if found.get(SIZE) else {}
    except s3.ClientError as error:
        if s3.code(error) == "NoSuchLifecycleConfiguration":
            return [], {}
        if s3.code(error) in s3.UNKNOWN_TO_STORE:
            raise NoLifecycle(str(error)) from error
        raise
    finally:
        client.meta.events.unregister("response-received.s3.GetBucketLifecycleConfiguration", hear)


def rules(client: Any, bucket: str) -> list[dict[str, Any]]:
    return current(client, bucket)[0]


def write(client: Any, bucket: str, after: list[dict[str, Any]], had_some: bool, together: dict[str, str]) -> None:
    """Swift takes the request for another one and calls it malformed."""
    try:
        client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": after}, **together)
    except s3.ClientError as error:
        if not had_some and s3.code(error) in s3.UNKNOWN_TO_STORE | {"MalformedXML"}:
            raise NoLifecycle(str(error)) from error
        raise


def lifecycle(module: AnsibleModule, client: Any) -> dict[str, Any]:
    values = module.params
    wanted, present = archive.rule(values["rule"], values["prefix"], values["days"]), values["state"] == "present"
    before, together = current(client, values["bucket"])
    if archive.is_in_force(before, wanted, present):
        return {"changed": False, "method": "lifecycle", "rules": before, "aborted": []}
    after = archive.merged(before, wanted, present)
    if not module.check_mode:
        if after:
            write(client, values["bucket"], after, bool(before), together)
        else:
            client.delete_bucket_lifecycle(Bucket=values["bucket"])
        found = rules(client, values["bucket"])
        if not archive.is_in_force(found, wanted, present):
            module.fail_json(msg=f"{values['bucket']}: the store took the rule {values['rule']} and does not have it: {found}")
    return {"changed": True, "method": "lifecycle", "rules": after, "aborted": [],
            "diff": {"before": {"rules": before}, "after": {"rules": after}}}


def abort(module: AnsibleModule, client: Any) -> dict[str, Any]:
    values = module.params
    going: list[dict[str, Any]] = []
    for page in s3.pages(client, "list_multipart_uploads", Bucket=values["bucket"], Prefix=values["prefix"]):
        going += archive.stale(page.get("Uploads") or (), s3.store_time(page), values["days"]) if values["state"] == "present" else []
    going = [one for one in going if s3.abort(client, values["bucket"], one, module.check_mode)]
    told = [{"key": one["Key"], "initiated": one["Initiated"].isoformat()} for one in going]
    return {"changed": bool(going), "method": "abort", "aborted": told, "diff": {"before": "".join(f"{one['key']}\n" for one in told), "after": ""}}


def main() -> None:
    module = AnsibleModule(argument_spec={
        **s3.ARGUMENTS, "bucket": {"type": "str", "required": True}, "prefix": {"type": "str", "default": ""},
        "days": {"type": "int", "default": 2}, "rule": {"type": "str", "default": "sabakan-abort-incomplete-uploads"},
        "method": {"type": "str", "choices": ["auto", "lifecycle", "abort"], "default": "auto"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }, supports_check_mode=True)
    if s3.missing():
        module.fail_json(msg=missing_required_lib("boto3"))
    if module.params["days"] < 1:
        module.fail_json(msg=f"days is {module.params['days']}: less than one day would abort uploads that are under way")
    try:
        client = s3.connect(module.params)
        if module.params["method"] != "abort":
            try:
                module.exit_json(**lifecycle(module, client))
            except NoLifecycle as error:
                if module.params["method"] == "lifecycle":
                    module.fail_json(msg=f"{module.params['bucket']}: the store has no lifecycle rules ({error}); use method abort or auto")
        module.exit_json(**abort(module, client))
    except (s3.ClientError, s3.BotoCoreError) as error:
        module.fail_json(msg=f"{module.params['bucket']}: {error}")


if __name__ == "__main__":
    main()
