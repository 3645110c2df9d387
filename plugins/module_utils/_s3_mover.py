# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moves one object inside a store: copy, proof, and only then the end of the source. Whatever is killed, it is whole somewhere."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ansible_collections.sabakan.vps.plugins.module_utils import _s3_archive as archive
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_client as s3

MOVED, GONE, CHANGED, CONFLICT, UNVERIFIED, FAILED = "moved", "gone", "changed", "conflict", "unverified", "failed"
BLOCK = 1024**2
PRECONDITION = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


@dataclass(frozen=True)
class Order:
    bucket: str
    prefix: str
    target_bucket: str
    target_prefix: str
    keep_metadata: bool = True
    keep_tags: bool = True
    storage_class: str = ""
    compare_content: str = "when_needed"  # when_needed, always, never


class Mover:
    def __init__(self, client: Any, order: Order) -> None:
        self.client, self.order = client, order
        self.conditions = s3.Conditions(client)
        self.can_create_only = self.compares_source = True

    def move(self, thing: archive.Thing) -> tuple[str, str]:
        """(outcome, by what the copy was proven or what is in the way)."""
        self.compares_source = True
        order, key = self.order, archive.target_key(thing.key, self.order.prefix, self.order.target_prefix)
        source = s3.head(self.client, order.bucket, thing.key)
        if source is None:
            return GONE, "deleted meanwhile"
        if source.get("ETag") != thing.etag or source["ContentLength"] != thing.size:
            return CHANGED, "replaced since it was listed"
        there = s3.head(self.client, order.target_bucket, key)
        made = ""
        if there is None:
            try:
                made = self._copy(thing, source, key)
            except s3.ClientError as error:
                if s3.code(error) not in PRECONDITION:
                    raise
                # The source is another one by now, or somebody made the target, or the store cannot compare its own ETag.
                if self._is_misjudged(thing.key, source, key):
                    made = self._copy(thing, source, key)
            there = s3.head(self.client, order.target_bucket, key)
            if there is None:
                return CHANGED, "replaced while it was copied"
        result, proof = self._compare(thing.key, source, key, there)
        if result == archive.SAME:
            return (MOVED, proof) if self._delete(thing.key, source) else (CHANGED, "replaced after it was copied; the copy is of what was there before")
        if result == archive.UNKNOWN:
            return UNVERIFIED, proof
        if made and made == there.get("ETag"):
            self.client.delete_object(Bucket=order.target_bucket, Key=key, **({"VersionId": archive.version(there)} if archive.version(there) else {}))
            return FAILED, f"the copy was not the same ({proof}) and was deleted again"
        return CONFLICT, f"another object is at {order.target_bucket}/{key} ({proof})"

    # -- copying

    def _source(self, key: str, head: dict[str, Any]) -> dict[str, Any]:
        version = archive.version(head)
        named = {"Bucket": self.order.bucket, "Key": key, **({"VersionId": version} if version else {})}
        return {"CopySource": named, **({"CopySourceIfMatch": head["ETag"]} if self.compares_source else {})}

    def _is_misjudged(self, key: str, head: dict[str, Any], target: str) -> bool:
        """Whether a condition failed although nothing changed: Swift does so with an object in parts, whose ETag it keeps twice.

        From then on this object is asked for without one; what is read of it is compared whole, and looked at again before its end.
        """
        now = s3.head(self.client, self.order.bucket, key)
        if now is None or not archive.is_unchanged(head, now) or s3.head(self.client, self.order.target_bucket, target) is not None:
            return False
        self.compares_source = False
        return True

    def _copy(self, thing: archive.Thing, head: dict[str, Any], key: str) -> str:
        """The ETag of the copy."""
        first = self._first_part(thing) if archive.parts_of(thing.etag) else None
        if archive.needs_parts(thing.size, thing.etag, first):
            return self._copy_in_parts(thing, head, key, archive.part_size(thing.size, archive.parts_of(thing.etag), first))
        order, arguments = self.order, dict(archive.carried(head, self.order.keep_metadata, self.order.storage_class))
        if order.keep_metadata:
            arguments = {name: value for name, value in arguments.items() if name == "StorageClass"}  # the rest is copied by the store
        else:
            arguments["MetadataDirective"] = "REPLACE"
        if not order.keep_tags:
            arguments.update(TaggingDirective="REPLACE", Tagging="")
        answer = self._create("copy_object", Bucket=order.target_bucket, Key=key, **self._source(thing.key, head), **arguments)
        return str(answer["CopyObjectResult"]["ETag"])

    def _first_part(self, thing: archive.Thing) -> int | None:
        """The size of an object's first part; None where the store does not tell. No If-Match: some compare it with the part."""
        try:
            found = self.client.head_object(Bucket=self.order.bucket, Key=thing.key, PartNumber=1)
        except s3.ClientError:
            return None
        return int(found["ContentLength"]) if found.get("PartsCount") or found["ContentLength"] < thing.size else None

    def _create(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """A request that makes an object, refused where there is one, if the store knows how to."""
        if self.can_create_only:
            try:
                return self.conditions.call(operation, {"If-None-Match": "*"}, **arguments)
            except s3.ClientError as error:
                if s3.code(error) not in s3.UNKNOWN_TO_STORE | {"InvalidArgument", "InvalidRequest"}:
                    raise
                self.can_create_only = False
        return getattr(self.client, operation)(**arguments)

    def _copy_in_parts(self, thing: archive.Thing, head: dict[str, Any], key: str, size: int) -> str:
        order = self.order
        place = {"Bucket": order.target_bucket, "Key": key}
        self._abort_leftovers(key)
        arguments = archive.carried(head, order.keep_metadata, order.storage_class)
        if order.keep_tags:
            tags = self._tags(thing.key)
            arguments.update({"Tagging": urlencode(tags)} if tags else {})
        upload = self.client.create_multipart_upload(**place, **arguments)["UploadId"]
        try:
            parts = []
            for number, reach in enumerate(archive.ranges(thing.size, size), 1):
                answer = self.client.upload_part_copy(**place, UploadId=upload, PartNumber=number, CopySourceRange=reach, **self._source(thing.key, head))
                parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
            return str(self._create("complete_multipart_upload", **place, UploadId=upload, MultipartUpload={"Parts": parts})["ETag"])
        except BaseException:
            with contextlib.suppress(s3.ClientError, s3.BotoCoreError):
                self.client.abort_multipart_upload(**place, UploadId=upload)
            raise

    def _abort_leftovers(self, key: str) -> None:
        """Parts that an interrupted run left under just this key."""
        for page in s3.pages(self.client, "list_multipart_uploads", Bucket=self.order.target_bucket, Prefix=key):
            for upload in page.get("Uploads") or ():
                if upload["Key"] == key:
                    s3.abort(self.client, self.order.target_bucket, upload)

    def _tags(self, key: str) -> dict[str, str]:
        try:
            return {tag["Key"]: tag["Value"] for tag in self.client.get_object_tagging(Bucket=self.order.bucket, Key=key)["TagSet"]}
        except s3.ClientError as error:
            if s3.code(error) in s3.UNKNOWN_TO_STORE:
                return {}
            raise

    # -- proof

    def _compare(self, key: str, source: dict[str, Any], target: str, there: dict[str, Any]) -> tuple[str, str]:
        result, proof = archive.compare(source, there)
        if result == archive.DIFFERENT or self.order.compare_content == "never" or (result == archive.SAME and self.order.compare_content != "always"):
            return result, proof
        same = self._is_equal(self._read(self.order.bucket, key, source), self._read(self.order.target_bucket, target, there))
        return (archive.SAME if same else archive.DIFFERENT), "content, read on both sides"

    def _read(self, bucket: str, key: str, head: dict[str, Any]) -> Any:
        version = archive.version(head)
        return self.client.get_object(Bucket=bucket, Key=key, **({"IfMatch": head["ETag"]} if self.compares_source else {}),
                                      **({"VersionId": version} if version else {}))["Body"]

    def _is_equal(self, one: Any, other: Any) -> bool:
        with contextlib.closing(one), contextlib.closing(other):
            while True:
                parts = [_exactly(body, BLOCK) for body in (one, other)]
                if parts[0] != parts[1]:
                    return False
                if not parts[0]:
                    return True

    # -- the end of the source

    def _delete(self, key: str, head: dict[str, Any]) -> bool:
        """Whether just the object that was copied is gone; another that took its place stays."""
        place = {"Bucket": self.order.bucket, "Key": key}
        version = archive.version(head)
        if version:
            self.client.delete_object(**place, VersionId=version)
            # What it had replaced is the newest again; hidden by a marker, as any deletion would have left it.
            left = s3.head(self.client, self.order.bucket, key)
            if left and left["LastModified"] < head["LastModified"]:
                self._delete_if_same(place, left)
            return True
        now = s3.head(self.client, self.order.bucket, key)
        if now is None:
            return True
        if not archive.is_unchanged(head, now):
            return False
        if not self.compares_source:
            self.client.delete_object(**place)
            return True
        return self._delete_if_same(place, head)

    def _delete_if_same(self, place: dict[str, str], head: dict[str, Any]) -> bool:
        try:
            self.conditions.call("delete_object", {"If-Match": head["ETag"]}, **place)
        except s3.ClientError as error:
            if s3.code(error) in PRECONDITION:
                return False
            if s3.code(error) not in s3.UNKNOWN_TO_STORE:
                raise
            self.client.delete_object(**place)
        return True

    def deletes_on_condition(self) -> bool:
        """Whether the store heeds If-Match of a deletion: tried on an object of this run's own."""
        place = {"Bucket": self.order.target_bucket, "Key": f"{self.order.target_prefix}.sabakan-probe-{os.urandom(8).hex()}"}
        self.client.put_object(**place, Body=b"")
        try:
            self.conditions.call("delete_object", {"If-Match": '"00000000000000000000000000000000"'}, **place)
            return False
        except s3.ClientError as error:
            if s3.code(error) not in PRECONDITION | s3.UNKNOWN_TO_STORE:
                raise
            return s3.code(error) in PRECONDITION
        finally:
            self.client.delete_object(**place)


def _exactly(body: Any, count: int) -> bytes:
    """So many bytes, or what is left: one read may give fewer."""
    data = b""
    while len(data) < count:
        part = body.read(count - len(data))
        if not part:
            break
        data += part
    return data
