"""Bad input is refused with its reason, and no host is changed."""

import pytest
from stack import APPLICATION, SITE

# Laid over the inventory together, for a plan tells all that is wrong with it; each with what the refusal must say of it.
FAULTY = {
    "host_vars/wankiq-01.yml": {"sidekiq_processes": [
        {"name": "push", "queues": ["push", "default"], "concurrency": 16},
        {"name": "ingress", "queues": ["ingress", "fasp", "mackerel"], "concurrency": 16},
        {"name": "pull", "queues": ["pull", "scheduler"], "concurrency": 4},
    ]},
    "host_vars/rdb-01.yml": {"pgbouncer_default_pool_size": 100},
}
FAULTS = {
    "unknown queue": ["mackerel", "ingress on wankiq-01"],
    "two schedulers": ["scheduler", "scheduler on lankiq-01", "pull on wankiq-01"],
    "pool sum too large": ["rdb-01", "max_connections", "pgbouncer_default_pool_size"],
}


def refused(found, words):
    assert found.returncode != 0, found.stdout[-3000:]
    told = " ".join(found.stdout.split())
    missing = [word for word in words if word not in told]
    assert not missing, f"the refusal does not say {missing}: {found.stdout[-3000:]}"


def without(secrets, name):
    return {"group_vars/all.yml": {"stack_secrets": {key: value for key, value in secrets.items() if key != name}}}


def test_a_missing_secret_is_refused(stack, unchanged):
    found = stack.playbook(SITE, overlay=without(stack.secrets, "redis_password"))
    refused(found, ["redis-01", "lacks the keys redis_password of stack_secrets", "no host was changed"])


@pytest.fixture(scope="module")
def plan(stack):
    """What a faulty plan is answered; it must not change a host."""
    before = stack.fingerprint()
    found = stack.playbook(SITE, overlay=FAULTY)
    stack.assert_unchanged(before)
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plan_that_cannot_fit_is_refused(plan, fault):
    refused(plan, [f"The plan does not fit ({len(FAULTS)}), no host was changed", *FAULTS[fault]])


def test_a_release_that_does_not_exist_is_refused(stack, unchanged):
    found = stack.playbook(*APPLICATION, overlay={"group_vars/all.yml": {"stack_release": {**stack.release, "ref": "v0.0.0-nowhere"}}})
    refused(found, ["v0.0.0-nowhere", "is neither a tag, a branch nor a whole commit", "nothing was changed"])


@pytest.fixture(scope="module")
def exchange(stack, fleet):
    """Primary and standby change places, and redis-01 becomes a standby, where somebody has left a file in the directory."""
    version = 17 if fleet.variables["redis-01"]["fleet_debian"] == "13" else 15
    path = f"/var/lib/postgresql/{version}/main"
    stack.run("redis-01", f"mkdir -p {path} && echo keep > {path}/notes.txt")
    before = stack.fingerprint()
    found = stack.playbook(SITE, "--tags", "postgresql", overlay={
        "hosts.yml": {"all": {"children": {"postgresql_standby": {"hosts": {"redis-01": {}}}}}},
        "group_vars/all.yml": {
            "stack_postgresql_primary": stack.address("rdb-02"),
            "stack_postgresql_standbys": [stack.address("rdb-01"), stack.address("redis-01")],
        },
    })
    stack.assert_unchanged(before)
    assert stack.run("redis-01", f"cat {path}/notes.txt") == "keep\n"
    stack.run("redis-01", f"rm -r {path}")
    return found


@pytest.mark.parametrize("words", [
    "holds no PostgreSQL cluster but 1 other entries (notes.txt)",
    "the inventory makes this host the primary",
    "the inventory makes this host a standby",
])
def test_a_data_directory_of_unknown_standing_is_refused(exchange, words):
    refused(exchange, [words, "Nothing was changed"])
