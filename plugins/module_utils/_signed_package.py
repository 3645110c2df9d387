# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which package of a vendor to take, which key has to have signed that version, and what gpgv said about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

FINGERPRINT = re.compile(r"[0-9A-F]{40}")
# Besides a good signature there may be these; anything else that is a verdict is a refusal.
HARMLESS = {"NEWSIG", "KEY_CONSIDERED", "SIG_ID", "PLAINTEXT", "PLAINTEXT_LENGTH", "NOTATION_NAME", "NOTATION_DATA", "NOTATION_FLAGS",
            "TRUST_UNDEFINED", "TRUST_NEVER", "TRUST_MARGINAL", "TRUST_FULLY", "TRUST_ULTIMATE", "VERIFICATION_COMPLIANCE_MODE"}


def version_key(version: object) -> tuple[int, int, int]:
    """Read "1.24.0"."""
    match = re.fullmatch(r"([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})", str(version), re.ASCII)
    if not match:
        raise ValueError(f"{version!r} is not a version such as 1.24.0")
    return int(match[1]), int(match[2]), int(match[3])


def fingerprint(value: object) -> str:
    """Read a full fingerprint; a shorter key ID names many keys."""
    found = re.sub(r"\s", "", str(value)).upper()
    if not FINGERPRINT.fullmatch(found):
        raise ValueError(f"{value!r} is not a full fingerprint of 40 hexadecimal digits")
    return found


def signer_of(version: object, signers: Sequence[Mapping[str, Any]]) -> str:
    """The fingerprint of the key that signs this version: the one with the latest `since` that is not after it."""
    known = [(version_key(signer["since"]), fingerprint(signer["fingerprint"])) for signer in signers]
    fitting = [item for item in known if item[0] <= version_key(version)]
    if not fitting:
        raise ValueError(f"no key is known for version {version}")
    return max(fitting)[1]


def package_of(
    driver: Mapping[str, Any], version: str, architecture: str, url: str, signers: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, str], list[str]]:
    """What to download for a driver, empty for one of the archive; and what speaks against it.

    version, url, signers: of the operator, empty for the driver's own.
    """
    about = driver.get("package")
    name = str(driver.get("name"))
    if not about:
        given = [variable for variable, value in (
            ("sftp_s3_driver_version", version), ("sftp_s3_driver_url", url), ("sftp_s3_driver_signers", signers)) if value]
        return {}, [f"{', '.join(given)}: {name} comes from the archive of Debian, so leave it empty."] if given else []
    chosen = version or str(about["version"])
    limit = about.get("limited_since") or {}
    try:
        if limit and version_key(chosen) < version_key(limit["version"]):
            return {}, [f"sftp_s3_driver_version {chosen}: {name} older than {limit['version']} is not run under a memory limit: {limit['reason']}."]
        signer = signer_of(chosen, signers or about["signers"])
    except ValueError as error:
        return {}, [f"sftp_s3_driver_version, sftp_s3_driver_signers: {error}."]
    if architecture not in about["architectures"]:
        return {}, [f"{name} is not made for this host's architecture {architecture}, but for {', '.join(sorted(about['architectures']))}."]
    base = (url or str(about["url"])).rstrip("/")
    path = str(about["path"]).format(version=chosen, architecture=about["architectures"][architecture])
    return {
        "version": chosen, "fingerprint": signer, "file": f"{name}-{chosen}.deb", "url": f"{base}/{path}",
        "signature_url": f"{base}/{path}.asc", "keys_url": f"{base}/{about['keys']}",
    }, []


def verdict(status: str, wanted: str) -> str:
    """Why the status lines of gpgv are no proof that the key with this fingerprint signed; empty if they are."""
    lines = [line.split() for line in status.splitlines() if line.startswith("[GNUPG:] ")]
    words = [line[1] for line in lines if len(line) > 1]
    odd = sorted(set(words) - HARMLESS - {"GOODSIG", "VALIDSIG"})
    if odd:
        reasons = {"BADSIG": "the signature is not of this file", "NO_PUBKEY": "it is signed by another key",
                   "EXPKEYSIG": "the key has expired", "REVKEYSIG": "the key was revoked", "EXPSIG": "the signature has expired",
                   "NODATA": "there is no signature in the file"}
        told = [reasons[word] for word in odd if word in reasons]
        return f"{'; '.join(told) or 'it cannot be verified'} ({', '.join(odd)})"
    if words.count("VALIDSIG") != 1 or words.count("GOODSIG") != 1:
        return "there is not exactly one good signature"
    valid = next(line for line in lines if line[1] == "VALIDSIG")
    # The last field is the primary key, of which the signing one may be a subkey.
    signers = {valid[2], valid[-1]}
    return "" if wanted in signers else f"it is signed by {valid[-1]}"
