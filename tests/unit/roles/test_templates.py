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
