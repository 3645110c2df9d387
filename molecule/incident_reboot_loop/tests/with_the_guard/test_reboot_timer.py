"""The same conditions, and a reason to reboot that never ends: the gate reboots once and stays."""

from __future__ import annotations

import json
import time

import pytest
from scene import BOOT, NAMES


def said_on_the_console(machine, text):
    """The gate's messages go there; once it is said."""
    deadline = time.monotonic() + BOOT
    while text not in machine.console:
        assert time.monotonic() < deadline and machine.running, machine.console[-1500:]
        time.sleep(0.5)


@pytest.fixture(scope="module")
def deployed(machines, fleet):
    """Before anything was started: reboots of each machine so far, and what its gate did while it was deployed."""
    return machines.together(lambda name: (machines.reboots(name), fleet[name].run("journalctl -b -u sabakan-reboot.service -o cat").stdout))


@pytest.fixture(scope="module")
def story(machines, fleet, deployed):
    """Each machine starts before its turn, and has it; then what its gate says of itself."""
    clock = machines.before_the_hour(2 * machines.taken + 20)

    def work(name):
        machine = machines[name]
        machines.cut(name)
        if name == "clock":
            machine.start(clock=clock, on_reboot="exit")
            machine.await_exit(BOOT)
            machine.start(clock=clock, on_reboot="exit")
            said_on_the_console(machine, "the budget is spent")
        else:
            before = machine.boots
            machine.start(clock=clock)
            machine.await_boots(before + 2, BOOT)
        machine.await_ssh(BOOT)
        return json.loads(fleet[name].run("sabakan-reboot status --json --await 300").stdout)

    return machines.together(work)


def gate_said(host):
    return host.check_output("journalctl -u sabakan-reboot.service -o cat | grep '^sabakan-reboot: '").splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_deploying_it_has_not_made_it_fire(deployed, name):
    assert "sabakan-reboot" not in deployed[name][1]


@pytest.mark.parametrize("name", NAMES)
def test_it_reboots_once(story, deployed, machines, name):
    assert machines.reboots(name) - deployed[name][0] == 1
    assert (story[name]["reboots"], story[name]["pending"]) == (1, None)


def test_it_came_back_healthy_where_nothing_is_missing(story):
    assert story["stamp"]["armed"] and story["stamp"]["last"]["event"] == "verified"


def test_what_a_leak_driven_reboot_wipes_out_is_kept(story, fleet):
    """Slab at one per cent is a leak here."""
    host = fleet["stamp"]
    place = host.check_output("ls -d /var/lib/sabakan/reboot/evidence/*")
    assert "slab_share: unreclaimable slab " in gate_said(host)[0] and f"evidence in {place}" in gate_said(host)[0]
    assert "dentry" in host.file(f"{place}/slabinfo").content_string and "SUnreclaim:" in host.file(f"{place}/meminfo").content_string
    assert " flapping.service" in host.file(f"{place}/restarts").content_string
    assert len(host.file(f"{place}/processes").content_string.splitlines()) >= 10


def test_the_spent_budget_disarms_it_masks_the_timer_and_tells(story, fleet):
    host = fleet["clock"]
    assert not story["clock"]["armed"] and story["clock"]["last"]["event"] == "verified"
    assert "yes, rebooting because of kernel: kernel 99.0-cloud-amd64 is installed" in gate_said(host)[0]
    assert "budget: 1 reboots" in gate_said(host)[1] and "budget: 1 reboots" in host.file("/var/mail.log").content_string
    assert host.check_output("systemctl is-enabled sabakan-reboot.timer || true") == "masked"


def test_a_start_at_boot_is_refused_in_each_boot(story, fleet):
    lines = gate_said(fleet["wanted"])
    (turn,) = [number for number, line in enumerate(lines) if "yes, rebooting because of kernel: " in line]
    # So early in a boot its clock has not been looked at yet, which is a no of its own.
    for boot in (lines[:turn], lines[turn + 1:]):
        assert any("sabakan-reboot: no, " in line for line in boot), lines
    fleet["wanted"].run("systemctl start sabakan-reboot.service")
    assert "trigger: started by something else than a timer" in gate_said(fleet["wanted"])[-1]


