# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.sabakan.vps.plugins.module_utils._signed_package import (
    fingerprint,
    package_of,
    signer_of,
    verdict,
    version_key,
)

FOLDER = Path(__file__).resolve().parents[4] / "roles" / "sftp_s3" / "vars" / "drivers"
DRIVERS = {path.stem: yaml.safe_load(path.read_text())["__sftp_s3_driver"] for path in FOLDER.glob("*.yml")}
MOUNT_S3 = DRIVERS["mount-s3"]
NEW, OLD = "8AEFE705EBE329C0948C75A66F1C3B3AEF4B030B", "673FE4061506BB469A0EF857BE397A52B086DA5A"
GOOD = f"""[GNUPG:] NEWSIG
[GNUPG:] KEY_CONSIDERED {NEW} 0
[GNUPG:] SIG_ID x 2026-11-21 1795000000
[GNUPG:] GOODSIG 6F1C3B3AEF4B030B mountpoint-s3
[GNUPG:] VALIDSIG {NEW} 2026-11-21 1795000000 0 4 0 22 8 00 {NEW}
"""


@pytest.mark.parametrize(
    ("version", "key"),
    [("1.24.0", NEW), ("1.22.2", NEW), ("1.22.1", OLD), ("1.5.0", OLD), ("1.100.0", NEW), ("2.0.0", NEW)],
)
def test_the_key_is_that_of_the_version(version: str, key: str) -> None:
    assert signer_of(version, MOUNT_S3["package"]["signers"]) == key


@pytest.mark.parametrize("value", ["6F1C3B3AEF4B030B", "", NEW + "0", NEW[:-1] + "G", None])
def test_a_short_key_id_is_no_fingerprint(value: Any) -> None:
    with pytest.raises(ValueError, match="40 hexadecimal"):
        fingerprint(value)


def test_a_fingerprint_may_be_written_as_it_is_published() -> None:
    assert fingerprint("8AEF E705 EBE3 29C0 948C  75A6 6F1C 3B3A EF4B 030b") == NEW


@pytest.mark.parametrize("value", ["latest", "1.24", "v1.24.0", "1.24.0-rc1", "", None, "1.24.0/../../x"])
def test_a_version_is_pinned_whole(value: Any) -> None:
    with pytest.raises(ValueError, match="version"):
        version_key(value)
    if value:
        dummy, errors = package_of(MOUNT_S3, value, "x86_64", "", [])
        assert "sftp_s3_driver_version" in errors[0]


@pytest.mark.parametrize("version", ["1.5.0", "1.10.0", "1.22.3", "1.23.0"])
def test_a_version_that_does_not_keep_to_the_limit_is_refused_with_the_reason(version: str) -> None:
    package, (error,) = package_of(MOUNT_S3, version, "x86_64", "", [])
    assert not package and version in error and "older than 1.24.0" in error and "memory of the host" in error


@pytest.mark.parametrize(("architecture", "theirs"), [("x86_64", "x86_64"), ("aarch64", "arm64")])
def test_the_package_is_that_of_the_architecture(architecture: str, theirs: str) -> None:
    package, errors = package_of(MOUNT_S3, "", architecture, "", [])
    base = "https://s3.amazonaws.com/mountpoint-s3-release"
    assert not errors
    assert package["url"] == f"{base}/1.24.0/{theirs}/mount-s3-1.24.0-{theirs}.deb"
    # Another version is another file, or the one in place would stand the test for it.
    assert package["file"] == "mount-s3-1.24.0.deb"
    assert package["signature_url"] == package["url"] + ".asc"
    assert package["keys_url"] == f"{base}/public_keys/KEYS"
    assert package["fingerprint"] == NEW


@pytest.mark.parametrize(
    ("driver", "given", "word"),
    [
        ("mount-s3", ("", "riscv64", "", []), "not made for this host's architecture riscv64"),
        ("mount-s3", ("1.24.0", "x86_64", "", [{"since": "2.0.0", "fingerprint": NEW}]), "no key is known"),
        ("mount-s3", ("1.24.0", "x86_64", "", [{"since": "0.0.0", "fingerprint": "EF4B030B"}]), "full fingerprint"),
        ("rclone", ("1.60.1", "x86_64", "", []), "comes from the archive of Debian"),
    ],
)
def test_what_cannot_be_had_is_refused(driver: str, given: Any, word: str) -> None:
    package, errors = package_of(DRIVERS[driver], *given)
    assert not package and word in errors[0]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (GOOD, ""),
        (GOOD.replace(f"VALIDSIG {NEW}", "VALIDSIG " + "A" * 40), ""),  # by a subkey of that key
        ("", "not exactly one"),
        (GOOD + GOOD, "not exactly one"),
        (GOOD.replace(NEW, OLD), f"signed by {OLD}"),
        ("[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 6F1C3B3AEF4B030B x\n", "not of this file"),
        ("[GNUPG:] ERRSIG BE397A52B086DA5A 1 8 00 1795000000 9 -\n[GNUPG:] NO_PUBKEY BE397A52B086DA5A\n", "signed by another key"),
        (GOOD.replace("GOODSIG", "EXPKEYSIG"), "has expired"),
        (GOOD.replace("GOODSIG", "REVKEYSIG"), "revoked"),
        (GOOD + "[GNUPG:] NODATA 4\n", "no signature"),
        (GOOD + "[GNUPG:] SOMETHING_NEW\n", "cannot be verified"),
        ("gpgv: Good signature\n", "not exactly one"),
    ],
)
def test_only_one_good_signature_of_that_key_is_proof(status: str, word: str) -> None:
    found = verdict(status, NEW)
    assert (word in found) if word else found == ""
