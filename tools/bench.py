"""`./sabakan bench`: figures, not tests; ratios within one run, as machines are shared."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from tools import demo, engine, environment, fleet, images
from tools.ground import ROOT, Failure, say

POSTS, RATE = 1000, 100.0  # posts, posts a second
# Not counted: threads, pools and compiled code come with the load; without it the first seconds are all of the 95th percentile.
WARM = 1000
WRK = ["wrk", "-t1", "-c32", "-d15s", "--timeout", "10s", "--latency", "-H", f"Host: {demo.DOMAIN}", f"https://{demo.FRONT}/api/v1/timelines/public"]


def unit(path: Path) -> float:
    """Seconds of one no-op task over all hosts: the median of six; the first, which opens connections, is left out."""
    figures = path.parent / "noop.json"
    fleet.playbook(str(ROOT / "molecule" / "resources" / "noop.yml"), path, statistics=figures)
    return statistics.median(task["seconds"] for task in json.loads(figures.read_text())["tasks"][1:])


def requests(path: Path) -> dict[str, Any]:
    """Reads at the front by 32 connections for 15 s, from another host of the fleet."""
    variables = demo.hosts(path)["redis-01"]
    text = subprocess.run(
        [*demo.SSH, "-i", variables["ansible_ssh_private_key_file"], f"root@{variables['ansible_host']}", *[f"'{word}'" for word in WRK]],
        capture_output=True, text=True, check=True,
    ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    total = re.search(r"(\d+) requests in", text)
    failed = [int(number) for line in re.findall(r"(?:Non-2xx or 3xx responses|Socket errors):.*", text) for number in re.findall(r"\d+", line.split(":", 1)[1])]
    latency = dict(re.findall(r"^\s+(50|99)%\s+([\d.]+\w+)", text, re.MULTILINE))
    if not rate or not total:
        raise Failure(f"wrk did not report: {text}")
    return {"requests": int(total.group(1)), "per_second": float(rate.group(1)), "failed": sum(failed), "p50": latency.get("50"), "p99": latency.get("99")}


@fleet.alone("bench")
def measure(debian: str) -> dict[str, Any]:
    engine.ensure()
    fleet.refuse_beside("bench")
    environment.ensure()
    images.ensure(debian)
    fleet.repository()
    path = fleet.inventory("bench", debian)
    fleet.down(path)
    try:
        first = demo.provision(path, path.parent / "first.json")
        one = unit(path)
        second = demo.provision(path, path.parent / "second.json")
        say(f"Posting {WARM} and then {POSTS} toots, {RATE:.0f} a second")
        demo.toot(path, WARM, RATE, strict=False)
        streams = demo.toot(path, POSTS, RATE, strict=False)
        say("Reading at the front")
        reads = requests(path)
        memory = {host: round(measured["pss"] / 2**20) for host, measured in demo.probe_all(path).items()}
    finally:
        fleet.down(path)
    return {
        "debian": debian,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "first_converge_seconds": first["seconds"],
        "second_converge_seconds": second["seconds"],
        "second_converge_changed": second["changed"],
        "tasks": len(second["tasks"]),
        "unit_seconds": one,
        "second_converge_units": round(second["seconds"] / one, 1),
        "post_to_stream_ms": streams,
        "front": reads,
        "pss_mib": memory,
    }


def main(debian: str, output: str) -> int:
    figures = measure(debian)
    Path(output).write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    say(f"Written to {output}")
    return 0