def test_a_service_that_does_not_come_back_is_told_and_no_further_reboot_happens(story, fleet):
    host = fleet["wanted"]
    assert not story["wanted"]["armed"] and story["wanted"]["last"]["worse"] == ["once.service does not run"]
    assert "once.service does not run" in host.file("/var/mail.log").content_string
    assert host.check_output("systemctl is-enabled sabakan-reboot.timer || true") == "masked"
    assert host.run("sabakan-reboot run --now").rc == 11


BREAKS = {
    "the journal is corrupt": ("sed -i 's/armed/named/' /var/lib/sabakan/reboot/journal", "has another checksum"),
    "the journal is gone": ("rm /var/lib/sabakan/reboot/journal", "No such file"),
    "the disk is full": ("set -e; mkfs.ext4 -qF /dev/disk/by-id/virtio-small; mount /dev/disk/by-id/virtio-small /var/lib/sabakan/reboot;"
                         " cp -a /root/kept/. /var/lib/sabakan/reboot; set +e; dd if=/dev/zero of=/var/lib/sabakan/reboot/fill 2>/dev/null",
                         "No space left"),
    "the disk is read-only": ("mount --bind /var/lib/sabakan/reboot /var/lib/sabakan/reboot && mount -o remount,ro,bind /var/lib/sabakan/reboot",
                              "Read-only file system"),
    "the disk forgets": ("mount -t tmpfs none /var/lib/sabakan/reboot && cp -a /root/kept/. /var/lib/sabakan/reboot", "is on tmpfs"),
    "the program fails": ("echo 'raise RuntimeError' >> /usr/local/lib/sabakan/sabakan_reboot/host.py", "RuntimeError"),
    "the settings are broken": ("echo '{' > /etc/sabakan/reboot.json", "nothing is rebooted"),
}
MEND = ("while umount /var/lib/sabakan/reboot 2>/dev/null; do :; done; cp -a /root/kept/. /var/lib/sabakan/reboot; "
        "cp -a /root/program/. /usr/local/lib/sabakan/sabakan_reboot; cp -a /root/reboot.json /etc/sabakan/")


@pytest.fixture(scope="module")
def would_reboot(story, fleet):
    """A gate that says yes, before and after all that is done to it."""
    host = fleet["stamp"]
    host.check_output("cp -a /var/lib/sabakan/reboot /root/kept && cp -a /usr/local/lib/sabakan/sabakan_reboot /root/program && cp -a /etc/sabakan/reboot.json /root/")
    assert host.run("sabakan-reboot check --now").rc == 0
    yield host
    assert host.run("sabakan-reboot check --now").rc == 0, "mended, it would reboot"


@pytest.mark.parametrize("name", BREAKS)
def test_a_gate_that_cannot_rely_on_itself_does_not_reboot(would_reboot, name):
    command, said = BREAKS[name]
    refused = would_reboot.run(f"{command}; sabakan-reboot run --now; code=$?; {MEND}; exit $code")
    assert refused.rc not in (0, 10, 11, 255) and said in refused.stderr
    assert would_reboot.run("systemctl list-jobs --no-legend").stdout == ""


@pytest.fixture(scope="module")
def again(story, apply):
    """The role once more: to one of them nothing has changed, the other's turn becomes a time past."""
    start = "{{ '03:29' if inventory_hostname == 'stamp' else '03:30' }}"
    return apply("reboot_timer", "--limit", "stamp,clock", "--extra-vars", json.dumps({"reboot_timer_start": start})).output


# The settings, the timer's file, and the timer that takes it.
@pytest.mark.parametrize("name, changed", [("clock", 0), ("stamp", 3)])
def test_after_the_reboot_the_role_changes_no_more_than_what_was_changed(again, name, changed):
    assert [line.split()[3:6] for line in again.splitlines() if line.startswith(f"{name} ") and " ok=" in line] == [[f"changed={changed}", "unreachable=0", "failed=0"]], again


def test_a_turn_that_is_changed_to_a_time_past_does_not_make_it_fire(again, fleet):
    host = fleet["stamp"]
    assert "OnCalendar=*-*-* 03:29:00 UTC" in host.check_output("systemctl show -P TimersCalendar sabakan-reboot.timer"), again
    assert not [line for line in gate_said(host)[1:] if "yes" in line]


@pytest.mark.parametrize("name", NAMES)
def test_in_the_end_it_has_still_rebooted_once(again, machines, fleet, deployed, name):
    """The last of these tests, minutes later."""
    assert machines.reboots(name) - deployed[name][0] == 1 and machines[name].running
    assert fleet[name].run("systemctl is-system-running").stdout.strip() != "stopping"
