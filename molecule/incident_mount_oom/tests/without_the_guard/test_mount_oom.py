"""sshd is the first process, the mount is beside it: killed for memory, and nobody notices.

mount-s3 of the story took its buffers from the host's memory, whatever the container's limit was: 64 MiB a file stand for that.
"""

from __future__ import annotations

import pytest
from partners import HOST, await_that, fetch_all, plant, sftp

PORT = 2223
RUN = (
    "docker run --detach --name bare --memory {memory}m --memory-swap {memory}m --cap-add SYS_ADMIN --device /dev/fuse"
    " --security-opt apparmor=unconfined --env-file /srv/bare/environment --env BUFFER=64Mi --publish {port}:22 bare-sftp"
)


@pytest.fixture(scope="module")
def outage(fleet, tmp_path_factory):
    plant(fleet)
    fleet[HOST].run("docker rm --force bare")
    fleet[HOST].check_output(RUN.format(memory=fleet.variables[HOST]["sftp_s3_memory"], port=PORT))
    await_that("the server serves", lambda: "large" in sftp(fleet, PORT, "ls data").stdout, 30)
    yield fetch_all(fleet, PORT, tmp_path_factory.mktemp("fetched"))
    fleet[HOST].run("docker rm --force bare")


def test_the_mount_is_killed_for_memory(fleet, outage):
    place = "$(docker inspect -f '{{.Id}}' bare)"
    counters = fleet[HOST].check_output(
        f"cat /sys/fs/cgroup/memory/docker/{place}/memory.oom_control 2>/dev/null || docker exec bare cat /sys/fs/cgroup/memory/memory.oom_control"
        " 2>/dev/null || docker exec bare cat /sys/fs/cgroup/memory.events")
    assert int(dict(line.split() for line in counters.splitlines())["oom_kill"]) >= 1, counters
    assert "rclone" not in fleet[HOST].check_output("docker top bare -eo pid,comm")


def test_partners_are_told_failure(outage):
    assert any("Failure" in told for code, told, digest in outage if code), outage


def test_the_container_is_up_and_dead(fleet, outage):
    assert fleet[HOST].check_output("docker inspect -f '{{.State.Status}} {{.RestartCount}}' bare") == "running 0"
    for _dummy in range(3):
        answer = sftp(fleet, PORT, "ls data")
        assert answer.returncode and "large" not in answer.stdout
