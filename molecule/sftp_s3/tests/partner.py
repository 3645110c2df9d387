"""A partner of the server: OpenSSH's own client, on the machine that runs the tests."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import yaml

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


def on_every_host(test: Callable[[Any, str, Path], None]) -> Callable[[Any, Path], None]:
    """A test of one host, on all of them at once; the first that fails is told with its host."""
    def together(fleet: Any, tmp_path: Path) -> None:
        def one(host: str) -> BaseException | None:
            place = tmp_path / host
            place.mkdir()
            try:
                test(fleet, host, place)
            except BaseException as error:
                return error
            return None

        with ThreadPoolExecutor(len(HOSTS)) as pool:
            failed = {f"{host} ({HOSTS[host]})": error for host, error in zip(HOSTS, pool.map(one, HOSTS)) if error is not None}
        for host, error in failed.items():
            raise AssertionError(f"of {', '.join(HOSTS)} failed {', '.join(failed)}; {host}: {error}") from error

    together.__name__, together.__doc__ = test.__name__, test.__doc__
    return together


class Partner:
    def __init__(self, fleet: Any, host: str, user: str, password: str = "", port: int = PORT) -> None:
        variables = fleet.variables[host]
        self.port = port
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
        words = ["sftp", "-q", "-P", str(self.port), *self.login, *OPTIONS]
        words += ["-oBatchMode=no", "-b", "-"] if "SSH_ASKPASS" in self.environment else ["-b", "-"]
        if "SSH_ASKPASS" in self.environment:
            # sftp puts BatchMode=yes before what comes after -b: the first one counts.
            words = ["sftp", "-q", "-P", str(self.port), "-oBatchMode=no", "-b", "-", *self.login, *OPTIONS]
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
        command = ["ssh", "-p", str(self.port), *self.login, *OPTIONS, *options, self.target, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, env=self.environment, stdin=subprocess.DEVNULL, check=False)


    def break_off(self, path: Path, target: str, is_open: Callable[[], Any]) -> None:
        """A slow put whose client is killed on the way, once the server has it open."""
        words = ["sftp", "-q", "-l", "2000", "-P", str(self.port), *self.login, *OPTIONS, "-b", "-", self.target]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        assert process.stdin
        process.stdin.write(f"put {path} {target}\n")
        process.stdin.flush()
        await_that("the upload is open", is_open)
        time.sleep(1)
        assert process.poll() is None
        os.killpg(process.pid, 9)
        process.communicate()


def content(path: Path, size: int) -> str:
    """A file of random bytes, its digest."""
    path.write_bytes(os.urandom(size))
    return digest(path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def store(fleet: Any, endpoint: str = "") -> Any:
    """The object store itself, beside the server."""
    variables = fleet.variables["sftp-01"]
    secrets = variables["stack_secrets"]
    authority = Path(tempfile.mkdtemp()) / "ca.crt"
    authority.write_text(secrets["ca_certificate"])
    return boto3.client(
        "s3", endpoint_url=endpoint or variables["stack_object_storage"]["endpoint"], region_name="us-east-1", verify=str(authority),
        aws_access_key_id=secrets["object_storage_access_key"], aws_secret_access_key=secrets["object_storage_secret_key"],
        config=botocore.config.Config(
            s3={"addressing_style": "path"}, request_checksum_calculation="when_required", response_checksum_validation="when_required"),
    )


def status(fleet: Any, host: str, container: str = "sabakan-sftp") -> dict[str, Any]:
    result = fleet[host].run(f"docker exec {container} sabakan-sftp-keeper status")
    return json.loads(result.stdout) if result.rc == 0 else {}


def by_hand(fleet: Any, host: str, name: str, port: int, **mounts: str) -> None:
    """A container as the Compose file describes it, by another name and port, never started again; other sources of mounts by choice."""
    service = yaml.safe_load(fleet[host].file("/etc/sabakan/sftp_s3.compose.yml").content_string)["services"]["sftp"]
    volumes = [volume.split(":") for volume in service["volumes"]]
    volumes = [[mounts.get(inside, source), inside, mode] for source, inside, mode in volumes]
    words = [
        "docker", "run", "--detach", "--name", name, "--restart", "no", "--init", "--publish", f"{port}:22",
        "--cpus", str(service["cpus"]), "--memory", service["mem_limit"], "--memory-swap", service["memswap_limit"],
        *(word for device in service["devices"] for word in ("--device", device)), *(f"--cap-drop={one}" for one in service["cap_drop"]),
        *(f"--cap-add={one}" for one in service["cap_add"]), *(f"--security-opt={one}" for one in service["security_opt"]),
        *(f"--volume={':'.join(volume)}" for volume in volumes), service["image"],
    ]
    fleet[host].check_output(shlex.join(words))


def play(fleet: Any, host: str, *words: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """The role's playbook on one host, as an operator runs it."""
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
