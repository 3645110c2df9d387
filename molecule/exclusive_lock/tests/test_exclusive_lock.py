"""A wrapped service as systemd and Docker run it, under a lease too, and what the audit says of both."""

import json
import re
import time

import pytest
import yaml

HOSTS = ["exclusive-13", "exclusive-12"]
SECOND = "runuser -u redis -- /usr/bin/python3 -B /usr/local/lib/sabakan/sabakan_exclusive --allow-filesystem overlay {wait} /var/lib/redis -- true"


@pytest.mark.parametrize("name", HOSTS)
def test_a_second_one_is_refused_and_told_who_runs(fleet, name):
    main = fleet[name].check_output("systemctl show -P MainPID redis-server")
    refused = fleet[name].run(SECOND.format(wait=""))
    assert refused.rc == 75
    assert f"host {name} (this machine), PID {main} in its own name space" in refused.stderr


@pytest.mark.parametrize("name", HOSTS)
def test_a_killed_wrapper_is_started_again_by_systemd_without_a_hand(fleet, name):
    fleet[name].check_output("kill -9 $(systemctl show -P MainPID redis-server)")
    assert fleet[name].check_output(
        "for i in $(seq 100); do redis-cli ping 2>/dev/null && break; sleep 0.1; done",
    ) == "PONG"
    assert fleet[name].check_output("pgrep -cx redis-server") == "1"


@pytest.mark.parametrize("name", HOSTS)
def test_a_stop_is_orderly(fleet, name):
    fleet[name].check_output("systemctl stop redis-server")
    assert fleet[name].check_output("systemctl show -P Result,ExecMainStatus redis-server").split() == ["success", "0"]
    assert fleet[name].run(SECOND.format(wait="--wait 1")).rc == 0
    fleet[name].check_output("systemctl start redis-server")


@pytest.mark.parametrize("name", HOSTS)
def test_the_override_for_compose_puts_the_lock_before_the_entrypoint(fleet, name):
    service = yaml.safe_load(fleet[name].file("/etc/sabakan/exclusive/composed.yml").content_string)["services"]["composed"]
    assert service["entrypoint"][:3] == ["python3", "-B", "/usr/local/lib/sabakan/sabakan_exclusive"]
    assert service["entrypoint"][-3:] == ["/var/lib/postgresql", "--", "docker-entrypoint.sh"]
    assert service["command"] == ["postgres"]


# Containers of a real engine

RUN = "docker run -d --name %s --network none --restart %s -v /usr:/usr:ro -v /etc:/etc:ro -v /usr/local/lib/sabakan:/usr/local/lib/sabakan:ro -v db:/data"
WRAPPED = "sabakan/tiny python3 -B /usr/local/lib/sabakan/sabakan_exclusive --host second /data -- sleep 30003"


def until(host, question, answer="", seconds=30):
    """What a command prints, once that holds the answer."""
    deadline = time.monotonic() + seconds
    while True:
        said = host.run(question)
        found = said.stdout + said.stderr
        if answer in found and (answer or said.rc == 0):
            return found
        assert time.monotonic() < deadline, f"{question}: {found}"
        time.sleep(0.3)


def sleepers(host, number):
    """How often a command runs; the wrappers that have its words are not counted."""
    return int(host.check_output(f"ps -C sleep -o args= | grep -cx 'sleep {number}' || true"))


@pytest.mark.parametrize("name", HOSTS)
def test_a_second_container_is_refused_again_and_again_until_the_first_has_ended(fleet, name):
    host = fleet[name]
    first = host.check_output("docker inspect -f '{{.Id}}' db")[:12]
    try:
        host.check_output(f"{RUN % ('second', 'always')} {WRAPPED}")
        said = until(host, "docker logs second", f"container {first} on host {name} (this machine), PID 1 in its own name space")
        assert "nothing was started" in said
        until(host, "test $(docker inspect -f '{{.RestartCount}}' second) -ge 2")
        assert (sleepers(host, 30002), sleepers(host, 30003)) == (1, 0)
        host.check_output("docker stop -t 5 db")
        until(host, "docker exec second true && ps -C sleep -o args= | grep -x 'sleep 30003'")
        assert sleepers(host, 30002) == 0
    finally:
        host.check_output("docker rm -f second; docker start db")
    until(host, "ps -C sleep -o args= | grep -x 'sleep 30002'")


