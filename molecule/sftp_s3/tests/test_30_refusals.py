"""What cannot work is refused, before anything has changed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from partner import ROOT, play, users

FINGERPRINT = "find /etc/sabakan /usr/local/lib/sabakan -printf '%p %s %T@\\n' | sort | md5sum; docker ps -aq --no-trunc; docker images -q"


def test_everything_that_is_wrong_is_told_at_once_and_nothing_changes(fleet):
    before = fleet["sftp-02"].check_output(FINGERPRINT)
    one = users(fleet, "sftp-02")[0]
    result = play(
        fleet, "sftp-02", sftp_s3_memory=100, sftp_s3_memory_swap=50, sftp_s3_endpoint="swift:8080", sftp_s3_users=[
            one, {**one, "name": "second"}, {**one, "name": "slash", "uid": 5302, "prefix": "in"},
            {**one, "name": "plain", "uid": 5303, "password_hash": "secret"}, {**one, "name": "free", "uid": 5304, "overwrite": False},
        ])
    assert result.returncode
    told = " ".join(result.stdout.split())
    wanted = [
        "sftp-02: ", "p1 and second have one uid, 5001", "'in' must end with a slash", "password_hash: expected a crypt(3) hash",
        "free must not overwrite, but rclone cannot forbid it", "sftp_s3_endpoint", "sftp_s3_memory_swap 50 MiB",
        "sftp_s3_memory 100 MiB cannot carry rclone", "What fits",
    ]
    assert [word for word in wanted if word not in told] == []
    assert fleet["sftp-02"].check_output(FINGERPRINT) == before


RELEASE = "http://10.96.0.51:8000/{version}/x86_64/mount-s3-{version}-x86_64.deb"
PLACE = "/usr/local/lib/sabakan/sftp_s3/mount-s3-{version}.deb"


def order(version):
    """What the role orders of a release."""
    url, signers = RELEASE.format(version=version), json.loads((Path(os.environ["SABAKAN_FLEET"]).parent / "signers.json").read_text())
    return {
        "url": url, "signature_url": f"{url}.asc", "keys_url": "http://10.96.0.51:8000/public_keys/KEYS", "dest": PLACE.format(version=version),
        "fingerprint": signers[0]["fingerprint"],
    }


@pytest.mark.parametrize(
    ("version", "reason"), [("1.24.1", "the signature is not of this file"), ("1.24.3", "it is signed by another key")],
    ids=["changed-after-it-was-signed", "signed-by-a-stranger"],
)
def test_a_package_without_the_right_signature_is_refused(fleet, ansible, version, reason):
    before = fleet["sftp-01"].check_output(FINGERPRINT)
    result = ansible("ansible", "sftp-01", "-m", "sabakan.vps.signed_file", "-a", json.dumps(order(version)))
    assert result.returncode and f"{RELEASE.format(version=version)} is refused: {reason}" in result.text, result.text[-2000:]
    assert fleet["sftp-01"].check_output(FINGERPRINT) == before


def test_the_role_refuses_a_package_that_the_retired_key_signed(fleet):
    before = fleet["sftp-01"].check_output(FINGERPRINT)
    result = play(fleet, "sftp-01", "--tags", "sftp_s3_preflight,sftp_s3_install", sftp_s3_driver_version="1.24.2")
    told = " ".join(result.stdout.split())
    assert result.returncode and "mount-s3-1.24.2-x86_64.deb is refused: it is signed by another key" in told, told[-2000:]
    assert fleet["sftp-01"].check_output(FINGERPRINT) == before


def test_the_role_refuses_an_older_release_under_a_newer_name(fleet):
    result = play(fleet, "sftp-01", "--tags", "sftp_s3_preflight,sftp_s3_install", sftp_s3_driver_version="1.24.4")
    assert result.returncode and "Refuse another version" in result.stdout, result.stdout[-2000:]


def test_a_file_that_was_changed_in_place_is_fetched_anew(fleet, module):
    path = PLACE.format(version="1.24.0")
    digest = fleet["sftp-01"].check_output(f"sha256sum {path}")
    fleet["sftp-01"].check_output(f"echo >> {path}")
    assert module("sftp-01", "signed_file", **order("1.24.0"))["changed"]
    assert fleet["sftp-01"].check_output(f"sha256sum {path}") == digest


def test_the_least_policy_of_each_user_can_be_printed(fleet):
    scenario = os.environ["MOLECULE_SCENARIO_DIRECTORY"]
    result = subprocess.run(
        ["ansible-playbook", "-i", f"{scenario}/inventory", "-i", os.environ["SABAKAN_FLEET"], "sabakan.vps.sftp_policies", "--limit", "sftp-01"],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}, check=True,
    )
    policies = json.loads(result.stdout[result.stdout.index("{"):result.stdout.rindex("PLAY RECAP")])["msg"]
    actions = {name: {action for statement in policy["Statement"] for action in statement["Action"]} for name, policy in policies.items()}
    assert actions["store"] == {"s3:ListBucket", "s3:GetObject"}
    assert "s3:DeleteObject" in actions["p1"] and "s3:DeleteObject" not in actions["keeper"]
