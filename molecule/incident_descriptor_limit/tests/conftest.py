"""The host of both halves."""

import pytest


@pytest.fixture(scope="module")
def edge(fleet):
    return fleet["edge-01"]
