"""`./sabakan bench sftp`: the SFTP server beside a bare mount and a bare sshd with the same driver, in turns in one run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tools import demo, engine, environment, fleet, images
from tools.ground import ROOT, Failure, say

SCENARIO = ROOT / "molecule" / "incident_mount_oom"
HOST, STORE = "sftp-01", "swift-01"
PORTS = {"role": 2222, "bare": 2223}
ROUNDS, ONE, EIGHT, OBJECTS = 3, 128, 24, 10000  # MB of a file: of one session alone, of each of eight
RUN = (
    "docker rm --force bare 2>/dev/null; docker run --detach --name bare --cpus 1 --cap-add SYS_ADMIN --device /dev/fuse"
    " --security-opt apparmor=unconfined --env-file /srv/bare/environment --publish 2223:22 bare-sftp"
)
# From the store's own host, by the client that Swift brings.
FILL = (
    "mkdir -p /tmp/list/in/list && cd /tmp/list/in/list && seq -f '%05.0f' {count} | xargs touch && cd /tmp/list &&"
    " swift --insecure --auth {url}/auth/v1.0 --user '{user}' --key '{key}' upload --object-threads 10 deliveries in/list >/dev/null"
)
PEAK = {
    "role": "docker exec sabakan-sftp sabakan-sftp-keeper status",
    "bare": "docker exec bare sh -c 'cat /sys/fs/cgroup/memory.peak 2>/dev/null || cat /sys/fs/cgroup/memory/memory.max_usage_in_bytes'",
}


class Bench:
    def __init__(self, variables: dict[str, Any], place: Path) -> None:
        self.variables, self.place = variables, place
        self.key = str(variables[HOST]["ansible_ssh_private_key_file"])

    def on(self, host: str, command: str) -> str:
        words = [*demo.SSH, "-i", self.key, f"root@{self.variables[host]['ansible_host']}", command]
        return subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout

    def sftp(self, side: str, *commands: str) -> float:
        """Seconds of one session; Failure when a command of it fails."""
        words = ["sftp", "-q", *demo.SSH[1:], "-i", self.key, "-P", str(PORTS[side]), "-b", "-", f"partner@{self.variables[HOST]['ansible_host']}"]
        started = time.monotonic()
        result = subprocess.run(words, input="\n".join(commands) + "\n", capture_output=True, text=True, check=False)
        if result.returncode:
            raise Failure(f"sftp at the {side} server: {' ; '.join(commands)}: {result.stderr.strip()}")
        return time.monotonic() - started

    def transfer(self, side: str, up: bool, sessions: int) -> float:
        """MB a second over all sessions."""
        size = ONE if sessions == 1 else EIGHT

        def one(number: int) -> None:
            local, there = self.place / f"{side}.{number}", f"data/bench.{side}.{sessions}.{number}"
            self.sftp(side, f"put {self.place / str(size)} {there}" if up else f"get {there} {local}")
            if not up and local.stat().st_size != size * 10**6:
                raise Failure(f"{there} came back with {local.stat().st_size} bytes")

        started = time.monotonic()
        with ThreadPoolExecutor(sessions) as pool:
            list(pool.map(one, range(sessions)))
        return size * sessions / (time.monotonic() - started)

    def listing(self, side: str) -> float:
        time.sleep(6)  # longer than the driver keeps a directory
        return self.sftp(side, "ls -1 data/list")

    def heal(self) -> float:
        """Seconds from the kill of the mount until a partner is served."""
        mounts = json.loads(self.on(HOST, PEAK["role"]))["mounts"]
        started = time.monotonic()
        self.on(HOST, f"docker exec sabakan-sftp kill -9 {next(iter(mounts.values()))['pid']}")
        while True:
            try:
                self.sftp("role", "ls data/bench.role.1.0")
                return time.monotonic() - started
            except Failure:
                if time.monotonic() - started > 60:
                    raise

    def peak(self, side: str) -> float:
        text = self.on(HOST, PEAK[side])
        return (json.loads(text)["memory"]["peak"] if side == "role" else int(text)) / 2**20

    def both(self, name: str, measure: Callable[[str], float], more_is_better: bool = True) -> dict[str, Any]:
        """The median of each side's rounds, which take turns, and their ratio, above 1 where the role is the better."""
        say(f"Measuring {name}")
        found: dict[str, list[float]] = {side: [] for side in PORTS}
        for number in range(ROUNDS):
            for side in sorted(PORTS, reverse=bool(number % 2)):
                found[side].append(measure(side))
        role, bare = (statistics.median(found[side]) for side in ("role", "bare"))
        return {"role": round(role, 2), "bare": round(bare, 2), "ratio": round(role / bare if more_is_better else bare / role, 3)}


@fleet.alone("incident_mount_oom")
def measure(debian: str) -> dict[str, Any]:
    engine.ensure()
    environment.ensure()
    for release in images.SUITES:
        images.ensure(release)
    path = fleet.inventory("incident_mount_oom", debian)
    inventory = SCENARIO / "inventory"
    fleet.down(path, inventory)
    try:
        fleet.up(path, inventory)
        for name in ("prepare", "converge"):
            say(f"Running {name}.yml")
            fleet.playbook(str(SCENARIO / f"{name}.yml"), path, inventory_path=inventory)
        listed = subprocess.run(["ansible-inventory", "-i", str(inventory), "-i", str(path), "--list"], capture_output=True, text=True, check=True)
        with tempfile.TemporaryDirectory() as place:
            return figures(Bench(json.loads(listed.stdout)["_meta"]["hostvars"], Path(place)), debian)
    finally:
        fleet.down(path, inventory)


def figures(bench: Bench, debian: str) -> dict[str, Any]:
    for size in (ONE, EIGHT):
        (bench.place / str(size)).write_bytes(os.urandom(10**6) * size)
    secrets = bench.variables[HOST]["stack_secrets"]
    say(f"Putting {OBJECTS} objects")
    bench.on(STORE, FILL.format(count=OBJECTS, url=bench.variables[HOST]["stack_object_storage"]["endpoint"],
                                user=secrets["object_storage_access_key"], key=secrets["object_storage_secret_key"]))
    bench.on(HOST, RUN)
    time.sleep(5)
    found: dict[str, Any] = {"debian": debian, "driver": bench.variables[HOST]["sftp_s3_driver"], "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    for sessions in (1, 8):
        for up in (True, False):
            name = f"{'up' if up else 'down'}_{sessions}_mb_per_second"
            found[name] = bench.both(name, lambda side, up=up, sessions=sessions: bench.transfer(side, up, sessions))
    found["listing_10000_seconds"] = bench.both("the listing of 10,000 objects", bench.listing, more_is_better=False)
    peaks = {side: round(bench.peak(side), 1) for side in PORTS}
    found["peak_mib"] = {**peaks, "ratio": round(peaks["bare"] / peaks["role"], 3)}
    say("Measuring the time to heal")
    found["heal_seconds"] = {"role": round(statistics.median([bench.heal() for _round in range(ROUNDS)]), 2), "bare": None}
    return found


def main(debian: str, output: str) -> int:
    found = measure(debian)
    Path(output).write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    say(f"Written to {output}")
    return 0
