"""What began as a bare host serves."""

import pytest

HOSTS = ["bare-13", "bare-12"]
UNITS = {"redis-server.service": 8192, "pgbouncer.service": 4096, "postgresql@{}-main.service": 8192}


@pytest.mark.parametrize("name", HOSTS)
def test_a_client_of_the_pooler_reaches_the_database(fleet, name):
    address, password = fleet.address(name), fleet.variables[name]["stack_secrets"]["postgresql_password"]
    uri = f"postgresql://mastodon:{password}@{address}:6432/mastodon_production"
    assert fleet[name].check_output("psql -XAtqc 'SELECT current_database()' %s", uri) == "mastodon_production"


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("unit", UNITS)
def test_every_daemon_runs_with_the_limit_that_was_asked(fleet, name, unit):
    limit, unit = UNITS[unit], unit.format(17 if name == "bare-13" else 15)
    pid = fleet[name].check_output("systemctl show -P MainPID %s", unit)
    assert int(pid) > 0
    found = fleet[name].check_output("awk '/Max open files/ {print $4, $5}' /proc/%s/limits", pid)
    assert found == f"{limit} {limit}"


@pytest.mark.parametrize("name", HOSTS)
def test_no_unit_has_failed(fleet, name):
    assert fleet[name].check_output("systemctl list-units --plain --no-legend --state=failed") == ""
