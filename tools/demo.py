"""`./sabakan demo`: nine hosts, the whole stack, a toot, and what is there in the end."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tools import engine, environment, fleet, images
from tools.ground import CACHE, ROOT, STARTED, Failure, answers, say

DOMAIN = "friends.cafe"
FRONT = "10.91.0.41"
SSH = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]


def hosts(path: Path) -> dict[str, dict[str, Any]]:
    """The inventory's hosts and their variables."""
    listed = subprocess.run(
        ["ansible-inventory", "-i", str(fleet.FRIENDS_CAFE), "-i", str(path), "--list"], check=True, capture_output=True, text=True,
    )
    return dict(json.loads(listed.stdout)["_meta"]["hostvars"])


def probe(variables: dict[str, Any]) -> dict[str, Any]:
    """What tools/probe.py measures on a host."""
    answer = subprocess.run(
        [*SSH, "-i", variables["ansible_ssh_private_key_file"], f"root@{variables['ansible_host']}", "python3", "-"],
        input=(ROOT / "tools" / "probe.py").read_bytes(), capture_output=True, check=True,
    )
    return dict(json.loads(answer.stdout))


def probe_all(path: Path) -> dict[str, dict[str, Any]]:
    found = hosts(path)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(found, pool.map(probe, found.values()), strict=True))


def authority(path: Path) -> Path:
    """The stack's own certificate authority as a file, for clients on this machine."""
    target = path.parent / "ca.pem"
    words = {"content": "{{ stack_secrets.ca_certificate }}", "dest": str(target), "mode": "0644"}
    shown = subprocess.run(
        ["ansible", "-i", str(fleet.FRIENDS_CAFE), "-i", str(path), "localhost", "-m", "ansible.builtin.copy",
         "-a", json.dumps(words), "-e", "ansible_python_interpreter={{ ansible_playbook_python }}"],
        capture_output=True, text=True, check=False,
    )
    if shown.returncode:
        raise Failure(f"the authority's certificate cannot be read: {shown.stdout}{shown.stderr}", "./sabakan demo --down, then ./sabakan demo")
    return target


def toot(path: Path, posts: int = 1, rate: float = 1.0, *, strict: bool = True) -> dict[str, Any]:
    """Posts at the front and awaits the toots on both streams; times in ms. Strict: Failure if one is missing."""
    result = subprocess.run(
        ["python", str(ROOT / "tools" / "streams.py"), "--address", FRONT, "--domain", DOMAIN, "--ca", str(authority(path)),
         "--posts", str(posts), "--rate", str(rate)],
        capture_output=True, text=True, check=False,
    )
    if result.returncode and (strict or not result.stdout):
        told = (result.stdout.strip() or result.stderr.strip()).splitlines()
        raise Failure(
            f"a toot posted at front-01 did not arrive: {' '.join(told[-1:])}",
            f"look at `journalctl -u 'mastodon-*'` on app-01 (ssh -i {CACHE / 'ssh_key'} root@10.91.0.11) and lankiq-01 (root@10.91.0.13)",
        )
    return dict(json.loads(result.stdout))


def provision(path: Path, statistics: Path | None = None) -> dict[str, Any]:
    """Hosts, secrets and site.yml; the statistics of site.yml."""
    statistics = statistics or path.parent / "site.json"
    fleet.up(path)
    fleet.playbook("sabakan.vps.secrets", path)
    fleet.playbook("sabakan.vps.site", path, statistics=statistics)
    return dict(json.loads(statistics.read_text()))


def prepare(debian: str) -> Path:
    """Everything below the hosts: engine, environment, image, the application's repository."""
    engine.ensure()
    environment.ensure()
    images.ensure(debian)
    fleet.repository()
    return fleet.inventory("demo", debian)


def table(path: Path) -> None:
    rows = [("host", "service", "state", "processes", "open files", "restarts")]
    for host, measured in probe_all(path).items():
        rows += [
            (host if not index else "", one["unit"].removesuffix(".service"), one["state"], str(one["processes"]), str(one["nofile"]), str(one["restarts"]))
            for index, one in enumerate(measured["services"])
        ]
        rows.append(("", f"memory in use: {measured['pss'] / 2**20:.0f} MiB", "", "", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@fleet.alone("demo")
def up(debian: str) -> int:
    other = "12" if debian == "13" else "13"
    if (CACHE / "fleets" / f"demo-{other}" / "up").exists() and answers(["docker", "network", "inspect", "sabakan-demo"]):
        raise Failure(f"the demo is up on Debian {other}", f"./sabakan --debian {other} demo --down")
    path = prepare(debian)
    fleet.refuse_beside("demo")
    (path.parent / "up").touch()
    done = provision(path)
    say("Posting a toot through front-01")
    times = toot(path)
    print()
    table(path)
    print(f"\n  The toot arrived by websocket after {times['websocket']['p50']} ms, as a server-sent event after {times['sse']['p50']} ms.")
    print(f"  {'Nothing changed: the stack was as it should be' if not done['changed'] else str(done['changed']) + ' changes'};"
          f" site.yml took {done['seconds']:.0f} s, all {time.monotonic() - STARTED:.0f} s.")
    print(f"\n  Open      https://{FRONT}/   (the certificate is the demo's own: accept it once)")
    print(f"            from elsewhere: ssh -L 8443:{FRONT}:443 THIS-MACHINE, then https://localhost:8443/")
    print(f"  Log in    ssh -i {CACHE / 'ssh_key'} root@{FRONT}")
    print("  Stop      ./sabakan demo --down\n")
    return 0


@fleet.alone("demo")
def down(debian: str) -> int:
    # After a restart of this machine none answers, and yet the hosts are there.
    engine.ensure()
    environment.ensure()
    for release in images.SUITES:
        up_mark = CACHE / "fleets" / f"demo-{release}" / "up"
        if up_mark.exists() or release == debian:
            fleet.down(fleet.inventory("demo", release))
            up_mark.unlink(missing_ok=True)
    say("The demo's hosts are gone; its images and secrets stay for the next time")
    return 0