@pytest.mark.parametrize("name", HOSTS)
def test_the_engine_starts_a_killed_container_again_without_a_hand(fleet, name):
    host = fleet[name]
    before = host.check_output("docker inspect -f '{{.State.Pid}}' db")
    # A kill by the engine would be a stop to it.
    host.check_output("kill -9 %s", before)
    until(host, f"test $(docker inspect -f '{{{{.State.Pid}}}}' db) -gt 0 -a $(docker inspect -f '{{{{.State.Pid}}}}' db) != {before}")
    until(host, "ps -C sleep -o args= | grep -x 'sleep 30002'")
    assert sleepers(host, 30002) == 1


# The audit on a host with an engine

LOCKS = "import fcntl, time; own = open('/osd/fsid', 'w'); fcntl.flock(own, fcntl.LOCK_EX); time.sleep(600)"
UNIT = "printf '[Service]\\nExecStart=%s\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/%s.service"


@pytest.fixture
def planted(fleet):
    """Containers on one directory, on one device by two of its nodes, with a lock of its own, and some that share nothing;
    two units of one directory, and one that starts what the engine starts too."""
    host = fleet["exclusive-12"]
    run = f"{RUN.replace(' -v db:/data', '')} %s sabakan/tiny sleep infinity"
    host.check_output(
        "mkdir -p /srv/shared /srv/a /srv/b; touch /srv/shared/PG_VERSION /srv/a/PG_VERSION /srv/b/PG_VERSION;"
        " mknod /dev/disk-a b 7 77; mknod /dev/disk-b b 7 77; mknod /dev/disk-c b 7 78",
    )
    for number, (policy, options) in enumerate([
        ("always", "-v /srv/shared:/data"), ("no", "-v /srv:/elsewhere"), ("no", "--device /dev/disk-a"), ("no", "--device /dev/disk-b"),
        ("no", "-v /srv/a:/data --device /dev/disk-c"), ("no", "-v /srv/b:/data"), ("no", "-v /srv/shared:/data:ro"),
    ]):
        host.check_output(run % (f"planted-{number}", policy, options))
    host.check_output(run.replace("sleep infinity", "python3 -c %s") % ("planted-7", "no", "--tmpfs /osd -v /srv/c:/data", f'"{LOCKS}"'))
    host.check_output("mkdir -p /opt/twin; touch /opt/twin/PG_VERSION")
    for name, command in (("twin-a", "/usr/bin/env DIR=1 --dir=/opt/twin"), ("twin-b", "/usr/bin/env --dir=/opt/twin"), ("starter", "/usr/bin/docker start -a planted-0")):
        host.check_output(f"{UNIT % (command, name)}; systemctl enable {name}")
    yield host
    host.check_output(
        "systemctl disable twin-a twin-b starter; rm /etc/systemd/system/twin-?.service /etc/systemd/system/starter.service; systemctl daemon-reload;"
        " docker rm -f $(docker ps -aqf name=planted-); rm -r /opt/twin /srv/shared /srv/a /srv/b /srv/c /dev/disk-?",
    )


def test_every_planted_case_is_found_with_its_evidence_and_nothing_else(planted, module):
    found = module("exclusive-12", "exclusive_audit_info")["findings"]
    assert {(finding["kind"], *sorted(finding["users"])) for finding in found} == {
        ("shared_data", "container planted-0", "container planted-1"),
        ("shared_data", "container planted-1", "container planted-4"),
        ("shared_data", "container planted-1", "container planted-5"),
        ("shared_data", "container planted-1", "container planted-7"),
        ("private_lock", "container planted-7"),
        ("duplicated_unit", "unit twin-a.service", "unit twin-b.service"),
        ("two_starters", "container planted-0", "unit starter.service"),
        ("shared_device", "container planted-2", "container planted-3"),
    }
    evidence = " ".join(line for finding in found for line in finding["evidence"])
    assert "holds a lock on /osd/fsid" in evidence and "on tmpfs" in evidence
    assert "container planted-2 asks for no lock" in evidence
    identity = planted.check_output("stat -c 'dir %Hd:%Ld:%i' /srv/shared")
    assert f"planted-0 (running, starts by itself (restart always)) may write /srv/shared as /data, {identity}" in evidence
    assert "dev 7:77" in {finding["place"] for finding in found}


@pytest.mark.parametrize("name", HOSTS)
def test_the_audit_of_a_clean_host_is_empty(name, module):
    found = module(name, "exclusive_audit_info")
    assert found["findings"] == []
    assert found["seen"]["containers"] >= 1 and found["seen"]["units"] > 1


