# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of any S3 store, by boto3, with what boto3 does not offer in every version."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError  # pylint: disable=unused-import
except ImportError:
    boto3 = None
    BotoCoreError = ClientError = OSError

ARGUMENTS: dict[str, Any] = {
    "endpoint_url": {"type": "str"}, "region": {"type": "str", "default": "us-east-1"}, "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True}, "session_token": {"type": "str", "no_log": True},
    "path_style": {"type": "bool", "default": True}, "ca_path": {"type": "path"}, "timeout": {"type": "int", "default": 60},
}
UNKNOWN_TO_STORE = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
ENDED = frozenset({"NoSuchUpload", "NoSuchKey", "404"})


class NoAddress(BotoCoreError):
    """The store that is asked for is none."""

    fmt = "endpoint_url {endpoint}, region {region}: {error}; expected is http://NAME or https://NAME, with :PORT where it is another"


class Redirected(BotoCoreError):
    """What answers is no store, or only the way to it."""

    fmt = "endpoint_url {endpoint} answers {status}, to {place}: name the place itself, with its http:// or https://"


def _refuse_redirection(response: Any = None, **dummy: Any) -> None:
    """Of a store that is not Amazon's: boto3 would take it for a bucket of another region and ask for that, to be redirected again, without end."""
    answer = response[0] if response else None
    if answer is not None and answer.status_code in (301, 302, 303, 307, 308) and not answer.headers.get("x-amz-bucket-region"):
        raise Redirected(endpoint=answer.url, status=answer.status_code, place=answer.headers.get("Location") or "nowhere")


def missing() -> bool:
    return boto3 is None


def connect(values: Mapping[str, Any]) -> Any:
    """The client of a module's arguments; what is not given comes from boto3's own places."""
    # Stores other than Amazon's do not know the checksums that newer versions send unasked.
    os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    os.environ.setdefault("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    config = Config(
        connect_timeout=min(values["timeout"], 15), read_timeout=values["timeout"], retries={"max_attempts": 4, "mode": "standard"},
        s3={"addressing_style": "path" if values["path_style"] else "virtual"})
    try:
        made = boto3.client(
            "s3", endpoint_url=values["endpoint_url"], region_name=values["region"], aws_access_key_id=values["access_key"],
            aws_secret_access_key=values["secret_key"], aws_session_token=values["session_token"], verify=values["ca_path"], config=config)
    except ValueError as error:
        raise NoAddress(endpoint=values["endpoint_url"], region=repr(values["region"]), error=error) from error
    if values["endpoint_url"]:
        made.meta.events.register_first("needs-retry.s3", _refuse_redirection)
    return made


def code(error: Exception) -> str:
    """What the store calls an error; empty for one that is not its answer."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def store_time(answer: Mapping[str, Any]) -> datetime:
    """Now by the store's clock, to which the times of its objects belong."""
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(timezone.utc)
    except (KeyError, TypeError, ValueError):
        return datetime.now(timezone.utc)


class Conditions:
    """Headers that make a request conditional, also where boto3 has no argument for them."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def call(self, operation: str, headers: Mapping[str, str], **arguments: Any) -> Any:
        """One request of that operation with these headers."""
        name = "before-call.s3." + "".join(word.capitalize() for word in operation.split("_"))

        def add(params: dict[str, Any], **dummy: Any) -> None:
            params["headers"].update(headers)

        self.client.meta.events.register(name, add)
        try:
            return getattr(self.client, operation)(**arguments)
        finally:
            self.client.meta.events.unregister(name, add)


def pages(client: Any, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    yield from client.get_paginator(operation).paginate(**arguments)


def head(client: Any, bucket: str, key: str, **arguments: Any) -> dict[str, Any] | None:
    """What HEAD tells of an object, with the store's checksums where it has any; None when there is none."""
    try:
        return client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **arguments)
    except ClientError as error:
        if code(error) in ("404", "NoSuchKey", "NotFound"):
            return None
        raise


def abort(client: Any, bucket: str, upload: Mapping[str, Any], only_look: bool = False) -> bool:
    """Whether an upload of a listing was still there to abort. A listing may be of before: an upload ends, and Swift tells of it for a while."""
    place = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
    try:
        if only_look:
            client.list_parts(**place, MaxParts=1)
        else:
            client.abort_multipart_upload(**place)
    except ClientError as error:
        if code(error) in ENDED:
            return False
        if not only_look:
            raise
    return True
