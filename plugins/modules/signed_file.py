#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signed_file
short_description: Download a file only as its signer made it
version_added: 0.1.0
description:
  - Downloads a file, its detached OpenPGP signature and the signer's public keys, takes from the keys the one whose full
    fingerprint was asked for, and puts the file in place only if C(gpgv), with a keyring of that key alone, says that the
    signature is good. Anything else is a failure, and what was in place stays.
  - What is in place is verified again at every run; a file that does not stand the test is fetched anew.
options:
  url:
    description: The file.
    type: str
    required: true
  signature_url:
    description: Its detached signature, armored or not.
    type: str
    required: true
  keys_url:
    description: Public keys, among which the signer's is. They are believed for nothing but their fingerprint.
    type: str
    required: true
  fingerprint:
    description: The full fingerprint of the key that has to have signed, 40 hexadecimal digits; spaces do not matter.
    type: str
    required: true
  dest:
    description: Where to put the file; the signature and the key are put beside it, as C(.asc) and C(.gpg).
    type: path
    required: true
  timeout:
    description: Seconds without an answer after which a download fails.
    type: int
    default: 60
extends_documentation_fragment:
  - sabakan.vps.attributes
attributes:
  check_mode:
    support: partial
    details: Nothing is downloaded, so whether a file that is not there yet would stand the test is not known.
  diff_mode:
    support: full
requirements: [gpg and gpgv on the host]
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Fetch a package that its vendor signed
  sabakan.vps.signed_file:
    url: https://vendor.example/tool-1.2.3.deb
    signature_url: https://vendor.example/tool-1.2.3.deb.asc
    keys_url: https://vendor.example/KEYS
    fingerprint: 0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567
    dest: /var/cache/tool.deb
"""

RETURN = r"""
sha256:
  description: Digest of the file in place; empty in check mode where it would be fetched.
  returned: always
  type: str
fingerprint:
  description: The key that signed it.
  returned: always
  type: str
"""

import os
import shutil
import tempfile
from http.client import HTTPException

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.sabakan.vps.plugins.module_utils._signed_package import fingerprint, verdict


def download(module: AnsibleModule, url: str, path: str) -> None:
    response, info = fetch_url(module, url, timeout=module.params["timeout"])
    if info["status"] != 200:
        module.fail_json(msg=f"{url} cannot be fetched: {info['msg']} (status {info['status']}); nothing was changed")
    length = 0
    try:
        with open(path, "wb") as file:
            while block := response.read(1 << 20):
                length += file.write(block)
    except (OSError, HTTPException) as error:
        module.fail_json(msg=f"{url} broke off after {length} bytes: {error}; nothing was changed")
    # Of what came compressed the length is another one, and its end is told by the compression itself.
    expected = "" if info.get("content-encoding") else info.get("content-length")
    if expected and int(expected) != length:
        module.fail_json(msg=f"{url} broke off after {length} of {expected} bytes; nothing was changed")


def export_key(module: AnsibleModule, directory: str, keys: str, wanted: str) -> str:
    """A keyring that holds the key with this fingerprint and no other."""
    home, keyring = os.path.join(directory, "home"), os.path.join(directory, "key.gpg")
    os.mkdir(home, 0o700)
    gpg = [module.get_bin_path("gpg", required=True), "--homedir", home, "--batch", "--no-tty", "--quiet", "--no-autostart"]
    # A damaged or foreign key among them is no failure, the one that is looked for may still be there.
    module.run_command([*gpg, "--import", keys])
    code, dummy, error = module.run_command([*gpg, "--output", keyring, "--export", wanted])
    if code or not os.path.exists(keyring):
        module.fail_json(msg=f"{module.params['keys_url']} has no key with the fingerprint {wanted}; nothing was changed. {error.strip()}")
    return keyring


def trouble(module: AnsibleModule, keyring: str, signature: str, path: str, wanted: str) -> str:
    """Why this file is not what the key signed; empty if it is."""
    missing = [name for name in (keyring, signature, path) if not os.path.isfile(name)]
    if missing:
        return f"{missing[0]} is not there"
    gpgv = module.get_bin_path("gpgv", required=True)
    code, out, error = module.run_command([gpgv, "--status-fd", "1", "--keyring", keyring, signature, path])
    return verdict(out, wanted) or (f"gpgv says {code}: {error.strip()}" if code else "")


def fetch(module: AnsibleModule, dest: str, wanted: str) -> None:
    directory = tempfile.mkdtemp(dir=module.tmpdir)
    names = {end: os.path.join(directory, f"new{end}") for end in ("", ".asc", ".keys")}
    for end, url in (("", "url"), (".asc", "signature_url"), (".keys", "keys_url")):
        download(module, module.params[url], names[end])
    names[".gpg"] = export_key(module, directory, names[".keys"], wanted)
    reason = trouble(module, names[".gpg"], names[".asc"], names[""], wanted)
    if reason:
        module.fail_json(msg=f"{module.params['url']} is refused: {reason}; it has to be signed by {wanted}. Nothing was changed.")
    # The file comes last: alone it proves nothing, and with the others it is verified again.
    for end in (".gpg", ".asc", ""):
        module.atomic_move(names[end], f"{dest}{end}")
        os.chmod(f"{dest}{end}", 0o644)
    shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "signature_url": {"type": "str", "required": True},
            "keys_url": {"type": "str", "required": True, "no_log": False},
            "fingerprint": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    dest = module.params["dest"]
    try:
        wanted = fingerprint(module.params["fingerprint"])
    except ValueError as error:
        module.fail_json(msg=f"fingerprint: {error}")
    # Without gpgv in check mode nothing can be said to be in place; the task that would install it comes before.
    judged = not module.check_mode or module.get_bin_path("gpgv")
    reason = trouble(module, f"{dest}.gpg", f"{dest}.asc", dest, wanted) if judged else "gpgv is not there"
    before = module.sha256(dest) if os.path.isfile(dest) else ""
    if reason and not module.check_mode:
        fetch(module, dest, wanted)
    after = before if not reason else "" if module.check_mode else module.sha256(dest)
    module.exit_json(
        changed=bool(reason), sha256=after, fingerprint=wanted,
        diff={"before": f"{before} {reason and f'({reason})'}\n", "after": f"{after or 'as signed'} by {wanted}\n"} if reason else {},
    )


if __name__ == "__main__":
    main()
