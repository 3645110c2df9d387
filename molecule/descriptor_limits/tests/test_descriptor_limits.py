"""Limits as each process has them, whatever starts it; and what cannot hold is refused before anything changes."""

import json
import re

import pytest

HOSTS = ["limits-13", "limits-12"]
RUN = ["-m", "include_role", "-a", "name=sabakan.vps.descriptor_limits"]
STATE = (
    "systemctl show -P InvocationID family plain supervisor docker; docker inspect -f '{{.Id}} {{.State.StartedAt}}' bot relay;"
    " find /etc -type f | sort | xargs -d '\\n' sha256sum; cat /proc/sys/net/ipv4/tcp_keepalive_time"
)
LIMITS = "for pid in %s; do grep '^Max open files' /proc/$pid/limits; done"


@pytest.fixture(params=HOSTS)
def name(request):
    return request.param


def limits(host, pids):
    """(soft, hard) of each of the processes that a command prints."""
    lines = host.check_output(LIMITS.replace("%s", f"$({pids})")).splitlines()
    return [tuple(int(number) for number in re.findall(r"\d+", line)) for line in lines]


@pytest.mark.parametrize(
    ("pids", "expected"),
    [
        ("systemctl show -P MainPID plain", [(4096, 4096)]),
        ("pgrep -f 'sleep 2000[12]'", [(2048, 8192)] * 3),
        ("pgrep -f 'superviso[r]d|sleep 2000[34]'", [(4096, 16384)] * 4),
        ("pgrep -f 'sleep 2000[56]'", [(4096, 16384)] * 3),
        ("docker inspect -f '{{.State.Pid}}' relay", [(3072, 6144)]),
    ],
    ids=["unit", "children of a unit", "programs and their supervisord", "container by the default", "container by its own"],
)
def test_every_process_has_its_limits(fleet, name, pids, expected):
    assert limits(fleet[name], pids) == expected


def test_the_other_settings_of_docker_stay(fleet, name):
    daemon = json.loads(fleet[name].file("/etc/docker/daemon.json").content_string)
    assert daemon["live-restore"] is True
    assert daemon["default-ulimits"] == {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 16384}}


def test_what_is_dead_is_out_of_the_files_and_the_rest_is_set(fleet, name):
    assert fleet[name].file("/etc/sysctl.d/90-story.conf").content_string == "# found on the net\nnet.ipv4.tcp_syncookies = 1\n"
    assert fleet[name].check_output("cat /proc/sys/net/ipv4/tcp_keepalive_time") == "300"
    assert fleet[name].check_output("cat /proc/sys/net/ipv4/ip_local_port_range").split() == ["33000", "60000"]


def test_a_second_run_restarts_nothing(fleet, ansible):
    before = {name: fleet[name].check_output(STATE) for name in HOSTS}
    done = ansible("ansible", "all", *RUN)
    assert done.returncode == 0, done.text
    assert {name: fleet[name].check_output(STATE) for name in HOSTS} == before


SERVICES = [
    {"name": "plain.service", "nofile": "infinity"},
    {"name": "family.service", "nofile": 1048576},
    {"name": "bot", "manager": "docker", "nofile": "4096:1024"},
    {"name": "ticker", "manager": "supervisor", "nofile": 1 << 30},
    {"name": "supervisor.service", "nofile": 4096},
]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"descriptor_limits_services": SERVICES, "descriptor_limits_docker_default": "unlimited"}, [
            "plain.service: 'infinity' is neither", "infinity is not to be had, as daemons that walk", "systemd's own hard limit, which it may not raise",
            "bot: 4096:1024: the soft limit is above the hard one", "ticker: 1073741824 is above 1048576; daemons that walk",
            "take the unit itself out", "descriptor_limits_docker_default: 'unlimited' is neither",
        ]),
        ({"descriptor_limits_tcp": {"tcp_tw_recycle": 1, "tcp_syncookies": 0, "ip_local_port_range": "20 60000"}}, [
            "tcp_tw_recycle is gone since Linux 4.12", "without SYN cookies a flood", "holds ports that are listened on: 22",
        ]),
    ],
)
def test_what_cannot_hold_is_refused_before_anything_changes(fleet, ansible, variables, says):
    before = fleet["limits-13"].check_output(STATE)
    refused = ansible("ansible", "limits-13", *RUN, "-e", json.dumps(variables))
    assert refused.returncode != 0
    assert [text for text in says if text not in refused.text] == []
    assert fleet["limits-13"].check_output(STATE) == before


