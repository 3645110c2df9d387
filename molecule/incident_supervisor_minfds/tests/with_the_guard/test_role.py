"""The role: supervisord as root with the limit that its programs need, and programs that keep their processes."""

import json
import re

import pytest


def pids(bots):
    """PIDs of the running programs."""
    return dict(re.findall(r"^(\S+)\s+RUNNING\s+pid (\d+)", bots.check_output("supervisorctl status"), re.MULTILINE))


def test_the_program_holds_its_sockets(bots, descriptors):
    assert bots.check_output("tail -n 1 /var/log/supervisor/crawler.log") == "holds 1500 sockets"
    (process,) = descriptors(programs=["crawler"], need=4096)["processes"]
    assert process["kinds"]["tcp established"] == 1500
    assert process["verdicts"] == []


def test_every_program_runs_once_as_its_own_user(bots):
    assert sorted(pids(bots)) == ["chatter", "crawler", "keeper", "ticker:ticker_00", "ticker:ticker_01"]
    found = bots.check_output("ps -C sleep,python3,supervisord -o user=,args= | grep -v 'sleep 0.05' | grep -e bots -e supervisord")
    assert len(found.splitlines()) == 5
    users = dict(reversed(line.split(None, 1)) for line in found.splitlines())
    assert [user for args, user in users.items() if "supervisord" in args] == ["root"]
    assert {user for args, user in users.items() if "supervisord" not in args} == {"bots"}


def test_a_log_is_rotated_at_its_size_and_as_many_are_kept_as_was_asked(bots):
    # 100 bytes twenty times a second.
    sizes = "cd /var/log/supervisor; for i in $(seq 60); do test -e chatter.log.2 && break; sleep 0.5; done; stat -c '%n %s' chatter.log.*"
    found = dict(line.split() for line in bots.check_output(sizes).splitlines())
    assert set(found) == {"chatter.log.1", "chatter.log.2"}
    assert all(4096 <= int(size) < 8192 for size in found.values())


def test_as_many_processes_are_permitted_as_a_program_needs(bots):
    soft = bots.check_output("awk '/^Max processes/ {print $3}' /proc/$(systemctl show -P MainPID supervisor)/limits")
    assert soft == "unlimited" or int(soft) >= 300
    assert bots.file("/etc/supervisor/supervisord.conf").contains("^minprocs = 300$")


def test_the_old_unit_is_gone_for_good(bots):
    assert not bots.service("bots").is_running
    assert not bots.service("bots").is_enabled


def test_the_control_socket_is_roots_alone(bots):
    socket = bots.file("/run/supervisor.sock")
    assert (socket.user, socket.mode & 0o077) == ("root", 0)


def test_a_changed_program_is_restarted_alone(bots, ansible):
    before = pids(bots)
    done = ansible("ansible-playbook", "converge.yml", "--extra-vars", "ticker_command='/bin/sleep 10003'")
    assert done.returncode == 0, done.text
    after = pids(bots)
    assert {name for name in after if after[name] != before[name]} == {"ticker:ticker_00", "ticker:ticker_01"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"supervisor_settings": {"user": "bots"}}, "can then never raise the hard limit"),
        ({"supervisor_minfds": 1 << 30}, "supervisor_minfds is 1073741824"),
        ({"supervisor_minfds": 2048}, "more descriptors than supervisor_minfds are asked by crawler"),
        ({"supervisor_previous_user": "", "supervisor_programs": [{"name": "a b", "command": "x", "user": "bots"}]}, "names must be"),
    ],
)
def test_what_cannot_hold_is_refused_before_anything_changes(bots, ansible, variables, says):
    state = "systemctl show -P InvocationID supervisor; find /etc -type f | sort | xargs -d '\\n' sha256sum"
    before = bots.check_output(state)
    refused = ansible("ansible-playbook", "converge.yml", "--extra-vars", json.dumps(variables))
    assert refused.returncode != 0
    assert says in refused.text
    assert bots.check_output(state) == before
