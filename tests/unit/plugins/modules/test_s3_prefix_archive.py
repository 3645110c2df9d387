# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive over moto's S3: what a run makes of a bucket, and that a kill after any of its requests loses nothing."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_client as s3
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_mover as mover
from ansible_collections.sabakan.vps.plugins.modules import s3_incomplete_uploads, s3_prefix_archive
from s3_bench import DEFAULTS, PART, Ended, Module


class Killed(BaseException):
    """As a signal: nothing catches it."""


def put(client: Any, key: str, body: bytes = b"content", **arguments: Any) -> None:
    client.put_object(Bucket="bucket", Key=key, Body=body, **arguments)


def put_in_parts(client: Any, key: str, bodies: list[bytes]) -> None:
    upload = client.create_multipart_upload(Bucket="bucket", Key=key, Metadata={"of": "parts"})["UploadId"]
    parts = [{"PartNumber": number, "ETag": client.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]}
             for number, body in enumerate(bodies, 1)]
    client.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


def contents(client: Any) -> dict[str, bytes]:
    listed = client.list_objects_v2(Bucket="bucket").get("Contents") or []
    return {one["Key"]: client.get_object(Bucket="bucket", Key=one["Key"])["Body"].read() for one in listed}


def archive(check: bool = False, **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"objects": [], "moved": 0, "bytes": 0, "conflicts": [], "unverified": [], "skipped": [],
                              "remaining": 0, "conditional_delete": None}
    s3_prefix_archive.run(Module(check, **params), result)
    return result


def outcomes(result: dict[str, Any]) -> dict[str, str]:
    return {one["key"]: one["outcome"] for one in result["objects"]}


def test_objects_move_with_what_belongs_to_them(client: Any) -> None:
    put(client, "p/a", Metadata={"k": "v"}, ContentType="text/x", Tagging="t=1", StorageClass="STANDARD_IA")
    put(client, "p/d/b")
    put(client, "q/c")
    result = archive()
    assert outcomes(result) == {"p/a": "moved", "p/d/b": "moved"}
    assert contents(client) == {"old/a": b"content", "old/d/b": b"content", "q/c": b"content"}
    moved = client.head_object(Bucket="bucket", Key="old/a")
    assert (moved["Metadata"], moved["ContentType"], moved["StorageClass"]) == ({"k": "v"}, "text/x", "STANDARD_IA")
    assert client.get_object_tagging(Bucket="bucket", Key="old/a")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert archive()["objects"] == []


def test_what_belongs_to_them_stays_behind_by_choice(client: Any) -> None:
    put(client, "p/a", Metadata={"k": "v"}, ContentType="text/x", Tagging="t=1")
    archive(keep_metadata=False, keep_tags=False)
    assert client.head_object(Bucket="bucket", Key="old/a")["Metadata"] == {}
    assert client.get_object_tagging(Bucket="bucket", Key="old/a")["TagSet"] == []


def test_check_mode_names_all_and_touches_nothing(client: Any, tmp_path: Any) -> None:
    for number in range(5):
        put(client, f"p/{number}")
    put(client, "old/3", b"another")
    before = contents(client)
    result = archive(check=True, limit=4, progress=str(tmp_path / "progress"))
    assert outcomes(result) == {"p/0": "would_move", "p/1": "would_move", "p/2": "would_move", "p/3": "conflict"}
    assert result["remaining"] == 1 and contents(client) == before and not list(tmp_path.iterdir())


def test_the_limit_holds_and_the_next_run_goes_on(client: Any, tmp_path: Any) -> None:
    for number in range(5):
        put(client, f"p/{number}")
    assert archive(limit=2, progress=str(tmp_path / "progress"))["remaining"] == 3
    assert '"done": 2, "total": 2' in (tmp_path / "progress").read_text()
    assert archive(limit=9)["moved"] == 3