def test_the_unit_of_role_supervisor_is_refused(fleet, ansible):
    host = fleet["limits-12"]
    host.check_output("cp -p /etc/supervisor/supervisord.conf /tmp/kept; echo '; Written by role supervisor of sabakan.vps.' >> /etc/supervisor/supervisord.conf")
    refused = ansible("ansible", "limits-12", *RUN)
    host.check_output("mv /tmp/kept /etc/supervisor/supervisord.conf")
    assert refused.returncode != 0
    assert "set the program's descriptors in supervisor_programs instead" in refused.text


def test_a_unit_with_less_fails_the_run_with_the_chain(fleet, name, ansible):
    host = fleet[name]
    host.check_output("printf '[Service]\\nLimitNOFILE=512\\n' > /etc/systemd/system/plain.service.d/90-mine.conf")
    failed = ansible("ansible", name, *RUN)
    host.check_output("rm /etc/systemd/system/plain.service.d/90-mine.conf; systemctl daemon-reload")
    assert failed.returncode != 0
    assert "4096 descriptors are needed" in failed.text and "its limit is 512" in failed.text
    assert "The link to change is unit plain.service: LimitNOFILE= in a drop-in of plain.service" in failed.text
    assert re.search(r"kernel fs.nr_open \d+:\d+ -> container runtime of this host \d+:\d+ -> unit plain.service 512:512 -> process sleep", failed.text)
    assert ansible("ansible", name, *RUN).returncode == 0
    assert limits(host, "systemctl show -P MainPID plain") == [(4096, 4096)]


def test_a_container_with_less_of_its_own_fails_the_run(fleet, name, ansible):
    host = fleet[name]
    host.check_output("docker run -d --name own --network none --ulimit nofile=512:1024 -v /usr:/usr:ro -v /etc:/etc:ro sabakan/tiny sleep infinity")
    failed = ansible("ansible", name, *RUN, "-e", json.dumps({"descriptor_limits_services": [{"name": "own", "manager": "docker", "nofile": 1024}]}))
    host.check_output("docker rm -f own")
    assert failed.returncode != 0
    assert "The link to change is container own: its own --ulimit nofile" in failed.text


def test_a_container_from_before_the_default_was_raised_is_caught_and_restarted(fleet, name, ansible, module):
    """By hand, as an admin would: first the file alone, then the engine too, which leaves its containers running."""
    def verdicts():
        found = module(name, "descriptor_info", containers=["bot"], needs={"bot": "8192:16384"})["processes"]
        return {(verdict["verdict"], verdict["link"]) for process in found for verdict in process["verdicts"]}

    host, variables = fleet[name], {
        "descriptor_limits_services": [{"name": "bot", "manager": "docker", "nofile": "8192:16384"}], "descriptor_limits_docker_default": "8192:16384",
    }
    assert verdicts() == {("below_need", "container")}
    host.check_output("sed -i 's/4096/8192/' /etc/docker/daemon.json")
    assert verdicts() == {("below_need", "container"), ("stale", "container")}
    told = ansible("ansible", name, *RUN, "-e", json.dumps({**variables, "descriptor_limits_docker_restart": False}))
    assert told.returncode != 0
    assert "docker.service must be restarted before default-ulimits is in force" in told.text
    assert "restart docker.service, which runs since before" in told.text
    started = host.check_output("docker inspect -f '{{.State.StartedAt}}' bot")
    host.check_output("systemctl restart docker")
    assert host.check_output("docker inspect -f '{{.State.StartedAt}}' bot") == started
    assert verdicts() == {("below_need", "process"), ("stale", "process")}
    done = ansible("ansible", name, *RUN, "-e", json.dumps(variables))
    assert done.returncode == 0, done.text
    assert limits(host, "pgrep -f 'sleep 2000[56]'") == [(8192, 16384)] * 3
    assert verdicts() == set()


def test_a_limit_that_systemd_lowered_is_caught(fleet, name, module):
    assert fleet[name].check_output("systemctl show -P LimitNOFILE clamped") == "1000000"
    (process,) = module(name, "descriptor_info", units=["clamped.service"])["processes"]
    assert process["hard"] < 1000000
    assert [(verdict["verdict"], verdict["link"]) for verdict in process["verdicts"]] == [("clamped", "container runtime")]


def test_a_process_at_its_limit_and_a_host_at_its_own_are_told_apart(name, module):
    errors = module(name, "descriptor_info", names=["nobody"])["errors"]
    assert any("OSError: [Errno 24] Too many open files: '/dev/null'" in line for line in errors["EMFILE"])
    assert any("writer" in line and "Too many open files in system" in line for line in errors["ENFILE"])
    assert not any("python3" in line for line in errors["ENFILE"])
