"""Bad input is refused with its reason, and no host is changed."""

import pytest
from stack import APPLICATION, SITE

# Each is laid over the inventory; the last are the words that the refusal must hold.
PLANS = {
    "missing secret": ({}, [r"redis-01", "lacks the keys redis_password of stack_secrets"]),
    "unknown queue": (
        {"host_vars/wankiq-01.yml": {"sidekiq_processes": [
            {"name": "push", "queues": ["push", "default"], "concurrency": 16},
            {"name": "ingress", "queues": ["ingress", "fasp", "mackerel"], "concurrency": 16},
            {"name": "pull", "queues": ["pull"], "concurrency": 4},
        ]}},
        ["mackerel", "wankiq-01"],
    ),
    "two schedulers": (
        {"host_vars/wankiq-01.yml": {"sidekiq_processes": [
            {"name": "push", "queues": ["push", "default"], "concurrency": 16},
            {"name": "ingress", "queues": ["ingress", "fasp"], "concurrency": 16},
            {"name": "pull", "queues": ["pull", "scheduler"], "concurrency": 4},
        ]}},
        ["scheduler", "lankiq-01", "wankiq-01"],
    ),
    "pool sum too large": (
        {"host_vars/rdb-01.yml": {"pgbouncer_default_pool_size": 100}},
        ["rdb-01", "max_connections", "pgbouncer_default_pool_size"],
    ),
}


def refused(found, words):
    assert found.returncode != 0, found.stdout[-3000:]
    told = " ".join(found.stdout.split())
    missing = [word for word in words if word not in told]
    assert not missing, f"the refusal does not say {missing}: {found.stdout[-3000:]}"


@pytest.mark.parametrize("fault", PLANS)
def test_a_plan_is_refused_before_any_host_is_changed(stack, unchanged, fault):
    overlay, words = PLANS[fault]
    if fault == "missing secret":
        overlay = {"group_vars/all.yml": {"stack_secrets": {name: value for name, value in stack.secrets.items() if name != "redis_password"}}}
    found = stack.playbook(SITE, overlay=overlay)
    refused(found, [*words, "no host was changed"])
    assert "changed=0" in found.stdout and not any(f"changed={number}" in found.stdout for number in range(1, 10))


def test_a_release_that_does_not_exist_is_refused(stack, unchanged):
    found = stack.playbook(*APPLICATION, overlay={"group_vars/all.yml": {"stack_release": {**stack.release, "ref": "v0.0.0-nowhere"}}})
    refused(found, ["v0.0.0-nowhere", "stack_release"])


def test_a_data_directory_that_holds_something_else_is_refused(stack, fleet):
    """redis-01 becomes a standby, on which somebody has left files where the cluster would go."""
    version = 17 if fleet.variables["redis-01"]["fleet_debian"] == "13" else 15
    path = f"/var/lib/postgresql/{version}/main"
    stack.run("redis-01", f"mkdir -p {path} && echo keep > {path}/notes.txt")
    before = stack.fingerprint()
    found = stack.playbook(SITE, "--tags", "postgresql", overlay={
        "hosts.yml": {"all": {"children": {"postgresql_standby": {"hosts": {"redis-01": {}}}}}},
    })
    refused(found, ["redis-01", path, "holds no PostgreSQL cluster but 1 other entries (notes.txt)", "Nothing was changed"])
    stack.assert_unchanged(before)
    assert stack.run("redis-01", f"cat {path}/notes.txt") == "keep\n"
    stack.run("redis-01", f"rm -r {path}")


def test_a_cluster_of_unknown_standing_is_refused(stack, unchanged):
    """Primary and standby are exchanged in the inventory, and nobody has promoted or rewound anything."""
    found = stack.playbook(SITE, "--tags", "postgresql", overlay={"group_vars/all.yml": {
        "stack_postgresql_primary": stack.address("rdb-02"), "stack_postgresql_standbys": [stack.address("rdb-01")],
    }})
    refused(found, ["but the inventory makes this host a standby", "promote", "Nothing was changed"])
