"""A wrapped service as systemd runs it."""

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
    service = yaml.safe_load(fleet[name].file("/etc/sabakan/exclusive/db.yml").content_string)["services"]["db"]
    assert service["entrypoint"][:2] == ["python3", "/usr/local/lib/sabakan/sabakan_exclusive"]
    assert service["entrypoint"][-3:] == ["/var/lib/postgresql", "--", "docker-entrypoint.sh"]
    assert service["command"] == ["postgres"]
