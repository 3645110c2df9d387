# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule of a bucket, and the uploads that are aborted by hand where there are no rules, over moto's S3."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_client as s3
from ansible_collections.sabakan.vps.plugins.modules import s3_incomplete_uploads
from s3_bench import Ended, Module

AWSResponse = pytest.importorskip("botocore.awsrequest").AWSResponse


def incomplete(check: bool = False, **params: Any) -> dict[str, Any]:
    values = {"rule": "r", "prefix": "p/", "days": 2, "method": "auto", "state": "present", **params}
    module = Module(check, **values)
    act = s3_incomplete_uploads.abort if values["method"] == "abort" else s3_incomplete_uploads.lifecycle
    return act(module, s3.connect({}))


def test_the_rule_is_set_beside_the_others_once(client: Any) -> None:
    other = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 9}}
    client.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [other]})
    assert incomplete(check=True)["changed"] and len(s3_incomplete_uploads.rules(client, "bucket")) == 1
    assert incomplete()["changed"] and not incomplete()["changed"]
    assert {one["ID"] for one in s3_incomplete_uploads.rules(client, "bucket")} == {"x", "r"}
    assert incomplete(state="absent")["changed"] and not incomplete(state="absent")["changed"]
    assert [one["ID"] for one in s3_incomplete_uploads.rules(client, "bucket")] == ["x"]


def test_the_other_rules_keep_the_least_size_that_they_move(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Amazon sets it anew at each writing where it is not told; of a bucket with rules from before 2024 it is another one than it would choose."""
    other = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Transitions": [{"Days": 9, "StorageClass": "GLACIER"}]}
    client.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [other]})
    ask, sent = client.get_bucket_lifecycle_configuration, []
    monkeypatch.setattr(client, "get_bucket_lifecycle_configuration",
                        lambda **given: {**ask(**given), "TransitionDefaultMinimumObjectSize": "varies_by_storage_class"})
    client.meta.events.register("before-call.s3.PutBucketLifecycleConfiguration", lambda params, **dummy: sent.append(params["headers"]))
    assert incomplete()["changed"]
    assert [headers.get("x-amz-transition-default-minimum-object-size") for headers in sent] == ["varies_by_storage_class"]


def test_old_uploads_are_aborted_by_hand(client: Any) -> None:
    client.create_multipart_upload(Bucket="bucket", Key="p/x")
    client.create_multipart_upload(Bucket="bucket", Key="q/x")
    assert not incomplete(method="abort", days=9999)["changed"]  # moto dates all of them to 2010
    assert [one["key"] for one in incomplete(method="abort", check=True)["aborted"]] == ["p/x"]
    assert len(client.list_multipart_uploads(Bucket="bucket")["Uploads"]) == 2
    assert incomplete(method="abort")["changed"]
    assert [one["Key"] for one in client.list_multipart_uploads(Bucket="bucket")["Uploads"]] == ["q/x"]


def finish_behind_the_listing(monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    """The listing goes on showing an upload that has ended, as Swift's does until its updaters have caught up."""
    listed = list(s3.pages(client, "list_multipart_uploads", Bucket="bucket"))
    monkeypatch.setattr(s3, "pages", lambda *dummy, **more: listed)
    client.abort_multipart_upload(Bucket="bucket", Key="p/x", UploadId=listed[0]["Uploads"][0]["UploadId"])


@pytest.mark.parametrize("check", [True, False])
def test_an_upload_that_ended_meanwhile_is_no_change_and_stops_no_other(client: Any, monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    for key in ("p/x", "p/y"):
        client.create_multipart_upload(Bucket="bucket", Key=key)
    finish_behind_the_listing(monkeypatch, client)
    result = incomplete(method="abort", check=check)
    assert ([one["key"] for one in result["aborted"]], result["changed"]) == (["p/y"], True)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_store_that_lists_the_bucket_when_it_is_asked_for_rules_has_none(client: Any, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Swift, which does not know the request. In check mode nothing else tells that it has no rules."""
    listing = b"<?xml version='1.0'?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>"
    answer = AWSResponse("http://store/bucket?lifecycle", 200, {}, None)
    answer._content = listing
    client.meta.events.register("before-send.s3.GetBucketLifecycleConfiguration", lambda **dummy: answer)
    monkeypatch.setattr(s3_incomplete_uploads, "AnsibleModule", lambda *dummy, **more: module)
    module = Module(True, rule="r", days=2, method="auto", state=state)
    with pytest.raises(Ended):
        s3_incomplete_uploads.main()
    assert (module.result.get("method"), module.result.get("changed")) == ("abort", False)
