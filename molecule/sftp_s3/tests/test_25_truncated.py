"""An upload that breaks off is recorded, removed or put aside, as its server was told; one that is whole stays."""

from __future__ import annotations

import uuid

from partner import Partner, await_that, content, on_every_host, status, store

SIZE = 8_000_000
OUTCOMES = {"record": "recorded", "remove": "removed", "quarantine": "quarantined"}


@on_every_host
def test_what_becomes_of_an_upload_that_breaks_off(fleet, host, tmp_path):
    policy, bucket = fleet.variables[host].get("sftp_s3_on_truncated", "record"), store(fleet)
    content(tmp_path / "film", SIZE)
    broken = f"broken-{host}-{uuid.uuid4().hex[:8]}"
    Partner(fleet, host, "p3").must(f"put {tmp_path}/film data/whole-{host}")
    Partner(fleet, host, "p4").break_off(tmp_path / "film", f"data/{broken}", lambda: status(fleet, host)["uploads"]["open"])

    def record():
        return next((one for one in status(fleet, host)["uploads"]["last"] if one["key"] == f"in/{broken}" and "outcome" in one), None)

    found = await_that("it is settled", record, 45)
    assert (found["outcome"], found["user"], found["reason"]) == (OUTCOMES[policy], "p4", "the session ended with the file open")
    there = {one["Key"]: one["Size"] for one in bucket.list_objects_v2(Bucket="deliveries").get("Contents", [])}
    assert there[f"in/whole-{host}"] == SIZE
    assert (f"in/{broken}" in there) == (policy == "record")
    aside = [key for key in there if key.startswith(f"quarantine/in/{broken}")]
    assert aside == ([found["detail"]] if policy == "quarantine" else [])
    if policy != "remove":
        assert 0 < there[f"in/{broken}" if policy == "record" else found["detail"]] == found["written"] < SIZE
