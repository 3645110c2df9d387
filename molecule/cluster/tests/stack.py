"""A client of the stack: speaks to its front, looks into its hosts, runs its playbook."""

from __future__ import annotations

import argparse
import asyncio
import csv
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tools import streams  # noqa: E402

HOSTS = list(yaml.safe_load((ROOT / "inventories/friends_cafe/hosts.yml").read_text())["all"]["hosts"])
SITE = "sabakan.vps.site"
# What an upgrade needs: the plan, then the application.
APPLICATION = ("sabakan.vps.plan", "sabakan.vps.app")
ENVIRONMENT = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "tools" / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
FINGERPRINT = """
{ find /etc /home /usr/local /var/lib/postgresql -xdev \\( -path '/var/lib/postgresql/*/main' -o -path '/home/*/log' -o -path '/home/*/tmp' \\) -prune \
    -o -printf '%p %m %u %g %s %T@ %l\\n'
  systemctl show -p Id,InvocationID,MainPID 'mastodon*' 'postgresql*' 'pgbouncer*' 'redis*' 'haproxy*' 'nginx*' 'swift*' 'object*'
} | sort
"""

BALANCER = """
import socket
client = socket.socket(socket.AF_UNIX)
client.connect("/run/haproxy/admin.sock")
client.sendall(b"show stat\\n")
print(b"".join(iter(lambda: client.recv(65536), b"")).decode())
"""


def await_that(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The condition's value as soon as it is true; what it raises counts as not yet."""
    deadline, reason = time.monotonic() + seconds, ""
    while True:
        try:
            value = condition()
            if value:
                return value
            reason = repr(value)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s still not so: {what} ({reason[-600:]})")
        time.sleep(0.3)


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self) -> Any:
        return json.loads(self.body)


class Connection(http.client.HTTPSConnection):
    """HTTPS to an address under a name of the certificate."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        super().__init__(name, context=context, timeout=15)
        self.address = address

    def connect(self) -> None:
        raw = socket.create_connection((self.address, 443), self.timeout)
        self.sock = self._context.wrap_socket(raw, server_hostname=self.host)


class Stack:
    def __init__(self, fleet: Any, scratch: Path) -> None:
        self.fleet, self.scratch = fleet, scratch
        everywhere = fleet.variables["front-01"]
        self.domain = everywhere["stack_domain"]
        self.secrets: dict[str, str] = everywhere["stack_secrets"]
        self.release: dict[str, str] = everywhere["stack_release"]
        self.prefix = f"sabakan-{everywhere['fleet_name']}-"
        self.authority = scratch / "ca.pem"
        self.authority.write_text(self.secrets["ca_certificate"])
        self.context = ssl.create_default_context(cafile=str(self.authority))

    # Hosts

    def address(self, host: str) -> str:
        return str(self.fleet.address(host))

    def docker(self, command: str, host: str, *options: str) -> None:
        subprocess.run(["docker", command, *options, self.prefix + host], check=True, capture_output=True, timeout=120)

    def run(self, host: str, script: str, *, stdin: str = "", program: str = "sh", timeout: float = 60) -> str:
        """Output of a script on a host, as root; not over ssh, whose kept connections do not outlive a restart."""
        words = ["python3", "-c", script] if program == "python3" else ["sh", "-euc", script]
        done = subprocess.run(
            ["docker", "exec", "-i", self.prefix + host, *words], input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{host}: exit {done.returncode}: {done.stderr.strip()[-800:]}")
        return done.stdout

    def query(self, host: str, statement: str) -> str:
        return self.run(host, "exec psql -XAtq -h /var/run/postgresql -U postgres -d mastodon_production -v ON_ERROR_STOP=1", stdin=statement).strip()

    def balancer(self) -> dict[tuple[str, str], dict[str, str]]:
        """HAProxy's figures of each (backend, server)."""
        rows = csv.DictReader(self.run("front-01", BALANCER, program="python3").strip().removeprefix("# ").splitlines())
        return {(row["pxname"], row["svname"]): row for row in rows}

    def fingerprint(self) -> set[str]:
        """A line for each file and service of all hosts that changes with it."""
        return {f"{host}: {line}" for host in HOSTS for line in self.run(host, FINGERPRINT).splitlines()}

    def assert_unchanged(self, before: set[str]) -> None:
        after = self.fingerprint()
        assert len(before) > 1000
        changes = sorted(before ^ after)
        assert not changes, f"{len(changes)} lines differ: " + "\n".join(changes[:20])

    # The front

    def request(self, method: str, path: str, *, host: str = "", body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = Connection(self.address("front-01"), host or self.domain, self.context)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def post(self, text: str) -> str:
        """Posts a toot; its id."""
        answer = self.request("POST", "/api/v1/statuses", body=json.dumps({"status": text}).encode(), headers={"Content-Type": "application/json"})
        assert answer.status == 200, f"POST /api/v1/statuses answered {answer.status} {answer.body[:200]!r}"
        return str(answer.json()["id"])

    def upload(self, content: bytes) -> str:
        """Uploads a picture; its URL."""
        edge = uuid.uuid4().hex
        body = (
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="fish.png"\r\nContent-Type: image/png\r\n\r\n'
        ).encode() + content + f"\r\n--{edge}--\r\n".encode()
        answer = self.request("POST", "/api/v2/media", body=body, headers={"Content-Type": f"multipart/form-data; boundary={edge}"})
        assert answer.status == 200, f"POST /api/v2/media answered {answer.status} {answer.body[:200]!r}"
        return str(answer.json()["url"])

    def stream(self, posts: int = 1) -> dict[str, Any]:
        """Posts while both streams are followed; streams.py says what arrived."""
        streams.ARRIVAL = 8.0
        options = argparse.Namespace(address=self.address("front-01"), domain=self.domain, ca=str(self.authority), posts=posts, rate=20.0)
        return asyncio.run(streams.measure(options))

    def assert_service(self) -> None:
        """A toot goes all the way (both streams, both database hosts, both Sidekiq hosts), and so does a picture."""
        found = self.stream()
        assert not found["failed"] and not found["websocket"]["missing"] and not found["sse"]["missing"], found
        number = self.post("In service")
        await_that(f"toot {number} is on the standby, delivered", lambda: self.query(
            "rdb-02", f"SELECT 1 FROM statuses WHERE id = {int(number)} AND delivered_at IS NOT NULL",
        ), 8)
        picture = uuid.uuid4().bytes
        url = self.upload(picture)
        host, _, path = url.removeprefix("https://").partition("/")
        assert self.request("GET", f"/{path}", host=host).body == picture

    # The playbook

    def command(self, *words: str, overlay: dict[str, Any] | None = None) -> list[str]:
        """Runs playbooks, with files of host_vars and group_vars laid over the inventory."""
        over = self.scratch / f"overlay-{uuid.uuid4().hex[:8]}"
        for name, variables in {"hosts.yml": {"all": {}}, **(overlay or {})}.items():
            (over / name).parent.mkdir(parents=True, exist_ok=True)
            (over / name).write_text(json.dumps(variables))
        return [
            "ansible-playbook", "-i", str(ROOT / "inventories/friends_cafe"), "-i", os.environ["SABAKAN_FLEET"], "-i", str(over), *words,
        ]

    def playbook(self, *words: str, overlay: dict[str, Any] | None = None, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words, overlay=overlay), cwd=ROOT, env=ENVIRONMENT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
        )
