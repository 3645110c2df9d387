"""The same conditions: the linter has named them, and the gate reboots once and stays."""

from __future__ import annotations

import json
import time

import pytest

NAMES = ["stamp", "clock", "wanted"]
BOOT = 600  # seconds at most; about 25 on a quiet machine
TURN = 3 * 3600 + 30 * 60
CAUSES = {"stamp": {"persistent", "stamp_not_kept"}, "clock": {"no_time_sync"}, "wanted": {"wanted_at_boot", "enabled_oneshot"}}


def status(host):
    """Once the boot is verified."""
    return json.loads(host.run("sabakan-reboot status --json --await 200").stdout)


def ended(host, count=1):
    """The gate's service, after as many ends of its runs in this boot."""
    deadline = time.monotonic() + 2 * BOOT
    while time.monotonic() < deadline:
        lines = host.run("journalctl -b -u sabakan-reboot.service -o cat | grep '^sabakan-reboot: '").stdout.splitlines()
        if len(lines) >= count:
            return lines
        time.sleep(2)
    raise AssertionError(f"{count} runs of the gate awaited")


class Story:
    def __init__(self, machines, fleet, seconds):
        self.machines, self.fleet = machines, fleet
        self.clock = time.strftime("2026-07-14T%H:%M:%S", time.gmtime(TURN - seconds))
        self.found = {}

    def begin(self, name, on_reboot):
        machine = self.machines[name]
        self.machines.power_off(name)
        self.machines.kernel_arguments(name, "")
        machine.start(clock=self.clock, on_reboot=on_reboot)
        machine.await_ssh(BOOT)
        return machine, machine.boots

    def stamp(self):
        """At its turn it reboots; in the next boot the turn is over."""
        machine, before = self.begin("stamp", "again")
        machine.await_boots(before + 1, 2 * BOOT)
        machine.await_ssh(BOOT)
        self.found["stamp"] = {"status": status(self.fleet["stamp"]), "reboots": machine.boots - before}

    def wanted(self):
        """A service that runs only because somebody started it will be missing after the boot."""
        machine, before = self.begin("wanted", "again")
        self.fleet["wanted"].check_output("systemctl start forgotten.service")
        at_boot = ended(self.fleet["wanted"])
        machine.await_boots(before + 1, 2 * BOOT)
        machine.await_ssh(BOOT)
        again = ended(self.fleet["wanted"])
        self.found["wanted"] = {"status": status(self.fleet["wanted"]), "reboots": machine.boots - before, "at_boot": at_boot, "again": again}

    def clock_put_back(self):
        """Its turn comes in every boot: the first is in the budget, the second disarms it, the third is none."""
        machine, dummy = self.begin("clock", "exit")
        machine.await_exit(2 * BOOT)
        machine.start(clock=self.clock, on_reboot="exit")
        machine.await_ssh(BOOT)
        lines = ended(self.fleet["clock"])
        self.found["clock"] = {"status": status(self.fleet["clock"]), "reboots": 1, "lines": lines, "runs": machine.running}


@pytest.fixture(scope="module")
def story(machines, fleet):
    taken = int(fleet["clock"].check_output("systemctl show -P ActiveEnterTimestampMonotonic multi-user.target")) / 1e6
    made = Story(machines, fleet, int(2 * taken + 30))
    machines.together(made.stamp, made.clock_put_back, made.wanted)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_has_named_the_cause(fleet, name):
    audit = json.loads(fleet[name].file("/root/audit.json").content_string)
    assert [one["how"] for one in audit["timers"]] == ["systemctl reboot"]
    findings = {one["kind"]: one for one in audit["findings"]}
    assert CAUSES[name] <= findings.keys()
    assert all(findings[kind]["instead"] and findings[kind]["lines"] for kind in CAUSES[name])
    assert ("persistent" in findings) is (name == "stamp")


