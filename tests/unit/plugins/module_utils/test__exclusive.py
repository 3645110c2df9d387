# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._exclusive import (
    HeldLock,
    Place,
    User,
    audit,
    directories,
    parse_locks,
    program,
    unit_command,
    wrapped_data,
)
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = Place("dir 254:0:10", "/srv/pg", "/data", ("PG_VERSION",))
PLAIN = Place("dir 254:0:20", "/srv/uploads", "/uploads")
GUARD = ("python3", "/opt/sabakan_exclusive", "/data", "--")


def container(name: str, *places: Place, **fields: Any) -> User:
    return User("container", name, **{"command": ("postgres",), "image": f"{name}:1", "running": True, "places": places, **fields})


def unit(name: str, *places: Place, **fields: Any) -> User:
    return User("unit", name, **{"command": ("/usr/sbin/x",), "places": places, **fields})


PLANTED = {
    "one data directory, two containers": (
        [container("a", DATA), container("b", DATA, running=False, restart="always")], "shared_data",
        ["container b (not running, starts by itself (restart always)) may write /srv/pg as /data, dir 254:0:10", "it holds PG_VERSION"],
    ),
    "another path to the same inode": (
        [container("a", DATA), container("b", Place("dir 254:0:10", "/mnt/same", "/x"), command=("other",))], "shared_data", ["/mnt/same as /x"],
    ),
    "the parent of a data directory": (
        [container("a", DATA), container("b", Place("dir 254:0:9", "/srv", "/srv"), command=("other",))], "shared_data", ["/srv, dir 254:0:9"],
    ),
    "the same program without a known file": (
        [container("a", PLAIN, command=("mydb",)), container("b", PLAIN, command=("mydb",))], "shared_data", ["both run mydb"],
    ),
    "the same image without a known file": (
        [container("a", PLAIN, image="db:1", command=()), container("b", PLAIN, image="db:1", command=())], "shared_data", ["asks for no lock"],
    ),
    "one device, two nodes of it": (
        [container("a", Place("dev 8:16", "/dev/sdb", "/dev/osd")), container("b", Place("dev 8:16", "/dev/block/8:16", "/dev/x"), command=("y",))],
        "shared_device", ["/dev/block/8:16 as /dev/x, dev 8:16"],
    ),
    "a container and a unit": (
        [container("a", DATA), unit("postgresql.service", DATA, enabled=True)], "shared_data", ["unit postgresql.service (not running, starts"],
    ),
    "two units of one data directory": (
        [unit("pg.service", DATA, enabled=True), unit("pg-old.service", DATA)], "duplicated_unit", ["both run x"],
    ),
    "only one of two asks for the lock": (
        [container("a", DATA, wrapped_on="dir 254:0:10"), container("b", DATA)], "shared_data",
        ["container a locks dir 254:0:10, which the other does not", "container b asks for no lock"],
    ),
    "both ask, for different locks": (
        [container("a", DATA, wrapped_on="dir 0:50:2"), container("b", DATA, wrapped_on="dir 0:51:2")], "shared_data", ["locks dir 0:51:2"],
    ),
    "the lock in a private tmpfs, as in the story": (
        [container("osd", Place("dev 8:16", "/dev/sdb", "/dev/osd"), locks=(HeldLock("/var/lib/ceph/osd/ceph-0/fsid", "0:60:3", "tmpfs"),))],
        "private_lock", ["holds a lock on /var/lib/ceph/osd/ceph-0/fsid, 0:60:3, on tmpfs"],
    ),
    "a unit and the engine": (
        [container("db", restart="always"), unit("db.service", command=("/usr/bin/docker", "start", "-a", "db"))], "two_starters",
        ["unit db.service runs /usr/bin/docker start -a db", "container db has restart policy always"],
    ),
}
CLEAN = {
    "nothing": [],
    "data of its own each": [container("a", DATA), container("b", PLAIN)],
    "uploads that two different programs share": [container("web", PLAIN, command=("nginx",)), container("app", PLAIN, command=("puma",))],
    "both ask for the same lock": [container("a", DATA, wrapped_on="dir 254:0:10"), container("b", DATA, wrapped_on="dir 254:0:10")],
    "names that begin alike": [container("a", DATA), container("b", Place("dir 254:0:11", "/srv/pg2", "/data", ("PG_VERSION",)))],
    "a lock on the data itself beside a private one": [
        container("a", DATA, locks=(HeldLock("/data/lock", "254:0:12", "ext4"), HeldLock("/tmp/l", "0:60:3", "tmpfs"))),
    ],
    "a private lock of one without data": [container("a", locks=(HeldLock("/run/x.pid", "0:60:3", "tmpfs"),))],
    "a unit that starts a container which nobody else starts": [
        container("db", restart=""), unit("db.service", command=("/usr/bin/docker", "start", "-a", "db")),
    ],
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_case_is_found_with_its_evidence(name: str) -> None:
    users, kind, evidence = PLANTED[name]
    (finding,) = audit(users)
    assert finding.kind == kind
    for words in evidence:
        assert words in "\n".join(finding.evidence)


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_host_has_no_finding(name: str) -> None:
    assert audit(CLEAN[name]) == []


@pytest.mark.parametrize(
    ("command", "runs", "data"),
    [
        (("postgres", "-D", "/data"), "postgres", ""),
        (("docker-entrypoint.sh", "postgres"), "postgres", ""),
        ((*GUARD, "/usr/lib/postgresql/17/bin/postgres"), "postgres", "/data"),
        (("/usr/local/sbin/sabakan-exclusive", "--wait", "5", "/srv", "--", "x"), "x", "/srv"),
        (("sabakan-exclusive", "/srv"), "sabakan-exclusive", ""),
        ((), "", ""),
    ],
)
def test_what_a_command_runs_and_locks(command: tuple[str, ...], runs: str, data: str) -> None:
    assert (program(command), wrapped_data(command)) == (runs, data)


def test_a_units_command_and_its_directories() -> None:
    shown = "{ path=/usr/bin/mongod ; argv[]=/usr/bin/mongod --dbpath=/srv/m -f /etc/m.conf ; ignore_errors=no ; pid=1 }"
    command = unit_command(shown)
    assert command == ("/usr/bin/mongod", "--dbpath=/srv/m", "-f", "/etc/m.conf")
    assert directories(command) == ["/srv/m", "/etc/m.conf"]


def test_locks_that_are_held_and_not_those_that_wait_or_only_read() -> None:
    lines = [
        "1: FLOCK  ADVISORY  WRITE 4242 fe:00:5431782 0 EOF\n", "1: -> FLOCK  ADVISORY  WRITE 4243 fe:00:5431782 0 EOF\n",
        "2: POSIX  ADVISORY  WRITE -1 00:3c:17 0 EOF\n", "3: POSIX  ADVISORY  READ 7 fe:00:9 0 EOF\n",
    ]
    assert parse_locks(lines) == [(4242, "254:0:5431782"), (-1, "0:60:17")]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_no_text_breaks_the_parsers(lines: list[str]) -> None:
    assert isinstance(parse_locks(lines), list)
    for line in lines:
        assert isinstance(directories(unit_command(line)), list)