def test_another_object_at_the_destination_is_not_overwritten(client: Any) -> None:
    put(client, "p/a", b"one")
    put(client, "old/a", b"two")
    put(client, "p/b")
    result = archive()
    assert outcomes(result) == {"p/a": "conflict", "p/b": "moved"} and result["conflicts"] == ["p/a"]
    assert contents(client) == {"p/a": b"one", "old/a": b"two", "old/b": b"content"}


def test_a_copy_of_an_earlier_run_is_taken_for_it(client: Any) -> None:
    put(client, "p/a")
    put(client, "old/a")
    assert outcomes(archive()) == {"p/a": "moved"}


def test_an_object_in_parts_is_copied_in_the_same_parts(client: Any) -> None:
    whole = 5 * 1024**2  # the least that S3 copies a range of
    put_in_parts(client, "p/big", [b"a" * whole, b"b" * whole, b"c" * 500])
    (one,) = archive(compare_content="never")["objects"]
    assert (one["outcome"], one["detail"]) == ("moved", "MD5 of the MD5s of equal parts")
    assert client.head_object(Bucket="bucket", Key="old/big")["Metadata"] == {"of": "parts"}


def test_what_the_store_does_not_prove_is_read(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover.Mover, "_first_part", lambda self, thing: None)
    put_in_parts(client, "p/big", [b"a" * PART, b"b"])
    assert outcomes(archive(compare_content="never")) == {"p/big": "unverified"}
    assert set(contents(client)) == {"p/big", "old/big"}
    (one,) = archive()["objects"]
    assert (one["outcome"], one["detail"]) == ("moved", "content, read on both sides")


@pytest.mark.parametrize("versions", [False, True])
@pytest.mark.parametrize("operation", ["CopyObject", "HeadObject", "DeleteObject"])
def test_an_object_that_is_replaced_meanwhile_is_not_lost(client: Any, versions: bool, operation: str) -> None:
    """Between any two requests, but for the last look and the deletion where the store heeds no condition."""
    if versions:
        client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    put(client, "p/a", b"first")
    seen: list[str] = []

    def replace(model: Any, params: Any, **dummy: Any) -> None:
        target = "old/" not in str(params.get("url_path"))
        if model.name == operation and target and not seen and not (operation == "DeleteObject" and not versions):
            seen.append(operation)
            put(client, "p/a", b"second")

    client.meta.events.register("before-call.s3", replace)
    archive()
    client.meta.events.unregister("before-call.s3", replace)
    assert not seen or b"second" in contents(client).values()


