"""The host of both halves, and its descriptors."""

from functools import partial

import pytest


@pytest.fixture(scope="module")
def bots(fleet):
    return fleet["bots-01"]


@pytest.fixture(scope="module")
def descriptors(module):
    """What descriptor_info returns for its arguments."""
    return partial(module, "bots-01", "descriptor_info")
