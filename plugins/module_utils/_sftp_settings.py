# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of an SFTP server beside its users: read, and what is wrong with them. Nothing here touches a host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.sabakan.vps.plugins.module_utils._plan import integer, sequence
from ansible_collections.sabakan.vps.plugins.module_utils._sftp_users import prefix, truth

WHOLE = ("memory", "memory_swap", "memory_target", "readers", "writers", "mounts", "host_memory", "host_swap", "host_reserve", "cgroup",
         "probe_interval", "probe_timeout", "backoff_max")


def read_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the variables beside the users; templates give numbers as text on some versions of Ansible."""
    if not isinstance(given, Mapping):
        raise ValueError(f"the settings of the plan must be a mapping of sftp_s3 variables, not {given!r}")
    settings = {"on_truncated": "record", "driver_signers": [], "architecture": "", **given}
    signers = settings["driver_signers"] or []
    if not isinstance(signers, list) or not all(isinstance(one, Mapping) and {"since", "fingerprint"} <= set(one) for one in signers):
        raise ValueError(f"sftp_s3_driver_signers {settings['driver_signers']!r}: each has since (a version) and fingerprint.")
    least = {"memory": 1, "memory_swap": 1, "readers": 0, "probe_interval": 1, "probe_timeout": 1, "backoff_max": 1}
    for name in WHOLE:
        settings[name] = integer(given.get(name), f"sftp_s3_{name}", least.get(name, 0))
    settings["swappiness"] = integer(given.get("swappiness"), "sftp_s3_mem_swappiness", -1)
    settings["path_style"] = truth(given.get("path_style"), "sftp_s3_path_style")
    for name in ("endpoint", "region", "ca_certificate", "access_key", "secret_key", "driver_version", "driver_url", "quarantine_prefix",
                 "architecture"):
        settings[name] = str(given.get(name) or "").strip()
    settings["driver_options"] = [str(word) for word in sequence(given.get("driver_options"), "sftp_s3_driver_options")]
    return settings


def wrong_options(driver: Mapping[str, Any], options: Sequence[str]) -> list[str]:
    """What is wrong with the words that are added to a driver's command: nothing may be said twice, or be none."""
    nested = [item["words"] if isinstance(item, Mapping) else [item] for item in driver["command"]]
    words = [str(word) for item in nested for word in item if str(word).startswith("--")]
    # A constant of the driver's, as --timeout=60s, may be said again: the last one counts.
    own = {word.split("=")[0] for word in words if "=" not in word or "{" in word}
    twice = [word for word in options if word.split("=")[0] in own]
    errors = [f"sftp_s3_driver_options: {word} is set by the role itself." for word in twice]
    if any(not word or set("\n\0") & set(word) for word in options):
        errors.append("sftp_s3_driver_options: one of the words is empty or of more than one line.")
    return errors


def wrong_settings(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the variables beside the users and the memory."""
    errors = []
    endpoint = settings["endpoint"]
    if endpoint and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", endpoint):
        errors.append(f"sftp_s3_endpoint {endpoint!r}: expected https://NAME or https://NAME:PORT, or nothing for Amazon's own.")
    if not settings["region"]:
        errors.append("sftp_s3_region is empty: requests are signed for a region.")
    try:
        if not prefix(settings["quarantine_prefix"], "sftp_s3_quarantine_prefix") and settings["on_truncated"] != "record":
            errors.append("sftp_s3_quarantine_prefix is empty: truncated uploads would stay where they are.")
    except ValueError as error:
        errors.append(str(error))
    if settings["swappiness"] >= 0 and settings["cgroup"] == 2:
        errors.append(
            f"sftp_s3_mem_swappiness {settings['swappiness']} does nothing on this host: it has cgroup v2, where Docker discards it. Leave"
            " it at -1 and set the host's vm.swappiness (swap_swappiness of role swap); how much swap there is for the container says"
            " sftp_s3_memory_swap."
        )
    elif settings["swappiness"] > 100:
        errors.append(f"sftp_s3_mem_swappiness {settings['swappiness']} is outside of 0 to 100 (-1: the host's own).")
    return errors
