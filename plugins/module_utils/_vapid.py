# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys for Web Push (RFC 8292) from a private key on the curve P-256."""

from __future__ import annotations

import base64


def encode(private: int, x: int, y: int) -> dict[str, str]:
    """The scalar and the uncompressed point (0x04, x, y; 32 bytes each) in base64url, padded as Ruby's encoder does."""
    point = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    return {
        "vapid_private_key": base64.urlsafe_b64encode(private.to_bytes(32, "big")).decode(),
        "vapid_public_key": base64.urlsafe_b64encode(point).decode(),
    }


def vapid_keys(pem: str) -> dict[str, str]:
    """VAPID pair of a PEM private key; ValueError where it is no key on P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not an unencrypted private key in PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("not a private key on the curve secp256r1")
    numbers = key.private_numbers()
    return encode(numbers.private_value, numbers.public_numbers.x, numbers.public_numbers.y)
