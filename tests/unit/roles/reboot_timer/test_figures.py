# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_reboot import figures, health

HOUR = 3600.0


@pytest.mark.parametrize(("running", "boot", "pending"), [
    ("6.1.0-41-amd64", ["vmlinuz-6.1.0-41-amd64", "initrd.img-6.1.0-41-amd64"], False),
    ("6.1.0-9-amd64", ["vmlinuz-6.1.0-9-amd64", "initrd.img-6.1.0-9-amd64", "vmlinuz-6.1.0-41-amd64", "initrd.img-6.1.0-41-amd64"], True),
    ("6.1.0-41-amd64", ["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-41-amd64"], False),
    ("6.1.0-41-amd64", ["vmlinuz-6.1.0-41-amd64", "vmlinuz-6.1.0-42-cloud-amd64"], False),
    ("6.12.57+deb13-cloud-amd64", ["vmlinuz-6.12.57+deb13-cloud-amd64", "vmlinuz-6.12.100+deb13-cloud-amd64"], True),
    ("6.12.57+deb13-amd64", ["vmlinuz-6.12.57+deb13-amd64", "vmlinuz-6.12.41+deb13-amd64"], False),
    ("5.10.0-custom", [], False),
    ("6.1.0~rc1-amd64", ["vmlinuz-6.1.0-amd64"], True),
    ("6.12.12+bpo-amd64", ["vmlinuz-6.12.12+bpo-amd64", "vmlinuz-6.12.43+deb12-amd64"], True),
    ("6.12.12+bpo-cloud-amd64", ["vmlinuz-6.12.12+bpo-cloud-amd64", "vmlinuz-6.12.43+deb12-amd64"], False),
])
def test_a_newer_kernel_of_the_flavour(running, boot, pending):
    assert bool(figures.pending_kernel(running, boot)) is pending


def test_a_kernel_that_could_not_boot_is_no_reason_but_trouble():
    with pytest.raises(OSError, match=r"6\.1\.0-41-amd64 is installed without an initrd"):
        figures.pending_kernel("6.1.0-9-amd64", ["vmlinuz-6.1.0-41-amd64", "initrd.img-6.1.0-9-amd64"])


@pytest.mark.parametrize(("release", "flavour"), [
    ("6.1.0-41-amd64", "amd64"), ("6.1.0-41-cloud-amd64", "cloud-amd64"), ("6.12.57+deb13-cloud-amd64", "cloud-amd64"), ("6.1.0", ""),
    ("6.12.57+deb13+1-rt-arm64", "rt-arm64"),
])
def test_flavours(release, flavour):
    assert figures.flavour(release) == flavour


@pytest.mark.parametrize(("line", "replaced"), [
    ("7f0 r-xp 00000000 fe:01 123  /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)", True),
    ("7f0 r-xp 00000000 fe:01 123  /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 (deleted)", True),
    ("7f0 r--p 00000000 fe:01 123  /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)", False),
    ("7f0 r-xp 00000000 fe:01 123  /usr/lib/x86_64-linux-gnu/libssl.so.3", False),
    ("7f0 r-xp 00000000 00:01 123  /memfd:libffi (deleted)", False),
    ("7f0 rw-s 00000000 00:01 123  /dev/shm/PostgreSQL.1.so (deleted)", False),
])
def test_replaced_libraries(line, replaced):
    assert figures.replaced_library(f"55 r--p 0 00:00 0 /usr/bin/x\n{line}\n") is replaced


@pytest.mark.parametrize(("samples", "expected"), [
    ([], None),
    ([(HOUR * n, 1000) for n in range(5)], None),
    ([(600.0 * n, 1000 * n) for n in range(8)], None),
    ([(HOUR * n, 100_000 + 3600 * n) for n in range(8)], 1.0),
    ([(HOUR * n, 100_000) for n in range(8)], 0.0),
    # One leap, as of a cache that fills once, is no leak.
    ([(HOUR * n, 100_000 if n < 7 else 900_000) for n in range(12)][:9], 0.0),
])
def test_the_slope_of_slab(samples, expected):
    assert figures.slope(samples) == expected


