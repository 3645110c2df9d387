# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel, the packages and the processes tell: parsers, apart from where the text comes from."""

from __future__ import annotations

import re
from statistics import median

Sample = tuple[float, int]  # uptime, unreclaimable slab in kB
LEAST_SAMPLES, LEAST_SPAN = 6, 3 * 3600


def version_key(version: str) -> list[tuple[int, int, str]]:
    """Numbers by value, and a tilde before the end: as Debian orders the names of its kernels."""
    parts = re.findall(r"\d+|~|[^\d~]+", version)
    return [*((2, int(part), "") if part.isdigit() else (-1, 0, "") if part == "~" else (1, 0, part) for part in parts), (0, 0, "")]


def flavour(release: str) -> str:
    """cloud-amd64 of 6.1.0-41-cloud-amd64: a host changes its version by an update, its flavour by hand."""
    found = re.search(r"-([a-z][\w-]*)$", re.sub(r"^[\d.+~-]*(?:deb\d+|rc\d+|bpo(?:\.\d+)?|\d|[.+~-])*", "-", release))
    return found.group(1) if found else ""


def pending_kernel(running: str, boot: list[str]) -> str:
    """What a reboot would bring, of the names in /boot; empty when that is what runs. Raises OSError where it could not boot."""
    installed = [name[len("vmlinuz-"):] for name in boot if name.startswith("vmlinuz-")]
    alike = [release for release in installed if flavour(release) == flavour(running)]
    newest = max(alike, key=version_key, default="")
    if not newest or version_key(newest) <= version_key(running):
        return ""
    if f"initrd.img-{newest}" not in boot and any(name.startswith("initrd.img-") for name in boot):
        raise OSError(f"kernel {newest} is installed without an initrd: it may not come up")
    return f"kernel {newest} is installed, {running} runs"


def meminfo(text: str) -> dict[str, int]:
    """kB by name."""
    return {name: int(value) for name, value in re.findall(r"^([\w()]+):\s+(\d+)(?: kB)?$", text, re.MULTILINE)}


def replaced_library(maps: str) -> bool:
    """Whether a process has code of a shared library mapped that a package has replaced since."""
    return bool(re.search(r"^\S+ ..x\S* .* (?:/usr)?/lib\S*/\S+\.so[\w.-]* \(deleted\)$", maps, re.MULTILINE))


def slope(samples: list[Sample]) -> float | None:
    """kB a second, as the median of all slopes between two samples (Theil and Sen): single leaps and lulls do not carry it."""
    if len(samples) < LEAST_SAMPLES or samples[-1][0] - samples[0][0] < LEAST_SPAN:
        return None
    pairs = [(b[1] - a[1]) / (b[0] - a[0]) for n, a in enumerate(samples) for b in samples[n + 1:] if b[0] > a[0]]
    return median(pairs) if pairs else None


def sessions(text: str, own: str) -> list[str]:
    """Users of `loginctl show-session` blocks, without this process' own session and those that only linger."""
    found = []
    for block in text.split("\n\n"):
        shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        # user-early is root's since systemd 256.
        if shown.get("Class", "").startswith("user") and shown.get("State") in ("active", "online") and shown.get("Id") != own:
            found.append(f"{shown.get('Name')} ({shown.get('TTY') or shown.get('Service') or 'session ' + str(shown.get('Id'))}"
                         + (f" from {shown['RemoteHost']}" if shown.get("RemoteHost") else "") + ")")
    return found


def own_session(cgroup: str) -> str:
    found = re.search(r"/session-([^/]+)\.scope", cgroup)
    return found.group(1) if found else ""


def listeners(text: str, ephemeral: int) -> list[str]:
    """Addresses of `ss -Hltn`, without those that the kernel hands out by chance."""
    found = [line.split()[3] for line in text.splitlines() if len(line.split()) >= 4]
    return sorted({one for one in found if one.rpartition(":")[2].isdigit() and int(one.rpartition(":")[2]) < ephemeral})
