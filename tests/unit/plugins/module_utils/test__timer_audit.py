# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _timer_audit as timer_audit

SERVICE = "[Unit]\nDescription=Daily Reboot\n[Service]\nType=oneshot\nExecStart=/sbin/systemctl reboot\n[Install]\nWantedBy=multi-user.target\n"
TIMER = "[Unit]\nDescription=Reboot daily\n[Timer]\nOnCalendar=*-*-* 3:30:00\nPersistent=true\n[Install]\nWantedBy=timers.target\n"
SYNCED = timer_audit.Host(1000.0, waits_for_sync=True)


def unit(name, text, *drop_ins, **more):
    files = ((f"/etc/systemd/system/{name}", text), *((f"/etc/systemd/system/{name}.d/{n}.conf", one) for n, one in enumerate(drop_ins)))
    return timer_audit.Unit(name, files, **more)


def audit(timer, service, host=SYNCED, others=(), **more):
    units = {one.name: one for one in [unit("daily.service", service, **{"type": "oneshot", **more}), *others]}
    return timer_audit.audit([timer], units, {}.get, host)


def kinds(*arguments, **more):
    return {finding.kind for finding in audit(*arguments, **more)[1]}


def timer(text=TIMER, *drop_ins, **more):
    return unit("daily.timer", text, *drop_ins, **{"triggers": ("daily.service",), **more})


PLAIN_TIMER = TIMER.replace("Persistent=true\n", "")
PLAIN_SERVICE = SERVICE.partition("[Install]")[0]
GUARDED_SERVICE = PLAIN_SERVICE.replace("systemctl reboot", "sabakan-reboot run")


def test_the_storys_two_files_with_the_lines_and_what_to_write():
    host = timer_audit.Host(1000.0, waits_for_sync=False, stamps_trouble="nothing can be written in /var/lib/systemd/timers: Read-only file system")
    rebooting, findings = audit(timer(persistent=True), SERVICE, host, wanted_by=("multi-user.target",), state="enabled")
    assert rebooting == [{"timer": "daily.timer", "service": "daily.service", "how": "systemctl reboot", "guarded": "no"}]
    found = {finding.kind: finding for finding in findings}
    assert found.keys() == {"persistent", "stamp_not_kept", "no_time_sync", "wanted_at_boot", "enabled_oneshot"}
    assert found["persistent"].lines == ["/etc/systemd/system/daily.timer:5: Persistent=true"]
    assert found["no_time_sync"].lines == ["/etc/systemd/system/daily.timer:4: OnCalendar=*-*-* 3:30:00"]
    assert found["wanted_at_boot"].lines == ["/etc/systemd/system/daily.service:7: WantedBy=multi-user.target"]
    assert "Read-only" in found["stamp_not_kept"].summary
    assert all(finding.instead and finding.severity == "loops" for finding in findings)


