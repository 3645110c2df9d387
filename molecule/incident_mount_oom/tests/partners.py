"""Twelve partners who fetch large files at once, and what they are told."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import botocore.config

HOST, SESSIONS, SIZE = "sftp-01", 12, 120 * 10**6
RATE = 40000  # kbit/s of each: partners are far away, and slower than the store, so that a mount reads ahead as far as it may
OPTIONS = ["-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR", "-oIdentitiesOnly=yes", "-oBatchMode=yes", "-oConnectTimeout=15"]


def sftp(fleet: Any, port: int, *commands: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    variables = fleet.variables[HOST]
    words = ["sftp", "-q", "-l", str(RATE), "-P", str(port), "-i", str(variables["ansible_ssh_private_key_file"]), *OPTIONS, "-b", "-", f"partner@{variables['ansible_host']}"]
    return subprocess.run(words, input="\n".join(commands) + "\n", capture_output=True, text=True, timeout=timeout, check=False)


def plant(fleet: Any) -> str:
    """A large object; its digest. Put once."""
    variables = fleet.variables[HOST]
    secrets = variables["stack_secrets"]
    authority = Path(tempfile.mkdtemp()) / "ca.crt"
    authority.write_text(secrets["ca_certificate"])
    store = boto3.client(
        "s3", endpoint_url=variables["stack_object_storage"]["endpoint"], region_name="us-east-1", verify=str(authority),
        aws_access_key_id=secrets["object_storage_access_key"], aws_secret_access_key=secrets["object_storage_secret_key"],
        config=botocore.config.Config(
            s3={"addressing_style": "path"}, request_checksum_calculation="when_required", response_checksum_validation="when_required"),
    )
    content = hashlib.shake_256(b"a large file").digest(1000) * (SIZE // 1000)
    if not store.list_objects_v2(Bucket="deliveries", Prefix="in/large").get("Contents"):
        store.put_object(Bucket="deliveries", Key="in/large", Body=content)
    return hashlib.sha256(content).hexdigest()


def fetch_all(fleet: Any, port: int, place: Path) -> list[tuple[int, str, str]]:
    """(exit code, what it was told, digest of what it has) of each partner."""
    def one(number: int) -> tuple[int, str, str]:
        path = place / str(number)
        result = sftp(fleet, port, f"get data/large {path}")
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
        path.unlink(missing_ok=True)
        return result.returncode, result.stderr, found

    with ThreadPoolExecutor(SESSIONS) as pool:
        return list(pool.map(one, range(SESSIONS)))


def await_that(what: str, condition: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not so: {what}"
        time.sleep(0.2)
    return value
