"""A store that does not serve: a clear error and a clear state, never an empty directory."""

from __future__ import annotations

import subprocess

from partner import HOSTS, PORT, Partner, await_that, on_every_host, play, status, users


def health(fleet, host):
    return fleet[host].check_output("docker inspect -f '{{.State.Health.Status}}' sabakan-sftp")


def keys(fleet, host):
    scanned = subprocess.run(["ssh-keyscan", "-T", "5", "-p", str(PORT), fleet.address(host)], capture_output=True, text=True, check=False).stdout
    return {line.split()[-1] for line in scanned.splitlines() if not line.startswith("#")}


def test_a_bucket_that_is_not_there_and_keys_that_are_wrong(fleet):
    good = users(fleet, "sftp-01")
    lost = {**good[0], "name": "lost", "uid": 5401, "bucket": "no-such-bucket"}
    wrong = {**good[0], "name": "wrong", "uid": 5402, "access_key": "mastodon:media", "secret_key": "a-wrong-secret-of-a-test"}
    wrong["access_key"] = "mastodon:nobody"
    result = play(fleet, "sftp_s3", "--tags", "sftp_s3", sftp_s3_users=[*good, lost, wrong], sftp_s3_timeout=5, sftp_s3_memory=4096, sftp_s3_memory_swap=4096)
    assert result.returncode
    told = " ".join(result.stdout.split())
    for host in HOSTS:
        assert f"{host}: after 5 s" in told
        assert not status(fleet, host)["healthy"]
        for name in ("lost", "wrong"):
            Partner(fleet, host, name).must_not("ls data")
        Partner(fleet, host, "p1").must("ls data")
    assert "no-such-bucket" in told and "NoSuchBucket" in told
    assert "SignatureDoesNotMatch" in told or "InvalidAccessKeyId" in told or "AccessDenied" in told
    for host in HOSTS:
        await_that("Docker says so too", lambda host=host: health(fleet, host) == "unhealthy", 30)
    # On the way back two of them get a new container: partners pin the keys of the old one.
    before = {host: keys(fleet, host) for host in HOSTS}
    assert [len(found) for found in before.values()] == [2] * len(HOSTS)
    for host in ("sftp-02", "sftp-03"):
        fleet[host].check_output("docker rm -f sabakan-sftp")
    back = play(fleet, "sftp_s3", "--tags", "sftp_s3")
    assert back.returncode == 0, back.stdout[-3000:]
    for host in HOSTS:
        assert keys(fleet, host) == before[host]
        Partner(fleet, host, "p1").must("ls data")


def test_a_store_that_is_dead_at_boot(fleet):
    fleet["swift-01"].check_output("systemctl stop object-storage-tls")
    try:
        for host in HOSTS:
            # In order: the keeper ends by itself, long before the engine would kill it.
            fleet[host].check_output("docker stop sabakan-sftp")
            assert fleet[host].check_output("docker inspect -f '{{.State.ExitCode}}' sabakan-sftp") == "0"
            fleet[host].check_output("docker start sabakan-sftp")
        for host in HOSTS:
            await_that("the keeper answers", lambda host=host: status(fleet, host))
            found = status(fleet, host)
            assert not found["healthy"] and found["reasons"]
            Partner(fleet, host, "p1").must_not("ls data")
        for host in HOSTS:
            await_that("unhealthy, not up and empty", lambda host=host: health(fleet, host) == "unhealthy", 60)
    finally:
        fleet["swift-01"].check_output("systemctl start object-storage-tls")
    for host in HOSTS:
        await_that("in service again", lambda host=host: status(fleet, host).get("healthy"), 10)
        Partner(fleet, host, "p1").must("ls data")
        await_that("healthy again", lambda host=host: health(fleet, host) == "healthy", 15)


@on_every_host
def test_a_mount_that_is_killed_is_back_within_ten_seconds(fleet, host, tmp_path):
    before = status(fleet, host)
    name, mount = next((name, mount) for name, mount in before["mounts"].items() if mount["state"] == "live")
    fleet[host].check_output(f"docker exec sabakan-sftp kill -9 {mount['pid']}")
    await_that("it is back", lambda: (found := status(fleet, host)["mounts"][name])["state"] == "live" and found["deaths"] > mount["deaths"], 10)
    Partner(fleet, host, "p1").must("ls data")


def test_who_guesses_is_kept_out_for_a_while(fleet):
    guess = (
        "rm -f /root/guess*; ssh-keygen -q -t ed25519 -N '' -f /root/guess; for i in 1 2 3 4 5 6; do ssh -p 2222 -i /root/guess -o BatchMode=yes"
        f" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 p1@{fleet.address('sftp-03')} true; done 2>&1; true"
    )
    answers = [line for line in fleet["swift-01"].run(guess).stdout.splitlines() if "Warning" not in line]
    assert "Permission denied" in answers[0] and "Permission denied" not in answers[-1], answers
    journal = fleet["sftp-03"].check_output("journalctl --no-pager -o cat CONTAINER_TAG=sabakan-sftp")
    assert fleet.address("swift-01") in journal
    Partner(fleet, "sftp-03", "p1").must("ls data")