def test_the_last_look_keeps_what_replaced_an_object_after_its_copy(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store heeds no condition of a deletion: nothing but the look before it tells that the object is another one."""
    monkeypatch.setattr(mover.Mover, "deletes_on_condition", lambda self: False)

    def forget(params: Any, **dummy: Any) -> None:
        params["headers"].pop("If-Match", None)

    def replace(**dummy: Any) -> None:
        put(client, "p/a", b"second")

    client.meta.events.register_last("before-call.s3.DeleteObject", forget)
    client.meta.events.register("after-call.s3.CopyObject", replace)
    put(client, "p/a", b"first")
    put(client, "p/b", b"other")
    result = archive(exclude=["b"])
    assert outcomes(result) == {"p/a": "changed"} and result["moved"] == 0
    assert contents(client) == {"p/a": b"second", "old/a": b"first", "p/b": b"other"}


def test_a_store_without_conditional_deletion_is_told_and_refused_by_choice(client: Any) -> None:
    put(client, "p/a")
    told = mover.Mover(client, mover.Order("bucket", "p/", "bucket", "old/")).deletes_on_condition()
    if told:
        pytest.skip("this moto heeds If-Match")
    with pytest.raises(Ended, match="nothing was moved"):
        archive(require_conditional_delete=True)
    assert set(contents(client)) == {"p/a"}
    assert archive()["conditional_delete"] is False


@pytest.mark.parametrize("values", [{"endpoint_url": "10.0.0.1:8080"}, {"endpoint_url": "store.example"}, {"region": ""}])
def test_a_store_that_is_no_address_is_told_as_such(values: dict[str, Any]) -> None:
    with pytest.raises(s3.BotoCoreError, match="endpoint_url"):
        s3.connect({**DEFAULTS, **values})


@pytest.mark.parametrize("module", [s3_prefix_archive, s3_incomplete_uploads])
def test_no_module_breaks_on_it(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AnsibleModule", lambda *dummy, **more: Module(endpoint_url="10.0.0.1:8080", days=2, method="auto"))
    with pytest.raises(Ended, match="endpoint_url 10.0.0.1:8080"):
        module.main()


@pytest.mark.parametrize("module", [s3_prefix_archive, s3_incomplete_uploads])
def test_a_proxy_that_redirects_is_told_with_where_to(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from http:// to https://; botocore takes it for S3's word on regions, asks for the region, and so on for ever."""
    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(301)
            self.send_header("Location", f"https://store.example{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *dummy: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    given = Module(endpoint_url=f"http://127.0.0.1:{server.server_port}", days=2, method="auto", state="present", rule="r")
    monkeypatch.setattr(module, "AnsibleModule", lambda *dummy, **more: given)
    with pytest.raises(Ended, match="301, to https://store.example/bucket"):
        module.main()
    server.shutdown()
    server.server_close()


def test_an_older_version_does_not_come_back(client: Any) -> None:
    client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    put(client, "p/a", b"first")
    time.sleep(1.1)  # S3 tells times in whole seconds
    put(client, "p/a", b"second")
    put(client, "p/b", b"only")
    assert outcomes(archive()) == {"p/a": "moved", "p/b": "moved"}
    assert contents(client) == {"old/a": b"second", "old/b": b"only"}
    assert archive()["objects"] == []
    markers = client.list_object_versions(Bucket="bucket", Prefix="p/").get("DeleteMarkers") or []
    assert [one["Key"] for one in markers] == ["p/a"]


def test_an_order_over_everything_is_refused(client: Any) -> None:
    with pytest.raises(Ended, match="everything would go"):
        archive(older_than=None)


BEFORE = {"p/a": b"one", "p/b": b"two", "p/big": b"a" * PART + b"b", "old/b": b"two", "q/x": b"x"}


def plant(client: Any) -> None:
    put(client, "p/a", b"one")
    put(client, "p/b", b"two")
    put(client, "old/b", b"two")
    put(client, "q/x", b"x")
    put_in_parts(client, "p/big", [b"a" * PART, b"b"])


WRITES = ("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload", "DeleteObject")


@pytest.mark.parametrize("event", ["before-call.s3", "after-call.s3"])
def test_a_kill_at_any_write_loses_nothing_and_the_next_run_ends_it(client: Any, event: str) -> None:
    """Before it is sent, and after the store has done it."""
    last = 0
    while True:
        last += 1
        for key in contents(client):
            client.delete_object(Bucket="bucket", Key=key)
        plant(client)
        numbers = itertools.count(1)

        def count(model: Any, numbers: Iterator[int] = numbers, last: int = last, **dummy: Any) -> None:
            if model.name in WRITES and next(numbers) == last:
                raise Killed

        client.meta.events.register(event, count)
        try:
            archive()
        except Killed:
            pass
        else:
            break
        finally:
            client.meta.events.unregister(event, count)
        now = contents(client)
        for key, body in BEFORE.items():
            assert body in (now.get(key), now.get(key.replace("p/", "old/"))), f"{key} is lost at write {last}"
        archive()
        assert {key: body for key, body in contents(client).items() if ".sabakan-probe" not in key} == {
            key.replace("p/", "old/"): body for key, body in BEFORE.items()}
        assert not client.list_multipart_uploads(Bucket="bucket").get("Uploads")
    assert last > 8
