# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the roles write for values that are odd and legal."""

from __future__ import annotations

from pathlib import Path

import pytest
from role_run import STACK, rendered

ODD = {"ON": True, "OFF": False, "NONE": None, "SHARE": "100%", "SAID": 'a"b', "PATTERN": r"\.png", "NUMBER": 7}
UNITS = [("puma", "mastodon-web.service.j2"), ("streaming", "mastodon-streaming@.service.j2"), ("sidekiq", "mastodon-sidekiq@.service.j2")]


@pytest.mark.parametrize(("role", "template"), UNITS)
def test_a_unit_gives_its_environment_as_it_was_asked(tmp_path: Path, role: str, template: str) -> None:
    lines = rendered(tmp_path, role, template, {f"{role}_environment": ODD}).splitlines()
    for line in ('"ON=true"', '"OFF=false"', '"NONE="', '"SHARE=100%%"', r'"SAID=a\"b"', r'"PATTERN=\\.png"', '"NUMBER=7"'):
        assert f"Environment={line}" in lines


def test_mastodon_finds_true_where_the_inventory_says_true(tmp_path: Path) -> None:
    lines = rendered(tmp_path, "mastodon", "env.production.j2", {"mastodon_environment": ODD}).splitlines()
    for line in ("ON=true", "OFF=false", "NONE=", "SHARE=100%", "SAID='a\"b'", r"PATTERN='\.png'", "NUMBER=7"):
        assert line in lines


@pytest.mark.parametrize(("version", "secret"), [("v4.3.23", True), ("v4.5.0-rc.1+glitch", False), ("4.10", False)])
def test_mastodon_gets_the_variables_of_its_version_in_any_notation(tmp_path: Path, version: str, secret: bool) -> None:
    lines = rendered(tmp_path, "mastodon", "env.production.j2", {"mastodon_version": version}).splitlines()
    assert any(line.startswith("OTP_SECRET=") for line in lines) is secret


def test_a_store_of_somebody_elses_needs_no_authority_of_its_own(tmp_path: Path) -> None:
    store = {**STACK["stack_object_storage"], "public_url": "https://media.s3.example.org"}
    text = rendered(tmp_path, "media_proxy", "nginx.conf.j2", {"stack_object_storage": store})
    assert "proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;" in text
    assert "proxy_ssl_name media.s3.example.org;" in text


@pytest.mark.parametrize(
    ("role", "template", "variables", "line"),
    [
        ("pgbouncer", "pgbouncer.ini.j2", {}, "listen_addr = 10.91.0.21, 127.0.0.1"),
        ("pgbouncer", "pgbouncer.ini.j2", {"stack_address": "10.91.0.13"}, "listen_addr = 127.0.0.1"),
        ("pgbouncer", "pgbouncer.ini.j2", {"pgbouncer_listen_address": "0.0.0.0"}, "listen_addr = 0.0.0.0"),
        ("redis", "redis.conf.j2", {}, "bind 10.91.0.21 127.0.0.1"),
        ("redis", "redis.conf.j2", {"redis_bind": "127.0.0.1"}, "bind 127.0.0.1"),
        ("redis", "redis.conf.j2", {"redis_bind": "0.0.0.0"}, "bind 0.0.0.0"),
    ],
)
def test_loopback_is_served_once(tmp_path: Path, role: str, template: str, variables: dict[str, str], line: str) -> None:
    assert line in rendered(tmp_path, role, template, variables).splitlines()


def test_a_migrator_that_has_lost_its_power_loses_its_lock_within_minutes(tmp_path: Path) -> None:
    """The kernel's own 7200 s would refuse every migration of two hours."""
    variables = {"__postgresql_cluster": {"space": {"total": 8192, "free": 8192}}}
    lines = rendered(tmp_path, "postgresql", "sabakan.conf.j2", variables).splitlines()
    idle, interval, count = (int(line.split(" = ")[1]) for line in lines if line.startswith("tcp_keepalives_"))
    assert idle + interval * count <= 180


