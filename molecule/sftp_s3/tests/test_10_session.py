"""What a partner can do, and cannot."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from partner import HOSTS, PASSWORD, Partner, await_that, content, digest, on_every_host, status, store

SIZE = 3_000_000


@on_every_host
def test_every_mount_is_live_and_the_container_healthy(fleet, host, tmp_path):
    assert status(fleet, host)["healthy"]
    await_that("healthy", lambda: fleet[host].check_output("docker inspect -f '{{.State.Health.Status}}' sabakan-sftp") == "healthy")


@on_every_host
def test_what_is_put_is_in_the_store_and_comes_back(fleet, host, tmp_path):
    partner = Partner(fleet, host, "p1")
    wanted = content(tmp_path / "film", SIZE)
    partner.must(f"put {tmp_path}/film data/film-{host}")
    assert f"film-{host}" in partner.must("ls data")
    assert str(SIZE) in partner.must(f"ls -l data/film-{host}")
    partner.must(f"get data/film-{host} {tmp_path}/back")
    assert digest(tmp_path / "back") == wanted
    assert store(fleet).head_object(Bucket="deliveries", Key=f"in/film-{host}")["ContentLength"] == SIZE
    partner.must(f"put {tmp_path}/film data/film-{host}", f"rm data/film-{host}")
    assert f"film-{host}" not in partner.must("ls data")


# The program that stands in for mount-s3 can rename, the original cannot.
@pytest.mark.parametrize("name", [name for name, driver in HOSTS.items() if driver != "mount-s3"])
def test_who_may_delete_renames(fleet, name, tmp_path):
    partner = Partner(fleet, name, "p1")
    wanted = content(tmp_path / "part", 100_000)
    partner.must(f"put {tmp_path}/part data/{name}.part", f"rename data/{name}.part data/{name}.whole", f"get data/{name}.whole {tmp_path}/back")
    assert digest(tmp_path / "back") == wanted
    partner.must(f"rm data/{name}.whole")


@on_every_host
def test_a_reader_logs_in_by_key_and_by_password_and_only_reads(fleet, host, tmp_path):
    content(tmp_path / "film", 1000)
    Partner(fleet, host, "p2").must(f"put {tmp_path}/film data/read-{host}")
    for partner in (Partner(fleet, host, "store"), Partner(fleet, host, "store", PASSWORD)):
        await_that("the listing has it", lambda partner=partner: f"read-{host}" in partner.must("ls data"))
        partner.must(f"get data/read-{host} {tmp_path}/back")
        assert digest(tmp_path / "back") == digest(tmp_path / "film")
        partner.must_not(f"put {tmp_path}/film data/written-{host}")
        partner.must_not(f"rm data/read-{host}")
        partner.must_not("mkdir data/made")
    Partner(fleet, host, "store", "a guess").must_not("ls")
    Partner(fleet, host, "p1", PASSWORD).must_not("ls")


@on_every_host
def test_who_may_not_delete_neither_deletes_nor_renames(fleet, host, tmp_path):
    partner = Partner(fleet, host, "keeper")
    content(tmp_path / "film", 1000)
    partner.must(f"put {tmp_path}/film kept/kept-{host}")
    partner.must_not(f"rm kept/kept-{host}")
    partner.must_not(f"rename kept/kept-{host} kept/gone-{host}")
    assert f"kept-{host}" in partner.must("ls kept")


@pytest.mark.parametrize("command", [
    "ls /etc", "get /etc/passwd /dev/null", "get ../../../etc/passwd /dev/null", "ls /srv/s3", "ls /home", "put /etc/hostname /outside",
    "mkdir /outside", "rename data /outside", "ls /run/sabakan-sftp",
])
def test_nobody_leaves_the_own_root(fleet, command):
    Partner(fleet, "sftp-02", "p1").must_not(command)


def test_a_link_leads_nowhere(fleet):
    partner = Partner(fleet, "sftp-03", "p1")
    partner.sftp("symlink /etc/passwd data/link")
    partner.must_not("get data/link /dev/null")
    partner.sftp("rm data/link")


@on_every_host
def test_the_root_holds_the_directory_alone(fleet, host, tmp_path):
    listing = Partner(fleet, host, "p1").must("ls -1 /").splitlines()
    assert [line for line in listing if not line.startswith("sftp>")] == ["/data", "/dev"]
    assert Partner(fleet, host, "p1").must("ls -1 /dev").splitlines()[1:] in ([], ["/dev/log"])


@on_every_host
def test_there_is_no_shell_and_no_forwarding(fleet, host, tmp_path):
    partner = Partner(fleet, host, "p1")
    for words in (("id",), ("sh", "-c", "id")):
        assert "uid=" not in (answer := partner.ssh(*words)).stdout and answer.returncode
    assert "PTY allocation request failed" in partner.ssh(options=("-tt", "-oLogLevel=INFO")).stderr
    forwarded = partner.ssh(options=("-oLogLevel=INFO", "-W", "127.0.0.1:22"))
    assert "SSH-" not in forwarded.stdout and "forwarding failed" in forwarded.stderr
    assert partner.ssh(options=("-N", "-oExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22")).returncode


@on_every_host
def test_eight_partners_at_once(fleet, host, tmp_path):
    def work(number: int) -> bool:
        partner, name = Partner(fleet, host, f"p{number}"), f"at-once-{host}-{number}"
        wanted = content(tmp_path / name, 2_000_000)
        partner.must(f"put {tmp_path}/{name} data/{name}", f"get data/{name} {tmp_path}/{name}.back", f"rm data/{name}")
        return digest(tmp_path / f"{name}.back") == wanted

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(1, 9))) == [True] * 8


@on_every_host
def test_who_did_what_is_in_the_hosts_journal(fleet, host, tmp_path):
    journal = fleet[host].check_output("journalctl --no-pager -o cat CONTAINER_TAG=sabakan-sftp")
    events = [json.loads(line) for line in journal.splitlines() if line.startswith("{")]
    assert [event for event in events if event.get("user") == "p1" and str(SIZE) in json.dumps(event)]
    assert "10.96.0.1" in journal


@on_every_host
def test_the_container_has_what_it_needs_and_no_more(fleet, host, tmp_path):
    found = json.loads(fleet[host].check_output("docker inspect sabakan-sftp"))[0]
    own = found["HostConfig"]
    assert (own["Privileged"], own["Init"], own["CapDrop"]) == (False, True, ["ALL"])
    assert not {"SYS_PTRACE", "NET_ADMIN", "MKNOD", "NET_RAW", "SYS_MODULE"} & {name.removeprefix("CAP_") for name in own["CapAdd"]}
    assert own["LogConfig"]["Type"] == "journald"
    assert fleet[host].check_output("docker exec sabakan-sftp cat /proc/1/comm").startswith("docker-init")
    assert fleet[host].file("/etc/sabakan/sftp_s3/config.json").mode == 0o600


@on_every_host
def test_the_compose_file_says_the_same(fleet, host, tmp_path):
    service = yaml.safe_load(fleet[host].file("/etc/sabakan/sftp_s3.compose.yml").content_string)["services"]["sftp"]
    found = json.loads(fleet[host].check_output("docker inspect sabakan-sftp"))[0]
    own = found["HostConfig"]
    assert service["image"] == found["Config"]["Image"]
    assert (int(service["mem_limit"][:-1]) << 20, int(service["memswap_limit"][:-1]) << 20) == (own["Memory"], own["MemorySwap"])
    assert int(service["cpus"] * 1e9) == own["NanoCpus"]
    assert sorted(service["cap_add"]) == sorted(name.removeprefix("CAP_") for name in own["CapAdd"])
    assert sorted(service["volumes"]) == sorted(own["Binds"])
