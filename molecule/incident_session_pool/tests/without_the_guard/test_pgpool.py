"""Pgpool-II gives each client a session: who comes later waits for one that is never given back."""

import json

import pytest

CLIENTS = 10
WATCH = 20


@pytest.fixture(scope="module")
def seen(fleet):
    variables = fleet.variables["rdb-01"]
    return json.loads(fleet["rdb-01"].check_output(
        "PGPASSWORD=%s hold %s --clients %s --watch %s",
        variables["stack_secrets"]["postgresql_password"],
        f"host={fleet.address('rdb-01')} port={variables['pgpool_port']} dbname=mastodon_production user=mastodon",
        str(CLIENTS), str(WATCH),
    ))


def test_only_as_many_clients_as_children_are_answered(fleet, seen):
    assert (seen["clients"], seen["answered"]) == (CLIENTS, fleet.variables["rdb-01"]["pgpool_children"])


def test_a_newcomer_is_not_answered(seen):
    assert seen["newcomer"] is None


def test_the_others_are_answered_as_soon_as_the_first_let_go(seen):
    """It is the held session that they waited for, nothing else: in the story they got one hours later."""
    assert seen["answered_after_release"] == CLIENTS
