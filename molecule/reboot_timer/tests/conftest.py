from __future__ import annotations

import contextlib

import pytest
from gate import KEEP, MEND


@pytest.fixture
def kept(fleet):
    """A host's settings and journal are in the end what they were."""
    @contextlib.contextmanager
    def keep(name):
        fleet[name].check_output(KEEP)
        try:
            yield
        finally:
            fleet[name].run(MEND)

    return keep
