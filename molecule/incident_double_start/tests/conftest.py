"""One data directory, and the containers that run PostgreSQL on it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCENARIO = "incident_double_start"
PROGRAM = Path(__file__).parents[3] / "roles" / "exclusive_lock" / "files" / "sabakan_exclusive"


def guard(*options: str) -> list[str]:
    return ["python3", "/opt/sabakan_exclusive", "--host", "rdb-01", *options, "/data", "--"]


def docker(*words: str, check: bool = True, seconds: float = 60) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0 or not check, f"docker {' '.join(words)}: {done.stderr}"
    return (done.stdout + ("" if check else done.stderr)).strip()


# PostgreSQL brings each of its files to the disk before it recovers, which a busy one may take a minute for.
def until(question: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


class Server:
    """A container with its own PID and IPC name spaces."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sql(self, statement: str, check: bool = True) -> str:
        return docker("exec", self.name, "psql", "-XAtq", "-h", "/tmp", "-d", "postgres", "-c", statement, check=check)

    def answers(self) -> bool:
        return self.sql("select 1", check=False) == "1"

    def state(self, field: str) -> str:
        return docker("inspect", "-f", f"{{{{.State.{field}}}}}", self.name)

    def pid(self, depth: int = 0) -> int:
        """On the machine: 0 PID 1 of the container, 1 its child, 2 the child's child."""
        pid = int(self.state("Pid"))
        for _ in range(depth):
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid

    def log(self) -> str:
        return docker("logs", self.name, check=False)

    def end(self) -> int:
        """Exit code, once it has ended by itself."""
        until(lambda: self.state("Running") == "false")
        return int(self.state("ExitCode"))


def volume() -> str:
    return docker("volume", "create", "--label", f"sabakan={SCENARIO}", f"sabakan-{SCENARIO}-{uuid.uuid4().hex[:8]}")


def once(image: str, script: str, *volumes: str) -> str:
    mounts = [word for mount in volumes for word in ("-v", mount)]
    return docker("run", "--rm", "--label", f"sabakan={SCENARIO}", *mounts, image, "sh", "-ec", script)


class Place:
    """A volume with a cluster on it, watched: which PID name spaces have servers in it at once."""

    def __init__(self, image: str, template: str) -> None:
        self.image, self.volume = image, volume()
        self.most, self._watching = 0, True
        self.path = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", self.volume))
        # What the last line of the script prints is where this release keeps the server.
        self.bin = once(image, "cp -a /template/. /data; ls -d /usr/lib/postgresql/*/bin", f"{template}:/template:ro", f"{self.volume}:/data")
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def start(self, name: str, words: list[str] | None, *options: str) -> Server:
        """words: those before the server's own command; none for the outage."""
        full = f"{self.volume}-{name}"
        server = [f"{self.bin}/postgres", "-D", "/data/main", "-c", "fsync=off", "-c", "unix_socket_directories=/tmp", "-c", "autovacuum=off"]
        docker(
            "run", "-d", "--name", full, "--hostname", name, "--label", f"sabakan={SCENARIO}", "--user", "postgres",
            "--network", f"sabakan-{SCENARIO}", "-v", f"{self.volume}:/data", "-v", f"{PROGRAM}:/opt/sabakan_exclusive:ro",
            *options, self.image, *(words or []), *server,
        )
        return Server(full)

    def running(self, name: str, words: list[str] | None, *options: str) -> Server:
        server = self.start(name, words, *options)
        until(lambda: server.answers() or server.state("Running") == "false")
        assert server.answers(), server.log()
        return server

    def servers(self) -> set[str]:
        """PID name spaces that have a process in the data directory, by its device and inode."""
        main, found = os.stat(self.path / "main"), set()
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and os.path.samestat(os.stat(entry / "cwd"), main):
                    found.add(os.readlink(entry / "ns" / "pid"))
            except OSError:
                continue
        return found

    def _watch(self) -> None:
        while self._watching:
            self.most = max(self.most, len(self.servers()))
            time.sleep(0.03)

    def remove(self) -> None:
        self._watching = False
        self._thread.join()
        names = docker("ps", "-aq", "--filter", f"volume={self.volume}").split()
        if names:
            docker("rm", "-fv", *names)
        docker("volume", "rm", self.volume)


@pytest.fixture(scope="session")
def image(fleet) -> str:
    there = fleet.variables["this-machine"]
    return str(there["fleet_images"][str(there["fleet_debian"])]["host"])


@pytest.fixture(scope="session")
def template(image: str) -> Iterator[str]:
    """A volume with a new cluster, to be copied for each test."""
    name = volume()
    once(image, "chown postgres: /data; su postgres -c '/usr/lib/postgresql/*/bin/initdb -N -A trust -D /data/main' >/dev/null", f"{name}:/data")
    yield name
    docker("volume", "rm", name)


@pytest.fixture
def place(image: str, template: str) -> Iterator[Place]:
    made = Place(image, template)
    yield made
    made.remove()
