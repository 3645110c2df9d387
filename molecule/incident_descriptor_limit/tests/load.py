"""The load of both halves: the same clients, connections and seconds."""

import json
import re

CONNECTIONS = 200
WEBSOCKETS = 300
WRK = f"cd /tmp && wrk --threads 1 --connections {CONNECTIONS} --duration 5s --timeout 30s --script /usr/local/share/objects.lua http://127.0.0.1:8081"


def media(host):
    """What came of the requests to nginx: answers, not_200, broken, timed_out, p99_ms."""
    return json.loads(host.check_output(WRK).splitlines()[-1])


def websockets(host, address):
    """What came of the websockets to streaming: asked, open, hung_up."""
    return json.loads(host.check_output("python3 /usr/local/share/websockets.py %s 4000 --count %s", address, str(WEBSOCKETS)))


def in_force(host, unit):
    """Soft and hard limit of each process of a unit, as the kernel has them."""
    # By the processes' own account: where the control groups are mounted differs between the releases. Its name is no pattern: it has backslashes.
    text = host.check_output(
        "group=$(systemctl show -P ControlGroup %s); test -n \"$group\"; for file in $(grep -lFs \":$group\" /proc/[0-9]*/cgroup);"
        " do grep '^Max open files' ${file%%cgroup}limits; done", unit,
    )
    return {tuple(int(number) for number in re.findall(r"\d+", line)) for line in text.splitlines()}


def claimed(host, unit):
    """What systemd says that the limit is."""
    return int(host.check_output("systemctl show -P LimitNOFILE %s", unit))