def test_a_block_device_by_two_nodes_is_one(fleet):
    """O_EXCL claims the device; a lock on either node would be on an inode of its own."""
    host = fleet["exclusive-12"]
    device = host.check_output("truncate -s 4M /root/disk; for n in $(seq 20 60); do mknod /dev/d$n b 7 $n; losetup /dev/d$n /root/disk 2>/dev/null && echo $n && exit; rm /dev/d$n; done")
    try:
        host.check_output(f"mknod /dev/other b 7 {device}; (sabakan-exclusive /dev/d{device} -- sleep 30 & echo $! > /run/claim) > /dev/null 2>&1")
        refused = until(host, "sabakan-exclusive /dev/other -- true || test $? != 75 || echo refused with 75", "refused with 75")
        assert "/dev/other is claimed" in refused
        host.check_output("kill $(cat /run/claim)")
        until(host, "sabakan-exclusive /dev/other -- true")
    finally:
        host.run(f"kill $(cat /run/claim); sleep 0.5; losetup -d /dev/d{device}; rm -f /dev/d{device} /dev/other /root/disk")


# The lease

ELSEWHERE = "sabakan-exclusive --host exclusive-12 --lease /root/lease.json --allow-filesystem overlay --wait %d /srv/ledger -- sh -c 'echo token $SABAKAN_FENCING_TOKEN'"
STATE = "systemctl show -P ExecMainStatus ledger"


def token(host):
    """Of the ledger that runs; empty when none does."""
    return host.run("tr '\\0' '\\n' < /proc/$(pgrep -xf '/usr/bin/sleep 30001')/environ | sed -n s/^SABAKAN_FENCING_TOKEN=//p").stdout.strip()


@pytest.fixture
def lease(fleet):
    """Both hosts with the same settings; the ledger runs on the first."""
    text = fleet["exclusive-13"].file("/etc/sabakan/exclusive-ledger.service.json").content_string
    assert json.loads(text)["ttl"] == 6
    fleet["exclusive-12"].check_output("umask 077; echo %s > /root/lease.json", text)
    fleet["exclusive-13"].check_output("systemctl start ledger")
    until(fleet["exclusive-13"], "pgrep -xf '/usr/bin/sleep 30001'")
    yield fleet["exclusive-13"], fleet["exclusive-12"]
    fleet["exclusive-12"].check_output("systemctl kill -s CONT store")
    fleet["exclusive-13"].check_output("systemctl reset-failed ledger; systemctl start ledger")


def test_the_settings_of_the_lease_are_their_readers_alone(fleet):
    file = fleet["exclusive-13"].file("/etc/sabakan/exclusive-ledger.service.json")
    assert (file.user, file.mode) == ("root", 0o600)


def test_another_host_is_refused_while_the_lease_is_held_and_gets_a_higher_token_after(lease):
    here, there = lease
    held = token(here)
    refused = there.run(ELSEWHERE % 0)
    assert refused.rc == 75
    assert re.search(rf"the lease is held by .*host exclusive-13.*, PID \d+ .*token {held};", refused.stderr)
    here.check_output("systemctl stop ledger")
    after = there.check_output(ELSEWHERE % 0)
    assert int(after.removeprefix("token ")) > int(held)


def test_a_host_that_dies_loses_its_lease_after_its_time_and_not_before(lease):
    here, there = lease
    held = token(here)
    # All of it at once, and no start again: a host without power.
    here.check_output("systemctl mask --runtime ledger; systemctl kill -s KILL ledger; systemctl stop ledger || true")
    try:
        assert there.run(ELSEWHERE % 0).rc == 75
        assert int(there.check_output(ELSEWHERE % 12).removeprefix("token ")) > int(held)
    finally:
        here.check_output("systemctl unmask --runtime ledger")


def test_a_store_that_stops_answering_ends_the_command_and_its_return_starts_it_again(lease):
    here, there = lease
    held = token(here)
    there.check_output("systemctl kill -s STOP store")
    # On the host itself, as the way to it takes time too.
    lasted = here.check_output(
        "began=$(date +%s%N); timeout 20 sh -c \"while pgrep -xf '/usr/bin/sleep 30001' > /dev/null; do sleep 0.05; done\";"
        " echo $((($(date +%s%N) - began) / 1000000))",
    )
    assert int(lasted) < 6000, "the lease was not up"
    assert "the command was ended, its lease could not be kept" in here.check_output("journalctl -u ledger -o cat -n 20")
    until(here, STATE, "69")
    there.check_output("systemctl kill -s CONT store")
    until(here, "pgrep -xf '/usr/bin/sleep 30001'")
    assert int(token(here)) > int(held)
