"""The same hunger with swap and without: what the kernel did is read from its log and from the cgroup's counter."""

from __future__ import annotations

import time

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._oom import MEMCG, new_kills, parse_log

EVENTS = "/sys/fs/cgroup/pressure.slice/memory.events"
HUNGER = "bytearray(b'x') * (150 << 20)"


@pytest.fixture
def slice_kept(swaps):
    """Its counters go with its last unit."""
    swaps.host.check_output("systemd-run --quiet --slice=pressure.slice --unit=keeper sleep infinity")
    yield
    swaps.host.run("systemctl stop keeper pressure.slice")


def eat(host) -> int:
    return host.run(
        "systemd-run --quiet --wait --collect --slice=pressure.slice -p MemoryMax=80M -p OOMPolicy=continue "
        f"/usr/bin/python3 -c \"{HUNGER}\""
    ).rc


def kills(host) -> list:
    return [kill for kill in parse_log(host.check_output("dmesg")) if kill.within("/pressure.slice")]


def test_hunger_survives_with_swap_and_is_killed_without(swaps, slice_kept, ansible):
    before = swaps.host.file(EVENTS).content_string
    assert eat(swaps.host) == 0
    assert kills(swaps.host) == []
    assert new_kills(before, swaps.host.file(EVENTS).content_string) == 0

    swaps.host.check_output("swapoff /swapfile")
    try:
        assert eat(swaps.host) != 0
        (kill,) = kills(swaps.host)
        assert (kill.scope, kill.comm) == (MEMCG, "python3")
        assert new_kills(before, swaps.host.file(EVENTS).content_string) == 1
    finally:
        swaps.host.check_output("swapon /swapfile")


def test_swap_that_memory_cannot_take_back_is_neither_switched_off_nor_lost_in_a_resize(swaps, ansible):
    """420 MiB held on a machine of 512: most of it is swapped out, and a plain swapoff would wake the killer."""
    host, name = swaps.host, swaps.host.check_output("hostname")
    host.check_output(
        "systemd-run --quiet --unit=hunger -p OOMScoreAdjust=500 /usr/bin/python3 -c "
        "\"held = bytearray(b'x') * (420 << 20); import time; time.sleep(3600)\""
    )
    deadline = time.monotonic() + 120
    while int(host.check_output("awk '/^.swapfile/ {print $4}' /proc/swaps")) < 100 << 10:
        assert time.monotonic() < deadline
        time.sleep(1)
    time.sleep(5)
    try:
        for arguments in ({"state": "absent"}, {"size": "16M"}):
            refused = ansible.swapfile(name, path="/swapfile", **arguments)[name]
            assert refused["failed"] and "MiB are swapped out" in refused["msg"], refused
            assert swaps.active == {"/swapfile": 256}
        grown = ansible.swapfile(name, path="/swapfile", size="320M")[name]
        assert grown["changed"] and "on bridge" in grown["steps"], grown
        assert swaps.active == {"/swapfile": 320} and swaps.left == []
        assert host.check_output("systemctl is-active hunger") == "active"
    finally:
        host.run("systemctl stop hunger")
    assert not [kill for kill in parse_log(host.check_output("dmesg")) if not kill.within("/pressure.slice")]
    ansible.swapfile(name, path="/swapfile", size="256M")