@given(st.lists(st.tuples(st.floats(0, 1e7), st.integers(0, 10**9)), max_size=20))
def test_no_samples_break_the_slope(samples):
    figures.slope(sorted(samples))


def test_meminfo():
    text = "MemTotal:  1000 kB\nSUnreclaim:     77 kB\nHugePages_Total:       0\n"
    assert figures.meminfo(text) == {"MemTotal": 1000, "SUnreclaim": 77, "HugePages_Total": 0}


def block(**more: str) -> str:
    return "\n".join(f"{key}={value}" for key, value in {"Id": "3", "Name": "root", "Class": "user", "State": "active", "TTY": "pts/0", **more}.items())


@pytest.mark.parametrize(("shown", "count"), [
    (block(), 1), (block(State="online"), 1), (block(State="closing"), 0), (block(Class="manager"), 0), (block(Class="greeter"), 0), (block(Id="7"), 0),
    (block(Class="user-early"), 1), (block(Class="user-light"), 1), (block(Class="manager-early"), 0), (block(Class="background"), 0),
    (block() + "\n\n" + block(Id="4", Name="taro", RemoteHost="10.0.0.9"), 2), ("", 0),
])
def test_who_is_logged_in(shown, count):
    assert len(figures.sessions(shown, "7")) == count


def test_the_own_session():
    assert figures.own_session("0::/user.slice/user-0.slice/session-12.scope\n") == "12"
    assert figures.own_session("0::/system.slice/sabakan-reboot.service\n") == ""


def test_listeners_without_those_by_chance():
    text = "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\nLISTEN 0 5 [::1]:6379 [::]:*\nLISTEN 0 5 127.0.0.1:40123 0.0.0.0:*\nLISTEN 0 5 *:443 *:*\n"
    assert figures.listeners(text, 32768) == ["*:443", "0.0.0.0:22", "[::1]:6379"]


WELL = {"failed": [], "running": ["ssh.service", "redis-server.service"], "listening": ["0.0.0.0:22", "127.0.0.1:6379"]}


@pytest.mark.parametrize(("after", "ignored", "worse"), [
    (WELL, [], []),
    ({**WELL, "running": [*WELL["running"], "new.service"], "listening": [*WELL["listening"], "*:80"]}, [], []),
    ({**WELL, "failed": ["redis-server.service"], "running": ["ssh.service"], "listening": ["0.0.0.0:22"]}, [],
     ["redis-server.service has failed", "nothing listens on 127.0.0.1:6379"]),
    ({**WELL, "running": ["ssh.service"]}, [], ["redis-server.service does not run"]),
    ({**WELL, "running": ["ssh.service"], "listening": ["0.0.0.0:22"]}, ["redis*", "*:6379"], []),
    ({**WELL, "failed": ["mnt.mount"]}, [], ["mnt.mount has failed"]),
])
def test_what_is_worse_after_a_boot(after, ignored, worse):
    assert health.differences(WELL, after, ignored) == worse


def test_what_had_failed_before_is_no_regression():
    assert health.differences({**WELL, "failed": ["old.service"]}, {**WELL, "failed": ["old.service"]}, []) == []


def test_a_service_has_time_to_come_up_and_no_more():
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def look() -> health.State:
        if now[0] < 4:
            raise OSError("systemd does not answer yet")
        return WELL if now[0] >= 20 else {**WELL, "listening": []}

    assert health.await_health(WELL, [], 60, look, lambda: now[0], sleep) == [] and now[0] == 22
    now[0] = 0.0
    assert len(health.await_health(WELL, [], 10, look, lambda: now[0], sleep)) == 2
    now[0] = 0.0
    assert "not known" in health.await_health(WELL, [], 2, look, lambda: now[0], sleep)[0]


def test_services_that_are_expected_to_run():
    def shown(name: str, sub: str, state: str) -> str:
        return f"Id={name}\nSubState={sub}\nUnitFileState={state}"

    text = "\n\n".join([shown("a.service", "running", "enabled"), shown("b.service", "exited", "enabled"), shown("c.service", "running", "static"),
                        shown("d.service", "running", "disabled"), shown("e.service", "running", "transient"), shown("f.service", "running", "")])
    assert health.running(text) == ["a.service", "d.service"]
