"""playbooks/reboot.yml over the same machines: one real reboot after the other, and none after one that is not well."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

PLAYBOOK = str(Path(__file__).resolve().parents[4] / "playbooks" / "reboot.yml")
ORDER = ["stamp", "wanted", "clock"]  # the inventory's


def status(host):
    return json.loads(host.run("sabakan-reboot status --json").stdout or "{}")


@pytest.fixture(scope="module")
def rebooted(machines, fleet, ansible):
    """The first comes back as it was, the second without a service, and the third would reboot, too."""
    fleet["wanted"].check_output("touch /var/once && systemctl start once.service && sabakan-reboot arm")
    fleet["clock"].check_output("sabakan-reboot arm && sabakan-reboot check --now --reason please")
    before = machines.together(machines.reboots)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(ansible, "ansible-playbook", PLAYBOOK, "--extra-vars", "reboot_hosts=all reboot_reason=please")
        while machines.reboots("wanted") == before["wanted"] and not run.done():
            time.sleep(0.5)
        meanwhile = status(fleet["stamp"])
        done = run.result()
    after = machines.together(machines.reboots)
    return SimpleNamespace(done=done, times={name: after[name] - before[name] for name in ORDER}, meanwhile=meanwhile)


def test_the_second_goes_down_when_the_first_is_back_and_healthy(rebooted):
    assert (rebooted.times["stamp"], rebooted.times["wanted"]) == (1, 1), rebooted.done.text
    assert (rebooted.meanwhile["last"]["event"], rebooted.meanwhile["reboots"]) == ("verified", 2), rebooted.meanwhile


def test_it_ends_at_the_one_that_does_not_come_back_healthy(rebooted, fleet):
    assert rebooted.done.returncode and "once.service does not run" in rebooted.done.text
    assert not status(fleet["wanted"])["armed"] and status(fleet["wanted"])["last"]["worse"] == ["once.service does not run"]


def test_the_one_after_it_is_left_alone(rebooted, machines, fleet):
    assert rebooted.times["clock"] == 0 and machines["clock"].running
    assert status(fleet["clock"])["armed"] and status(fleet["clock"])["reboots"] == 0
