from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from partner import HOSTS  # noqa: E402


@pytest.fixture(params=list(HOSTS), ids=[f"{host}-{driver}" for host, driver in HOSTS.items()])
def host(request):
    return request.param