@pytest.mark.parametrize("name", NAMES)
def test_it_reboots_once_and_stays(story, name):
    found = story.found[name]
    assert (found["reboots"], found["status"]["pending"]) == (1, None)
    assert story.machines[name].running


def test_it_came_back_healthy_where_nothing_is_missing(story):
    found = story.found["stamp"]["status"]
    assert found["armed"] and found["last"]["event"] == "verified"


def test_the_spent_budget_disarms_it_masks_the_timer_and_tells(story, fleet):
    found = story.found["clock"]
    assert not found["status"]["armed"] and "the budget is spent" in found["lines"][-1]
    assert fleet["clock"].check_output("systemctl is-enabled sabakan-reboot.timer || true") == "masked"
    assert "budget: 1 reboots" in fleet["clock"].file("/var/mail.log").content_string


def test_a_start_at_boot_is_refused(story):
    for lines in (story.found["wanted"]["at_boot"], story.found["wanted"]["again"]):
        assert "trigger: started by something else than a timer" in lines[0]


def test_a_service_that_does_not_come_back_is_told_and_no_further_reboot_happens(story, fleet):
    found = story.found["wanted"]["status"]
    assert not found["armed"] and found["last"]["worse"] == ["forgotten.service does not run"]
    assert "forgotten.service does not run" in fleet["wanted"].file("/var/mail.log").content_string
    assert fleet["wanted"].run("sabakan-reboot run --now").rc == 11


BREAKS = {
    "the journal is corrupt": ("sed -i 's/armed/named/' /var/lib/sabakan/reboot/journal", "has another checksum"),
    "the journal is gone": ("rm /var/lib/sabakan/reboot/journal", "No such file"),
    "the disk is full": ("truncate -s 1M /root/small && mkfs.ext4 -qF /root/small && mount /root/small /var/lib/sabakan/reboot"
                         " && cp -a /root/kept/. /var/lib/sabakan/reboot; dd if=/dev/zero of=/var/lib/sabakan/reboot/fill 2>/dev/null; true",
                         "No space left"),
    "the disk is read-only": ("mount --bind /var/lib/sabakan/reboot /var/lib/sabakan/reboot && mount -o remount,ro,bind /var/lib/sabakan/reboot",
                              "Read-only file system"),
    "the disk forgets": ("mount -t tmpfs none /var/lib/sabakan/reboot && cp -a /root/kept/. /var/lib/sabakan/reboot", "is on tmpfs"),
    "the program fails": ("echo 'raise RuntimeError' >> /usr/local/lib/sabakan/sabakan_reboot/host.py", "RuntimeError"),
    "the settings are broken": ("echo '{' > /etc/sabakan/reboot.json", "nothing is rebooted"),
}
KEEP = "rm -rf /root/kept /root/program && cp -a /var/lib/sabakan/reboot /root/kept && cp -a /usr/local/lib/sabakan/sabakan_reboot /root/program && cp /etc/sabakan/reboot.json /root/"
MEND = ("while umount /var/lib/sabakan/reboot 2>/dev/null; do :; done; cp -a /root/kept/. /var/lib/sabakan/reboot; "
        "cp -a /root/program/. /usr/local/lib/sabakan/sabakan_reboot; cp /root/reboot.json /etc/sabakan/")


@pytest.mark.parametrize("name", BREAKS)
def test_a_gate_that_cannot_rely_on_itself_does_not_reboot(story, fleet, name):
    host, boots = fleet["stamp"], story.machines["stamp"].boots
    command, said = BREAKS[name]
    host.check_output(KEEP)
    assert host.run("sabakan-reboot check --now").rc == 0, "it would reboot otherwise"
    try:
        host.check_output(command)
        refused = host.run("sabakan-reboot run --now")
        assert refused.rc not in (0, 10, 11) and said in refused.stderr
    finally:
        host.check_output(MEND)
    assert story.machines["stamp"].boots == boots and host.run("systemctl is-system-running").stdout.strip() != "stopping"