def test_a_backslash_of_the_archive_command_reaches_the_shell(tmp_path: Path) -> None:
    variables = {
        "postgresql_archive_command": r"sed 's/\.x//' %p", "__postgresql_version": "17", "__postgresql_max_slot_wal_keep_size": "1024",
    }
    assert r"archive_command = 'sed ''s/\\.x//'' %p'" in rendered(tmp_path, "postgresql", "sabakan.conf.j2", variables).splitlines()


def test_a_client_says_nothing_of_itself_by_a_header_with_an_underscore(tmp_path: Path) -> None:
    """Rack reads X_Forwarded_Host as X-Forwarded-Host, which del-header does not find by that name."""
    front = rendered(tmp_path, "haproxy", "haproxy.cfg.j2", {}).split("\nfrontend https\n")[1].split("\nbackend ")[0]
    assert "option http-restrict-req-hdr-names delete" in [line.strip() for line in front.splitlines()]


def test_the_store_gets_no_header_of_a_client(tmp_path: Path) -> None:
    """Credentials have more names than can be listed: Proxy-Authorization, X-Service-Token, X-Amz-Security-Token."""
    store = {**STACK["stack_object_storage"], "public_url": "https://media.s3.example.org"}
    lines = [line.strip() for line in rendered(tmp_path, "media_proxy", "nginx.conf.j2", {"stack_object_storage": store}).splitlines()]
    assert "proxy_pass_request_headers off;" in lines
    assert {line for line in lines if line.startswith("proxy_set_header ")} == {
        "proxy_set_header Host media.s3.example.org;", 'proxy_set_header Connection "";', 'proxy_set_header User-Agent "media-proxy";',
    }


def test_the_web_may_take_as_long_as_mastodon_s_own_proxy_lets_it(tmp_path: Path) -> None:
    text = rendered(tmp_path, "haproxy", "haproxy.cfg.j2", {"haproxy_threads": 1})
    assert "timeout server 120s" in text.split("\nbackend puma\n")[1].split("\nbackend ")[0]


def test_a_stream_is_cut_by_no_timeout_of_the_front_and_held_back_by_no_buffer(tmp_path: Path) -> None:
    """A quiet websocket says nothing for minutes, and an event is a few bytes that must not wait for more."""
    text = rendered(tmp_path, "haproxy", "haproxy.cfg.j2", {"haproxy_threads": 1})
    backends = {part.split("\n", 1)[0]: [line.strip() for line in part.splitlines()] for part in text.split("\nbackend ")[1:]}
    assert {"timeout tunnel 1h", "option http-no-delay"} <= set(backends["streaming"])
    assert "balance roundrobin" in backends["puma"]
    assert "option http-buffer-request" not in text


def test_many_who_ask_for_an_old_object_at_once_are_one_request_to_the_store_and_wait_for_none(tmp_path: Path) -> None:
    store = {**STACK["stack_object_storage"], "public_url": "https://media.s3.example.org"}
    lines = {line.strip() for line in rendered(tmp_path, "media_proxy", "nginx.conf.j2", {"stack_object_storage": store}).splitlines()}
    assert {"proxy_cache_lock on;", "proxy_cache_background_update on;"} <= lines
    # Without `updating` the one that finds it old waits for the store, and without the errors it fails with the store.
    (stale,) = (line.rstrip(";").split()[1:] for line in lines if line.startswith("proxy_cache_use_stale "))
    assert {"updating", "error", "timeout", "http_500", "http_502", "http_503", "http_504"} <= set(stale)


@pytest.mark.parametrize(("quiet", "timeout"), [(5, 25), (300, 25)])
def test_systemd_waits_for_the_quiet_phase_of_sidekiq_and_for_its_jobs(tmp_path: Path, quiet: int, timeout: int) -> None:
    """TimeoutStopSec is the time of ExecStop, and then once more of what TERM began."""
    text = rendered(tmp_path, "sidekiq", "mastodon-sidekiq@.service.j2", {"sidekiq_quiet": quiet, "sidekiq_timeout": timeout})
    given = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    assert int(given["TimeoutStopSec"]) > max(quiet, timeout)
    assert given["ExecStop"].startswith("/bin/sh -c 'kill -TSTP $MAINPID; ") and f" -lt {quiet} " in given["ExecStop"]
    assert f" -t {timeout} " in given["ExecStart"]


