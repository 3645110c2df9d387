# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _daemon_needs
from hypothesis import given
from hypothesis import strategies as st


def reader(**files):
    return lambda pattern: [(pattern, files[pattern])] if pattern in files else []


@pytest.mark.parametrize(
    ("text", "connections"),
    [
        ("events { worker_connections 768; }", 768),
        ("events\n{\n# worker_connections 1;\nworker_connections 4096 ;\n}", 4096),
        ("worker_connections 9; events { }", 512),
        ("http { server { worker_connections 9; } } events { worker_connections 10; }", 10),
        ('events { use "epoll;}"; worker_connections "2048"; }', 2048),
        ("log_format a '$x}'; events { worker_connections 2048; }", 2048),
        ("http { set $a ${b}; } events { worker_connections 2048; }", 2048),
        ("include more.conf;", 77),
        ("events { include events.conf; }", 88),
        ("http { include more.conf; }", 512),
        ("include loop.conf;", 512),
        ("events { worker_connections many; }", 512),
        ("events { worker_connections 768", 512),
        ("}}}{{{;;;", 512),
        ("", 512),
    ],
)
def test_nginx(text, connections):
    files = {
        "/etc/nginx/more.conf": "events { worker_connections 77; }",
        "/etc/nginx/events.conf": "worker_connections 88;",
        "/etc/nginx/loop.conf": "include loop.conf;",
    }
    assert _daemon_needs.nginx(text, reader(**files)).count == 2 * connections + 64


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("global\n maxconn 20000\n nbthread 4\n", 40000 + 12 + 32),
        ("global\n maxconn 100 # many\n\nfrontend a\n bind :80\n bind :443\n maxconn 7\nbackend b\n server x y check\n server z w\n",
         200 + 6 + 2 + 1 + 32),
        ("defaults\n maxconn 7\n", None),
        ("#global\n maxconn 7\n", None),
        ("global\n maxconn\n", None),
        ("global\n maxconn x\n", None),
        ("", None),
    ],
)
def test_haproxy(text, count):
    need = _daemon_needs.haproxy(text, 2)
    assert (need.count if need else None) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[pgbouncer]\nmax_client_conn = 400\n", 464),
        ("[databases]\na = host=h pool_size=30\nb = host=h\n;c = x\n[pgbouncer]\ndefault_pool_size=10\nreserve_pool_size=5\n",
         100 + 35 + 15 + 64),
        ("[databases]\nmax_client_conn = host=h\n", 100 + 20 + 64),
        ("%include /more.ini\n", 300 + 64),
        ("[pgbouncer]\n%include /bare.ini\n", 200 + 64),
        ("%include /loop.ini\n", 164),
        ("[pgbouncer\nmax_client_conn = 9", 164),
        ("=\n[]\n", 164),
        ("", 164),
    ],
)
def test_pgbouncer(text, count):
    files = {"/more.ini": "[pgbouncer]\nmax_client_conn = 300", "/bare.ini": "max_client_conn = 200", "/loop.ini": "%include /loop.ini"}
    assert _daemon_needs.pgbouncer(text, reader(**files)).count == count


@pytest.mark.parametrize(
    ("text", "clients"),
    [
        ("maxclients 4000", 4000), ("MAXCLIENTS 4000\n# maxclients 5\n", 4000), ('maxclients "4000"', 4000),
        ("maxclients 1\ninclude /more.conf", 99), ("include /more.conf\nmaxclients 1", 1), ("include /loop.conf", 10000),
        ('requirepass "unfinished\nmaxclients 7', 7), ("maxclients", 10000), ("maxclients -1", 10000), ("", 10000),
    ],
)
def test_redis(text, clients):
    files = {"/more.conf": "maxclients 99", "/loop.conf": "include /loop.conf"}
    assert _daemon_needs.redis(text, reader(**files)).count == clients + 32


@pytest.mark.parametrize(
    ("text", "files", "connections"),
    [
        ("max_connections = 200\nmax_files_per_process = 500", 500, 200),
        ("max_connections 200 # comment\n", 1000, 200),
        ("MAX_CONNECTIONS='300'\n#max_connections = 1", 1000, 300),
        ("max_connections = 1\ninclude_dir 'conf.d'\n", 1000, 77),
        ("include = 'one.conf'", 2000, 100),
        ("include = 'loop.conf'", 1000, 100),
        ("max_connections = 'unfinished", 1000, 100),
        ("=\n", 1000, 100),
        ("", 1000, 100),
    ],
)
def test_postgresql(text, files, connections):
    read = reader(**{
        "/etc/pg/conf.d/*.conf": "max_connections = 77", "/etc/pg/one.conf": "max_files_per_process = 2000",
        "/etc/pg/loop.conf": "include 'loop.conf'",
    })
    assert _daemon_needs.postgresql(text, read, "/etc/pg").count == files
    assert _daemon_needs.postgresql_total(text, read, "/etc/pg").count == files * connections


WORDS = st.lists(st.sampled_from([
    "include", "%include", "include_dir", "events", "{", "}", ";", "'", '"', "\\", "#", "=", "[", "]", "\n", " ", "global",
    "maxconn", "9" * 20, "²", "٣", "worker_connections", "[databases]", "pool_size=", "maxclients", "max_connections",
]), max_size=40).map(" ".join)


@given(st.one_of(st.text(max_size=200), WORDS))
def test_no_text_is_an_error_even_where_it_includes_itself_twice(text):
    calls = []

    def read(pattern):
        calls.append(pattern)
        return [("/x", text)] if len(calls) < 50 else []

    for daemon in (_daemon_needs.nginx, _daemon_needs.pgbouncer, _daemon_needs.redis, _daemon_needs.postgresql):
        assert daemon(text, read).count > 0
    _daemon_needs.haproxy(text)
