"""A partner of the server: OpenSSH's own client, on the machine that runs the tests."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.config

ROOT = Path(__file__).resolve().parents[3]
HOSTS = {"sftp-01": "mount-s3", "sftp-02": "rclone", "sftp-03": "s3fs"}
PORT = 2222
PASSWORD = "a password of a test fleet"
OPTIONS = [
    "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR", "-oIdentitiesOnly=yes", "-oIdentityAgent=none",
    "-oConnectTimeout=10",
]


def await_that(what: str, condition: Callable[[], Any], seconds: float = 20) -> Any:
    """The condition's value as soon as it is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not so: {what} ({value!r})"
        time.sleep(0.3)


class Partner:
    def __init__(self, fleet: Any, host: str, user: str, password: str = "") -> None:
        variables = fleet.variables[host]
        self.target, self.environment = f"{user}@{variables['ansible_host']}", dict(os.environ)
        self.login = ["-i", str(variables["ansible_ssh_private_key_file"]), "-oBatchMode=yes", "-oPubkeyAuthentication=yes"]
        if password:
            script = Path(tempfile.mkdtemp()) / "askpass"
            script.write_text(f"#!/bin/sh\necho '{password}'\n")
            script.chmod(stat.S_IRWXU)
            self.environment.update(SSH_ASKPASS=str(script), SSH_ASKPASS_REQUIRE="force", DISPLAY="none")
            self.login = ["-oPubkeyAuthentication=no", "-oPreferredAuthentications=password", "-oNumberOfPasswordPrompts=1"]

    def sftp(self, *commands: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """One session; it ends at the first command that fails, unless that begins with a dash."""
        # -b would switch passwords off.
        words = ["sftp", "-q", "-P", str(PORT), *self.login, *OPTIONS]
        words += ["-oBatchMode=no", "-b", "-"] if "SSH_ASKPASS" in self.environment else ["-b", "-"]
        if "SSH_ASKPASS" in self.environment:
            # sftp puts BatchMode=yes before what comes after -b: the first one counts.
            words = ["sftp", "-q", "-P", str(PORT), "-oBatchMode=no", "-b", "-", *self.login, *OPTIONS]
        return subprocess.run([*words, self.target], input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=timeout,
                              env=self.environment, check=False)

    def must(self, *commands: str) -> str:
        result = self.sftp(*commands)
        assert result.returncode == 0, f"{self.target}: {' ; '.join(commands)}: {result.stderr}"
        return result.stdout

    def must_not(self, *commands: str) -> str:
        result = self.sftp(*commands)
        assert result.returncode != 0, f"{self.target} may: {' ; '.join(commands)}: {result.stdout}"
        return result.stdout + result.stderr

    def ssh(self, *words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = ["ssh", "-p", str(PORT), *self.login, *OPTIONS, *options, self.target, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, env=self.environment, stdin=subprocess.DEVNULL, check=False)


def content(path: Path, size: int) -> str:
    """A file of random bytes, its digest."""
    path.write_bytes(os.urandom(size))
    return digest(path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def store(fleet: Any) -> Any:
    """The object store itself, beside the server."""
    variables = fleet.variables["sftp-01"]
    secrets = variables["stack_secrets"]
    authority = Path(tempfile.mkdtemp()) / "ca.crt"
    authority.write_text(secrets["ca_certificate"])
    return boto3.client(
        "s3", endpoint_url=variables["stack_object_storage"]["endpoint"], region_name="us-east-1", verify=str(authority),
        aws_access_key_id=secrets["object_storage_access_key"], aws_secret_access_key=secrets["object_storage_secret_key"],
        config=botocore.config.Config(
            s3={"addressing_style": "path"}, request_checksum_calculation="when_required", response_checksum_validation="when_required"),
    )


def status(fleet: Any, host: str) -> dict[str, Any]:
    import json

    result = fleet[host].run("docker exec sabakan-sftp sabakan-sftp-keeper status")
    return json.loads(result.stdout) if result.rc == 0 else {}


def play(fleet: Any, host: str, *words: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """The role's playbook on one host, as an operator runs it."""
    import json

    scenario = os.environ["MOLECULE_SCENARIO_DIRECTORY"]
    return subprocess.run(
        ["ansible-playbook", "-i", f"{scenario}/inventory", "-i", os.environ["SABAKAN_FLEET"], "sabakan.vps.sftp", "--limit", host,
         "--skip-tags", "swap", "--extra-vars", json.dumps(variables), *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
    )


def users(fleet: Any, host: str) -> list[dict[str, Any]]:
    """The users of the inventory, in plain words."""
    variables = fleet.variables[host]
    key = Path(f"{variables['ansible_ssh_private_key_file']}.pub").read_text().strip()
    common = {"bucket": "deliveries", "prefix": "in/", "keys": [key]}
    found = [{"name": name, "uid": uid, "delete": True, "overwrite": True, **common} for name, uid in variables["partners"].items()]
    others = variables["others"]
    return found + [{**common, **{name: value for name, value in other.items() if name != "keys"}} for other in others]


if __name__ == "__main__":
    sys.exit("a helper of the tests")
