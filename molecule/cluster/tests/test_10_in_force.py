"""What the roles asked for is what the processes have. Nothing here changes a host."""

import json
import re

import pytest
import yaml
from stack import HOSTS, ROOT, await_that

SWIFT = ["swift-account", "swift-container", "swift-object", "swift-proxy", "swift-container-updater", "swift-object-updater"]
# A role's units, by the variable that asks for their descriptors.
UNITS = {
    "postgresql": lambda host: [f"postgresql@{17 if host['fleet_debian'] == '13' else 15}-main"],
    "pgbouncer": lambda host: ["pgbouncer"],
    "redis": lambda host: ["redis-server"],
    "object_storage": lambda host: [*SWIFT, "object-storage-tls"],
    "puma": lambda host: ["mastodon-web"],
    "streaming": lambda host: [f"mastodon-streaming@{port}" for port in host["streaming_ports"]],
    "sidekiq": lambda host: [f"mastodon-sidekiq@{process['name']}" for process in host["sidekiq_processes"]],
    "haproxy": lambda host: ["haproxy"],
    "media_proxy": lambda host: ["nginx"],
}
PROBE = r"""
import glob, json, os, re, subprocess
units = [p.split("/")[-2][:-2] for p in glob.glob("/etc/systemd/system/*.d/50-sabakan-limits.conf")]
limits = {unit: {} for unit in units}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        parts = set(re.split("[/\n]", open(f"/proc/{pid}/cgroup").read()))
        for unit in parts & set(units):
            limits[unit][pid] = re.search(r"Max open files\s+(\d+)\s+(\d+)", open(f"/proc/{pid}/limits").read()).groups()
    except (FileNotFoundError, ProcessLookupError):
        pass
print(json.dumps(limits))
"""


def wanted_limits(fleet, name: str) -> dict[str, str]:
    """Unit and its limit, from the inventory or else from the roles' defaults."""
    host = fleet.variables[name]
    wanted = {}
    for role, units in UNITS.items():
        if name in fleet.group(role):
            defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())
            limit = host.get(f"{role}_limit_nofile", defaults[f"{role}_limit_nofile"])
            wanted.update({f"{unit}.service": str(limit) for unit in units(host)})
    return wanted


@pytest.mark.parametrize("name", HOSTS)
def test_every_process_of_every_daemon_has_the_limit_that_its_role_asked(stack, fleet, name):
    wanted = wanted_limits(fleet, name)
    found = json.loads(stack.run(name, PROBE, program="python3"))
    assert wanted, f"{name} runs nothing: the test would pass on nothing"
    assert {unit: set(map(tuple, processes.values())) for unit, processes in found.items()} == {
        unit: {(limit, limit)} for unit, limit in wanted.items()
    }


@pytest.mark.parametrize("name", HOSTS)
def test_only_the_front_and_ssh_listen_on_every_address(stack, name):
    sockets = stack.run(name, "ss -Hltn | awk '{print $4}'").split()
    everywhere = {one.rpartition(":")[2] for one in sockets if one.rpartition(":")[0] in ("0.0.0.0", "[::]", "*")}
    assert everywhere == ({"22", "80", "443"} if name == "front-01" else {"22"})


# Where root finds each secret, as a count of files: too few, and the search finds nothing anywhere.
SECRET_FILES = {
    "app-01": 1, "app-02": 1, "lankiq-01": 3, "wankiq-01": 3, "rdb-01": 3, "rdb-02": 3, "redis-01": 1, "front-01": 2, "swift-01": 2,
}


def secret_lines(secrets: dict[str, str]) -> str:
    """A line of each secret: passwords whole, of keys the middle. Certificates and public keys are none."""
    private = {name: text for name, text in secrets.items() if "certificate" not in name and "public" not in name and name != "object_storage_access_key"}
    return "\n".join(text.strip().splitlines()[len(text.strip().splitlines()) // 2] for text in private.values()) + "\n"


@pytest.mark.parametrize("name", HOSTS)
def test_no_secret_is_readable_by_others(stack, name):
    """Searched as nobody, in files and in command lines; as root the same search finds them."""
    search = "grep -rlIF -s -D skip -f - {} || [ $? -lt 3 ]"
    secrets = secret_lines(stack.secrets)
    places = "/etc /home/mastodon/shared /var/lib/postgresql/.pgpass-replication"
    by_root = stack.run(name, search.format(places), stdin=secrets).split()
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups "
    places = "/etc /home /root /opt /srv /var/lib /var/log /var/cache /var/spool /tmp /run"
    by_nobody = stack.run(name, nobody + search.format(places), stdin=secrets).split()
    titles = stack.run(name, "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
    assert len(by_root) >= SECRET_FILES[name], by_root
    assert by_nobody == []
    assert not [line for line in secrets.split() if line in titles]


@pytest.mark.parametrize("name", ["app-01", "app-02", "lankiq-01", "wankiq-01"])
def test_every_ruby_process_has_loaded_jemalloc(stack, name):
    script = "for pid in $(pgrep -u mastodon -f 'puma|sidekiq'); do grep -c -m1 libjemalloc /proc/$pid/maps || true; done"
    counts = stack.run(name, script).split()
    assert counts and set(counts) == {"1"}


def test_the_standby_streams_through_its_slot(stack):
    row = stack.query("rdb-01", "SELECT state, slot_name, active FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid")
    assert re.fullmatch(r"streaming\|standby_[0-9_]+\|t", row), row
    assert stack.query("rdb-02", "SELECT pg_is_in_recovery()") == "t"


def test_one_process_of_the_fleet_schedules(stack):
    """Each process that does writes every 30 s; a process that has ended is out of the count after 45 s."""
    fresh = "SELECT count(*) FROM scheduler_heartbeats WHERE beat_at > now() AT TIME ZONE 'utc' - interval '45 s'"
    await_that("one process has written a heartbeat in the last 45 s", lambda: stack.query("rdb-01", fresh) == "1", 90)


def test_plain_http_leads_to_https(stack):
    answer = stack.run("front-01", f"curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' -H 'Host: {stack.domain}' http://{stack.address('front-01')}/about")
    assert answer == f"301 https://{stack.domain}/about"
