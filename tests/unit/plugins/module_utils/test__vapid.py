# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._vapid import encode, vapid_keys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

COORDINATE = st.integers(0, 2**256 - 1)


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@given(COORDINATE, COORDINATE, COORDINATE)
def test_keys_have_their_full_length_whatever_zeros_they_begin_with(private, x, y):
    pair = encode(private, x, y)
    assert int.from_bytes(base64.urlsafe_b64decode(pair["vapid_private_key"]), "big") == private
    point = base64.urlsafe_b64decode(pair["vapid_public_key"])
    assert len(point) == 65 and point[0] == 4
    assert (int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")) == (x, y)


def test_the_public_key_is_that_of_the_private_one():
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.private_numbers()
    assert vapid_keys(pem(key)) == encode(numbers.private_value, numbers.public_numbers.x, numbers.public_numbers.y)


@pytest.mark.parametrize("text", ["", "no key", pem(ec.generate_private_key(ec.SECP384R1()))])
def test_what_is_no_key_on_the_curve_is_refused(text):
    with pytest.raises(ValueError):
        vapid_keys(text)
