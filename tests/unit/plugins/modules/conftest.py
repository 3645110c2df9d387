# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_client as s3
from s3_bench import DEFAULTS, PART


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Of moto's S3, with one bucket."""
    moto = pytest.importorskip("moto")
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", PART)
    with moto.mock_aws():
        made = s3.connect(DEFAULTS)
        made.create_bucket(Bucket="bucket")
        monkeypatch.setattr(s3, "connect", lambda values: made)
        yield made
