# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[4] / "roles" / "sftp_s3"


@pytest.mark.parametrize(("bind", "published"), [
    ("0.0.0.0", "0.0.0.0:2222:22"), ("192.0.2.1", "192.0.2.1:2222:22"), ("::", "[::]:2222:22"), ("2001:db8::1", "[2001:db8::1]:2222:22"),
    ("[::1]", "[::1]:2222:22"),
])
def test_an_address_of_version_6_is_told_from_the_port(bind, published):
    template = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__sftp_s3_published"]
    assert jinja2.Template(template).render(sftp_s3_bind=bind, sftp_s3_port=2222) == published


@pytest.mark.parametrize("path", ["tasks/run.yml", "templates/compose.yml.j2"])
def test_both_ways_to_start_it_publish_the_same(path):
    assert '["{{ __sftp_s3_published }}"]' in (ROLE / path).read_text()
