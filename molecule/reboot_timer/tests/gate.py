"""The gate of a host, as an operator calls it; and its settings, changed without the role."""

from __future__ import annotations

HOSTS = ["reboot-13", "reboot-12"]
CHANGE = """python3 - <<'END'
import json
path = '/etc/sabakan/reboot.json'
settings = {**json.load(open(path)), **%r}
open(path, 'w').write(json.dumps(settings))
END"""
KEEP = "cp -a /etc/sabakan/reboot.json /root/; cp -a /var/lib/sabakan/reboot/journal /root/"
MEND = ("rm -rf /run/rebooted /run/backup /run/drained /etc/systemd/system/sabakan-reboot.timer.d /var/lib/sabakan/reboot/requested; "
        "sabakan-reboot arm >/dev/null 2>&1; cp -a /root/reboot.json /etc/sabakan/; cp -a /root/journal /var/lib/sabakan/reboot/; "
        "systemctl daemon-reload; systemctl restart sabakan-reboot.timer; systemctl reset-failed 'sabakan-reboot*' || true")


def run(host, *words):
    return host.run(f"sabakan-reboot run --now {' '.join(words)}")
