"""PgBouncer in transaction mode answers everybody with ten connections; in session mode it would be Pgpool-II again."""

import json

import pytest

CLIENTS = 200

# The role's own configuration with one word changed, as a second PgBouncer beside the first.
IN_SESSION_MODE = """
set -e
cd /etc/pgbouncer
sed 's/^pool_mode = transaction$/pool_mode = session/' reloadable.ini >session-reloadable.ini
sed -e 's/^listen_port = .*/listen_port = 6433/' -e 's/^unix_socket_dir = .*/unix_socket_dir =/' \
    -e 's#/reloadable.ini#/session-reloadable.ini#' pgbouncer.ini >session.ini
chgrp postgres session.ini session-reloadable.ini
systemctl is-active --quiet pgbouncer-session ||
  systemd-run --quiet --collect --unit=pgbouncer-session --uid=postgres --gid=postgres -p LimitNOFILE=4096 pgbouncer /etc/pgbouncer/session.ini
timeout 20 sh -c 'until ss -Hltn sport = :6433 | grep -q .; do sleep 0.1; done'
"""


@pytest.fixture(scope="module")
def hold(fleet):
    def run(port, watch):
        return json.loads(fleet["rdb-01"].check_output(
            "PGPASSWORD=%s hold %s --clients %s --watch %s",
            fleet.variables["rdb-01"]["stack_secrets"]["postgresql_password"],
            f"host={fleet.address('rdb-01')} port={port} dbname=mastodon_production user=mastodon", str(CLIENTS), str(watch),
        ))

    return run


@pytest.fixture(scope="module")
def seen(hold):
    return hold(6432, watch=30)


@pytest.fixture(scope="module")
def seen_in_session_mode(fleet, hold):
    fleet["rdb-01"].check_output(IN_SESSION_MODE)
    yield hold(6433, watch=10)
    fleet["rdb-01"].check_output("systemctl stop pgbouncer-session; rm /etc/pgbouncer/session.ini /etc/pgbouncer/session-reloadable.ini")


def test_two_hundred_clients_that_hold_their_connection_are_all_answered(seen):
    assert seen["answered"] == CLIENTS


def test_the_next_query_is_answered_within_a_second(seen):
    assert seen["newcomer"] is not None and seen["newcomer"] < 1


def test_they_share_no_more_than_the_pool(fleet, seen):
    assert 1 <= seen["backends"] <= fleet.variables["rdb-01"]["pgbouncer_default_pool_size"]


def test_the_same_pooler_in_session_mode_answers_only_as_many_as_its_pool(fleet, seen_in_session_mode):
    """So it is the mode that guards, not the product; the role's last step reads it back from the process."""
    assert seen_in_session_mode["answered"] == fleet.variables["rdb-01"]["pgbouncer_default_pool_size"]
    assert seen_in_session_mode["newcomer"] is None
