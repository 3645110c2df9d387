"""The playbook over both hosts. A boot is here another boot_id, and the verification that follows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate import CHANGE, HOSTS

PLAYBOOK = str(Path(__file__).resolve().parents[3] / "playbooks" / "reboot.yml")
BOOT = """cat > /usr/local/sbin/boot <<'END'
#!/bin/sh
touch /run/rebooted
test ! -e /run/broken || systemctl stop fragile.service
cat /proc/sys/kernel/random/uuid > /run/boot_id
systemctl start --no-block sabakan-reboot-verify.service
END
chmod +x /usr/local/sbin/boot
printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/fragile.service
systemctl daemon-reload; systemctl start fragile.service
cat /proc/sys/kernel/random/boot_id > /run/boot_id && mount --bind /run/boot_id /proc/sys/kernel/random/boot_id"""
# As at each boot, the clock is looked at.
UNDO = """rm -f /run/broken; umount /proc/sys/kernel/random/boot_id; systemctl stop fragile.service; rm /etc/systemd/system/fragile.service
sabakan-reboot verify"""


@pytest.fixture
def hosts(fleet, kept):
    with kept(HOSTS[0]), kept(HOSTS[1]):
        for name in HOSTS:
            fleet[name].check_output(BOOT)
            fleet[name].check_output(CHANGE % {"command": ["/usr/local/sbin/boot"], "health_timeout": 10})
        yield [fleet[name] for name in HOSTS]
        for name in HOSTS:
            fleet[name].run(UNDO)


def reboot(ansible):
    return ansible("ansible-playbook", PLAYBOOK, "--extra-vars", "reboot_hosts=all reboot_reason=please")


def test_it_takes_one_host_after_the_other(hosts, ansible):
    done = reboot(ansible)
    assert done.returncode == 0, done.text
    verified, ordered = hosts[0].file("/var/lib/sabakan/reboot/journal"), hosts[1].file("/run/rebooted")
    assert '"verified"' in verified.content_string.splitlines()[-1] and verified.mtime <= ordered.mtime


def test_it_stops_at_the_first_that_does_not_come_back_healthy(hosts, ansible):
    hosts[0].check_output("touch /run/broken")
    done = reboot(ansible)
    assert done.returncode and "fragile.service does not run" in done.text
    assert hosts[0].file("/run/rebooted").exists and not hosts[1].file("/run/rebooted").exists


def test_it_stops_at_the_first_whose_gate_says_no(hosts, ansible):
    hosts[0].check_output("touch /run/backup")
    done = reboot(ansible)
    assert done.returncode and "reboot-13: no, held back by blocker backup" in done.text
    assert not any(host.file("/run/rebooted").exists for host in hosts)