def front_of(text: str) -> list[str]:
    return [line.strip() for line in text.split("\nfrontend http\n")[1].split("\nbackend ")[0].splitlines()]


def test_a_client_by_ipv4_keeps_its_address_where_both_are_served(tmp_path: Path) -> None:
    """By a socket of both it is ::ffff:203.0.113.7, and Mastodon's rate limits count one /64: all of IPv4 would be one client."""
    certificates = [{"name": "friends.cafe", "pem": "..."}]
    variables = {"haproxy_threads": 1, "haproxy_bind": "[::]", "haproxy_certificates": certificates}
    binds = [line for line in front_of(rendered(tmp_path, "haproxy", "haproxy.cfg.j2", variables)) if line.startswith("bind ")]
    end = "ssl crt /etc/haproxy/certs/friends.cafe.pem alpn h2,http/1.1"
    assert binds == ["bind *:80", "bind [::]:80 v6only", f"bind *:443 {end}", f"bind [::]:443 v6only {end}"]


def test_a_delivery_network_s_list_fits_the_lines_of_haproxy(tmp_path: Path) -> None:
    """A line has 64 words and 2048 characters at most; CloudFront alone has over a hundred networks."""
    networks = [f"2001:db8:{number:x}:ffff::/64" for number in range(120)]
    lines = front_of(rendered(tmp_path, "haproxy", "haproxy.cfg.j2", {"haproxy_threads": 1, "haproxy_trusted_proxies": networks}))
    assert all(len(line.split()) <= 64 and len(line) < 2048 for line in lines)
    assert [line for line in lines if line.startswith("acl from_proxy src")] == [f"acl from_proxy src {network}" for network in networks]
    assert "http-request set-src req.hdr_ip(X-Forwarded-For,-1) if from_proxy { req.hdr_ip(X-Forwarded-For,-1) -m found }" in lines


@pytest.mark.parametrize(
    ("seconds", "line"),
    [(600, 'http-response set-header Strict-Transport-Security "max-age=600"'), (0, "http-response del-header Strict-Transport-Security")],
)
def test_strict_transport_security_is_what_was_asked_and_not_mastodon_s_own(tmp_path: Path, seconds: int, line: str) -> None:
    """Rails sends two years with all subdomains, by itself."""
    lines = front_of(rendered(tmp_path, "haproxy", "haproxy.cfg.j2", {"haproxy_threads": 1, "haproxy_hsts": seconds}))
    assert [found for found in lines if "Strict-Transport-Security" in found] == [line]


def test_no_token_of_a_user_is_logged(tmp_path: Path) -> None:
    """Many clients open their stream with ?access_token=, and every restart of streaming ends those streams with an error."""
    lines = [line.strip() for line in rendered(tmp_path, "haproxy", "haproxy.cfg.j2", {"haproxy_threads": 1}).splitlines()]
    assert "option httplog" not in lines
    (logged,) = [line for line in lines if line.startswith("log-format ")]
    assert r'\"%HM %HPO %HV\"' in logged
    assert not {"%r", "%{+Q}r", "%HU", "%HP", "%HQ"} & set(logged.strip('"').replace('\\"', " ").split())


def test_the_header_of_the_proxies_in_front_reaches_nobody_behind(tmp_path: Path) -> None:
    variables = {"haproxy_threads": 1, "haproxy_trusted_proxies": ["192.0.2.0/24"], "haproxy_client_address_header": "CF-Connecting-IP"}
    lines = front_of(rendered(tmp_path, "haproxy", "haproxy.cfg.j2", variables))
    taken = next(number for number, line in enumerate(lines) if line.startswith("http-request set-src "))
    assert taken < lines.index("http-request del-header CF-Connecting-IP") < lines.index("option forwardfor")
