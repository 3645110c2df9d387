"""The stack that site.yml has made, for every test of it."""

import pytest
from stack import Stack


@pytest.fixture(scope="session")
def stack(fleet, tmp_path_factory) -> Stack:
    return Stack(fleet, tmp_path_factory.mktemp("stack"))


@pytest.fixture()
def unchanged(stack):
    """Fails the test after which a host is not as it was."""
    before = stack.fingerprint()
    yield
    stack.assert_unchanged(before)