@pytest.mark.parametrize(("given", "expected"), [
    ({"timer": timer(PLAIN_TIMER), "service": PLAIN_SERVICE}, set()),
    ({"timer": timer(PLAIN_TIMER), "service": SERVICE}, {"installable"}),
    ({"timer": timer(TIMER), "service": PLAIN_SERVICE}, {"persistent"}),
    ({"timer": timer(TIMER, "[Timer]\nPersistent=false\n"), "service": PLAIN_SERVICE}, set()),
    ({"timer": timer(PLAIN_TIMER, "[Timer]\nPersistent=yes\n"), "service": PLAIN_SERVICE}, {"persistent"}),
    ({"timer": timer(TIMER.replace("true", "1")), "service": PLAIN_SERVICE}, {"persistent"}),
    ({"timer": timer(PLAIN_TIMER, stamp=5000.0), "service": PLAIN_SERVICE}, {"stamp_in_future"}),
    ({"timer": timer(PLAIN_TIMER, stamp=1030.0), "service": PLAIN_SERVICE}, set()),
    ({"timer": timer("[Timer]\nOnBootSec=15min\n"), "service": PLAIN_SERVICE}, {"counts_from_boot"}),
    ({"timer": timer("[Unit]\nRequires=daily.service\n" + PLAIN_TIMER), "service": PLAIN_SERVICE}, {"timer_pulls_service"}),
    ({"timer": timer("[Unit]\nWants=daily.service other.service\n" + PLAIN_TIMER), "service": PLAIN_SERVICE}, {"timer_pulls_service"}),
    ({"timer": timer("[Unit]\nWants=other.service\n" + PLAIN_TIMER), "service": PLAIN_SERVICE}, set()),
    ({"timer": timer(PLAIN_TIMER), "service": PLAIN_SERVICE, "wanted_by": ("getty.target",)}, {"wanted_at_boot"}),
    ({"timer": timer(PLAIN_TIMER), "service": PLAIN_SERVICE, "wanted_by": ("daily.timer",)}, {"wanted_at_boot"}),
    ({"timer": timer(PLAIN_TIMER), "service": SERVICE.replace("multi-user.target", "daily.timer"), "wanted_by": ("daily.timer",), "type": "simple"},
     {"wanted_at_boot"}),
    ({"timer": timer("[Unit]\nWants=daily.service\n" + PLAIN_TIMER), "service": PLAIN_SERVICE, "wanted_by": ("daily.timer",)}, {"timer_pulls_service"}),
    ({"timer": timer(PLAIN_TIMER), "service": SERVICE, "state": "enabled"}, {"enabled_oneshot"}),
    ({"timer": timer(PLAIN_TIMER), "service": PLAIN_SERVICE, "host": timer_audit.Host(1000.0, False)}, {"no_time_sync"}),
    ({"timer": timer("[Timer]\nOnUnitActiveSec=1d\n"), "service": PLAIN_SERVICE, "host": timer_audit.Host(1000.0, False)}, set()),
    ({"timer": timer(PLAIN_TIMER), "service": GUARDED_SERVICE, "host": timer_audit.Host(1000.0, False, "x")}, set()),
    ({"timer": timer(TIMER), "service": "[Service]\nExecStart=/bin/true\n" + SERVICE.partition("WantedBy")[0].partition("[Install]")[2]}, set()),
])
def test_what_can_loop(given, expected):
    assert kinds(given.pop("timer"), given.pop("service"), **given) == expected


@pytest.mark.parametrize(("service", "others"), [
    ("[Service]\nExecStart=/bin/true\nExecStartPost=-/sbin/reboot\n", ()),
    ("[Service]\nExecStart=/bin/true ; /sbin/reboot\n", ()),
    ("[Unit]\nSuccessAction=reboot\n[Service]\nExecStart=/bin/true\n", ()),
    ("[Unit]\nFailureAction=poweroff-force\n[Service]\nExecStart=/bin/false\n", ()),
    ("[Unit]\nOnSuccess=then.service\n[Service]\nExecStart=/bin/true\n", (unit("then.service", SERVICE),)),
    ("[Unit]\nWants=reboot.target\n[Service]\nExecStart=/bin/true\n", ()),
    ("[Service]\nExecStart=/bin/systemctl start then\n", (unit("then.service", SERVICE),)),
    ("[Service]\nExecStart=/bin/sh -c \\\n  'systemctl reboot'\n", ()),
])
def test_ways_of_a_service_to_reboot(service, others):
    assert audit(timer(), service, others=others)[0]


@pytest.mark.parametrize(("service", "others"), [
    ("[Service]\nExecStart=/sbin/reboot\nExecStart=\nExecStart=/bin/true\n", ()),
    ("[Unit]\nOnFailure=then.service\n[Service]\nExecStart=/bin/true\n", (unit("then.service", "[Service]\nExecStart=/bin/true\n"),)),
    ("[Unit]\nOnSuccess=daily.service\n[Service]\nExecStart=/bin/true\n", ()),
    ("[Unit]\nFailureAction=reboot\nFailureAction=\n[Service]\nExecStart=/bin/true\n", ()),
    ("", ()),
])
def test_services_that_do_not_reboot(service, others):
    assert audit(timer(), service, others=others) == ([], [])


def test_a_timer_may_trigger_a_target_or_what_is_not_there():
    assert timer_audit.audit([dataclasses.replace(timer(), triggers=("reboot.target",))], {}, {}.get, SYNCED)[0]
    assert timer_audit.audit([dataclasses.replace(timer(), triggers=("gone.service",))], {}, {}.get, SYNCED)[0] == []


@pytest.mark.parametrize("service", [
    "[Service]\nExecStartPre=/usr/local/sbin/sabakan-reboot run\nExecStart=/sbin/reboot\n",
    "[Unit]\nFailureAction=reboot\n[Service]\nExecStart=/usr/local/sbin/sabakan-reboot run\n",
])
def test_a_reboot_beside_the_gate_is_not_guarded(service):
    assert [one["guarded"] for one in audit(timer(), service)[0]] == ["no"]
    assert "persistent" in kinds(timer(), service)
