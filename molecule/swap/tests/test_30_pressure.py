"""The same hunger with swap and without: what the kernel did is read from its log and from the cgroup's counter."""

from __future__ import annotations

import time

from ansible_collections.sabakan.vps.plugins.module_utils._oom import MEMCG, new_kills, parse_log

from .conftest import HOSTS, together

EVENTS = "/sys/fs/cgroup/pressure.slice/memory.events"


def eat(host) -> int:
    """90 MiB where 48 are allowed: 0, or 1 where that is the end of it."""
    return host.run(
        "! systemd-run --quiet --wait --collect --slice=pressure.slice -p MemoryMax=48M -p OOMPolicy=continue "
        "/usr/bin/python3 -c \"bytearray(b'x') * (90 << 20)\""
    ).rc ^ 1


def kills(host) -> list:
    return parse_log(host.check_output("dmesg"))


def hunger(swaps) -> None:
    host = swaps.host
    host.check_output("systemd-run --quiet --slice=pressure.slice --unit=keeper sleep infinity")  # the counters go with the last unit
    before = host.file(EVENTS).content_string
    assert eat(host) == 0
    assert kills(host) == []
    assert new_kills(before, host.file(EVENTS).content_string) == 0

    host.check_output("swapoff /swapfile")
    try:
        assert eat(host) != 0
        (kill,) = kills(host)
        assert (kill.scope, kill.comm) == (MEMCG, "python3") and kill.within("/pressure.slice")
        assert new_kills(before, host.file(EVENTS).content_string) == 1
    finally:
        host.check_output("swapon /swapfile")


def test_hunger_survives_with_swap_and_is_killed_without(both):
    together(hunger, both)


HOG = """\
from pathlib import Path
from time import sleep
held = bytearray(b"x") * (260 << 20)
Path("/run/half").touch()
while not Path("/run/go-on").exists():
    sleep(0.2)
more = bytearray(b"x") * (160 << 20)
Path("/run/full").touch()
sleep(3600)
"""
AWAIT = "timeout 600 sh -c 'until [ -e %s ]; do systemctl -q is-active hunger || exit; sleep 0.5; done'"


def fill(swaps) -> None:
    """Holds most of the memory until it is stopped; returns when a part of it is swapped out.

    At rest and bit by bit: what takes memory faster than a slow disk takes pages is killed though there is swap.
    """
    swaps.host.check_output("systemd-run --quiet --unit=hunger /usr/bin/python3 -c %s", HOG)
    swaps.host.check_output(AWAIT, "/run/half")
    deadline = time.monotonic() + 600
    while swaps.used("/swapfile") < 125:
        assert time.monotonic() < deadline, "nothing is swapped out"
        swaps.host.run("echo 16M > /sys/fs/cgroup/system.slice/hunger.service/memory.reclaim")
    swaps.host.check_output("touch /run/go-on")
    swaps.host.check_output(AWAIT, "/run/full")


def test_swap_that_memory_cannot_take_back_is_neither_switched_off_nor_lost_in_a_resize(both, swapfile):
    """420 MiB held on a machine of 512: a plain swapoff would wake the killer."""
    before = [len(kills(swaps.host)) for swaps in both]
    together(fill, both)
    calls = [{"path": "/swapfile", **how} for how in ({"state": "absent"}, {"size": "16M"}, {"size": "192M"})]
    try:
        for *refused, grown in swapfile(dict.fromkeys(HOSTS, calls)).values():
            for result in refused:
                assert "MiB are swapped out" in result["msg"] and "steps" not in result, result
            assert "on bridge" in grown["steps"], grown
        for swaps in both:
            assert swaps.active == {"/swapfile": 192} and swaps.left == ["/swapfile"]
            assert swaps.host.check_output("systemctl is-active hunger") == "active"
    finally:
        together(lambda swaps: swaps.host.run("systemctl stop hunger"), both)
    assert [len(kills(swaps.host)) for swaps in both] == before
