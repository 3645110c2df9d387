"""Runs on a test host, by `python3 -`: its services as they are, and the memory of all processes, as JSON.

{services: [{unit, state, processes, restarts, nofile}], pss: bytes}; nofile is the least soft limit of the processes.
"""

import glob
import json
import re
import subprocess

OURS = re.compile(r"^(puma|mastodon|postgresql@|pgbouncer|redis|swift|haproxy|nginx|object-storage-tls)[\w@.\\-]*\.service$")


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def number(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    return int(match.group(1)) if match else 0


def services():
    listed = subprocess.run(
        ["systemctl", "list-units", "--type=service", "--all", "--plain", "--no-legend"], capture_output=True, text=True, check=False,
    ).stdout.split("\n")
    units = sorted(line.split()[0] for line in listed if line.strip() and OURS.match(line.split()[0]))
    groups = {}
    for path in glob.glob("/proc/[0-9]*/cgroup"):
        for unit in {part for line in read(path).splitlines() for part in line.split("/")} & set(units):
            groups.setdefault(unit, []).append(path.split("/")[2])
    for unit in units:
        shown = subprocess.run(
            ["systemctl", "show", unit, "-p", "ActiveState,SubState,NRestarts"], capture_output=True, text=True, check=False,
        ).stdout
        state = dict(line.split("=", 1) for line in shown.split() if "=" in line)
        if state["ActiveState"] == "inactive":
            continue
        processes = groups.get(unit, [])
        limits = [number(r"^Max open files\s+(\d+)", read(f"/proc/{pid}/limits")) for pid in processes]
        yield {
            "unit": unit, "state": f"{state['ActiveState']} ({state['SubState']})", "processes": len(processes),
            "restarts": int(state.get("NRestarts") or 0), "nofile": min(limits, default=0),
        }


def pss():
    return 1024 * sum(number(r"^Pss:\s+(\d+)", read(path)) for path in glob.glob("/proc/[0-9]*/smaps_rollup"))


print(json.dumps({"services": list(services()), "pss": pss()}))
