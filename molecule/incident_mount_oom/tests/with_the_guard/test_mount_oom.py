"""The same load in the same limit, and then the mount killed on purpose."""

from __future__ import annotations

import json
import time

from partners import HOST, SESSIONS, await_that, fetch_all, plant, sftp

PORT = 2222


def status(fleet):
    return json.loads(fleet[HOST].check_output("docker exec sabakan-sftp sabakan-sftp-keeper status"))


def test_the_same_load_in_the_same_limit_ends_with_every_byte_right(fleet, tmp_path):
    digest = plant(fleet)
    limit = fleet.variables[HOST]["sftp_s3_memory"] * 2**20
    before = status(fleet)
    assert before["memory"]["limit"] == limit
    assert fetch_all(fleet, PORT, tmp_path) == [(0, "", digest)] * SESSIONS
    after = status(fleet)
    assert after["memory"]["oom_kills"] == 0
    assert [mount["deaths"] for mount in after["mounts"].values()] == [mount["deaths"] for mount in before["mounts"].values()]


def test_a_mount_that_is_killed_is_back_within_ten_seconds_and_on_record(fleet):
    (name, before), = status(fleet)["mounts"].items()
    killed = time.monotonic()
    fleet[HOST].check_output(f"docker exec sabakan-sftp kill -9 {before['pid']}")
    await_that("partners are served again", lambda: "large" in sftp(fleet, PORT, "ls data").stdout, 10)
    assert time.monotonic() - killed < 10
    after = status(fleet)["mounts"][name]
    assert (after["deaths"], after["heals"]) == (before["deaths"] + 1, before["heals"] + 1)
    assert "signal 9" in after["last_death"]["reason"] and not after["last_death"]["oom"]
    journal = fleet[HOST].check_output("journalctl --no-pager -o cat CONTAINER_TAG=sabakan-sftp")
    assert '"event": "mount-died"' in journal and '"event": "mount-healed"' in journal
    assert '"event": "keeper-started"' in journal and '"event": "limit-differs"' not in journal
    assert f'sabakan_sftp_mount_deaths_total{{mount="{name}"}} {after["deaths"]}' in await_that(
        "the figures are out", lambda: (text := fleet[HOST].file("/var/lib/sabakan/sftp_s3/metrics.prom").content_string) and f'"}} {after["deaths"]}' in text and text, 15)


def test_when_memory_ends_the_kernel_takes_the_mount_which_comes_back(fleet):
    """Other processes of the container take all of it, each less than would make it the kernel's choice."""
    (name, before), = status(fleet)["mounts"].items()
    container = "docker inspect --format '{{.State.StartedAt}} {{.RestartCount}}' sabakan-sftp"
    started = fleet[HOST].check_output(container)
    hog = "docker exec -d sabakan-sftp python3 -c 'import time; held = bytearray(b\"x\") * (108 << 20); time.sleep(300)'"
    fleet[HOST].check_output(" && ".join([hog] * 4))
    try:
        await_that("the mount was killed for memory", lambda: status(fleet)["mounts"][name]["oom_kills"] > before["oom_kills"], 60)
    finally:
        fleet[HOST].run("pkill -KILL -f '[h]eld = bytearray'")
    await_that("partners are served again", lambda: "large" in sftp(fleet, PORT, "ls data").stdout, 60)
    after = status(fleet)
    assert after["mounts"][name]["last_death"]["oom"] and "limit 464 MiB" in after["mounts"][name]["last_death"]["reason"]
    assert after["memory"]["oom_kills"] >= 1 and fleet[HOST].check_output(container) == started


def test_a_session_that_was_open_goes_on(fleet):
    """It sees the new mount, without a new login."""
    (dummy, before), = status(fleet)["mounts"].items()
    answer = sftp(
        fleet, PORT, "ls data",
        f"!ssh -q -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -i {fleet.variables[HOST]['ansible_ssh_private_key_file']} "
        f"root@{fleet.address(HOST)} docker exec sabakan-sftp kill -9 {before['pid']} && sleep 5",
        "ls data")
    assert answer.returncode == 0 and answer.stdout.count("data/large") == 2, answer.stderr
    # What is left of it in the logs is one death more.
    assert next(iter(status(fleet)["mounts"].values()))["deaths"] == before["deaths"] + 1


def test_a_limit_that_the_load_does_not_fit_is_refused_with_the_figures(fleet):
    import os
    import subprocess
    from pathlib import Path

    scenario = os.environ["MOLECULE_SCENARIO_DIRECTORY"]
    result = subprocess.run(
        ["ansible-playbook", "-i", f"{scenario}/inventory", "-i", os.environ["SABAKAN_FLEET"], "sabakan.vps.sftp", "--tags", "sftp_s3_preflight",
         "--extra-vars", json.dumps({"sftp_s3_memory": 150, "sftp_s3_memory_swap": 150})],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path(scenario).parents[1], env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL, check=False)
    assert result.returncode and "sftp_s3_memory 150 MiB cannot carry rclone" in " ".join(result.stdout.split()), result.stdout[-2000:]
