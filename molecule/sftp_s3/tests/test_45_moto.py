"""A second opinion on what is sent to a store: the same image over moto's S3, beside the server, with a state of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from partner import Partner, await_that, by_hand, content, digest, on_every_host, status, store

NAME, PORT, MOTO, SIZE = "sftp-over-moto", 2224, 5005, 8_000_000


@pytest.fixture
def endpoint(fleet):
    address = fleet.address("sftp-01").rpartition(".")[0] + ".1"
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", address, "-p", str(MOTO)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    made = f"http://{address}:{MOTO}"

    def is_there():
        try:
            return store(fleet, made).create_bucket(Bucket="deliveries")
        except Exception:
            return None

    try:
        await_that("moto answers", is_there, 60)
        # With versions, which Swift's S3 has not. Without, moto calls them "null" and refuses to know one of this name, which rclone asks for.
        store(fleet, made).put_bucket_versioning(Bucket="deliveries", VersioningConfiguration={"Status": "Enabled"})
        yield made
    finally:
        server.kill()
        server.wait()
        for host in ("sftp-01", "sftp-02", "sftp-03"):
            fleet[host].run(f"docker rm -f {NAME}; rm -rf /srv/moto")


@on_every_host
def has_its_session(fleet, host, tmp_path):
    swift, moto = fleet.variables[host]["stack_object_storage"]["endpoint"], f"http://{fleet.address(host).rpartition('.')[0]}.1:{MOTO}"
    fleet[host].check_output(
        "rm -rf /srv/moto && mkdir -p /srv/moto/state && cp -a /etc/sabakan/sftp_s3 /srv/moto/configuration"
        f" && sed -i {shlex.quote(f's|{swift}|{moto}|g')} /srv/moto/configuration/config.json && grep -q {moto} /srv/moto/configuration/config.json")
    by_hand(fleet, host, NAME, PORT, **{"/etc/sabakan-sftp": "/srv/moto/configuration", "/var/lib/sabakan-sftp": "/srv/moto/state"})
    await_that("it serves", lambda: status(fleet, host, NAME).get("healthy"), 40)
    partner, wanted = Partner(fleet, host, "p1", port=PORT), content(tmp_path / "film", SIZE)
    partner.must(f"put {tmp_path}/film data/{host}", f"get data/{host} {tmp_path}/back")
    assert digest(tmp_path / "back") == wanted and host in partner.must("ls data")
    bucket = store(fleet, moto)
    assert bucket.head_object(Bucket="deliveries", Key=f"in/{host}")["ContentLength"] == SIZE
    partner.must(f"rm data/{host}")
    partner.break_off(tmp_path / "film", f"data/broken-{host}", lambda: status(fleet, host, NAME)["uploads"]["open"])
    await_that("it is settled", lambda: [one for one in status(fleet, host, NAME)["uploads"]["last"] if "outcome" in one], 45)
    keys = [one["Key"] for one in bucket.list_objects_v2(Bucket="deliveries", Prefix="").get("Contents", []) if host in one["Key"]]
    policy = fleet.variables[host].get("sftp_s3_on_truncated", "record")
    assert [key.split("/")[0] for key in keys] == {"record": ["in"], "remove": [], "quarantine": ["quarantine"]}[policy], keys
    assert status(fleet, host)["healthy"]


def test_a_partners_session_over_moto(fleet, tmp_path, endpoint):
    has_its_session(fleet, tmp_path)
