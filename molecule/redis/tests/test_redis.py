"""Redis as its role leaves it."""

import pytest

HOSTS = ["redis-13", "redis-12"]


@pytest.mark.parametrize("name", HOSTS)
def test_nobody_without_the_password_is_answered(fleet, name):
    assert "NOAUTH" in fleet[name].check_output("redis-cli -h %s ping", fleet.address(name))


@pytest.mark.parametrize("name", HOSTS)
def test_the_password_is_readable_by_redis_alone(fleet, name):
    file = fleet[name].file("/etc/redis/redis.conf")
    assert (file.user, file.group, file.mode) == ("root", "redis", 0o640)


@pytest.mark.parametrize("name", HOSTS)
def test_redis_listens_on_its_own_address_and_loopback_alone(fleet, name):
    sockets = set(fleet[name].check_output("ss -Hltn sport = :6379 | awk '{print $4}'").split())
    assert sockets == {f"{fleet.address(name)}:6379", "127.0.0.1:6379"}
