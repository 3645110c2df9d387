# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module with a systemctl of the test's own: what it asks for, and how it reads the answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.sabakan.vps.plugins.modules import timer_audit_info


class Ended(Exception):
    pass


class Module:
    """Stands in for AnsibleModule."""

    def __init__(self, units, enabled=(1, "disabled\n")):
        self.units, self.enabled, self.asked = units, enabled, []

    def __call__(self, **dummy):
        return self

    def get_bin_path(self, name, required=False):
        return f"/bin/{name}"

    def run_command(self, words):
        self.asked.append(words[1])
        if words[1] == "is-enabled":
            return (*self.enabled, "")
        kind = next((word.partition("=")[2] for word in words if word.startswith("--type=")), "")
        if words[1] == "list-unit-files":
            return 0, "".join(f"{name} static -\n" for name in [*self.units, "template@.timer"] if name.endswith(kind)), ""
        if words[1] == "list-units":
            return 0, "", ""
        names = words[words.index("--") + 1:]
        return 0, "\n\n".join("\n".join([f"Id={name}", f"Names={name}", *self.units[name]]) for name in names) + "\n", ""

    def fail_json(self, **answer):
        raise Ended(json.dumps(answer))

    def exit_json(self, **answer):
        self.answer = answer


@pytest.fixture
def story(tmp_path):
    timer, service, more = tmp_path / "daily.timer", tmp_path / "daily.service", tmp_path / "more.conf"
    timer.write_text("[Timer]\nOnCalendar=*-*-* 3:30:00\nPersistent=true\n")
    service.write_text("[Service]\nExecStart=/bin/true\n")
    more.write_text(f"[Service]\nExecStart={tmp_path}/nightly\n")
    (tmp_path / "nightly").write_text("#!/bin/sh\nreboot\n")
    return {
        "daily.timer": [f"FragmentPath={timer}", "Persistent=yes", "Triggers=daily.service", "UnitFileState=enabled"],
        "daily.service": [f"FragmentPath={service}", f"DropInPaths={more}", "Type=oneshot", "UnitFileState=enabled", "WantedBy=multi-user.target"],
    }


def test_the_story_through_a_drop_in_and_a_script(story, monkeypatch, tmp_path):
    module = Module(story)
    monkeypatch.setattr(timer_audit_info, "AnsibleModule", module)
    monkeypatch.setattr(timer_audit_info, "stamps_trouble", lambda: "")
    timer_audit_info.main()
    assert module.answer["timers"] == [
        {"timer": "daily.timer", "service": "daily.service", "how": f"{tmp_path}/nightly:2: reboot", "guarded": "no"}]
    assert {one["kind"] for one in module.answer["findings"]} == {"persistent", "no_time_sync", "wanted_at_boot", "enabled_oneshot"}
    assert module.answer["changed"] is False and "start" not in module.asked


def test_a_host_that_waits_for_its_clock(story, monkeypatch):
    module = Module(story, (0, "enabled\n"))
    monkeypatch.setattr(timer_audit_info, "AnsibleModule", module)
    timer_audit_info.main()
    assert "no_time_sync" not in {one["kind"] for one in module.answer["findings"]}


def test_a_systemctl_that_fails_is_no_clean_host(monkeypatch):
    module = Module({})
    module.run_command = lambda words: (1, "", "Failed to connect to bus")
    monkeypatch.setattr(timer_audit_info, "AnsibleModule", module)
    with pytest.raises(Ended, match="Failed to connect to bus"):
        timer_audit_info.main()


@pytest.mark.parametrize(("content", "expected"), [(b"#!/bin/sh\nreboot\n", "#!/bin/sh\nreboot\n"), (b"\x7fELF\0reboot", None), (b"caf\xe9", "caf\ufffd")])
def test_scripts_are_read_and_binaries_are_not(tmp_path, content, expected):
    (tmp_path / "x").write_bytes(content)
    assert timer_audit_info.text_of(str(tmp_path / "x")) == expected


def test_what_is_not_there_is_not_read(tmp_path):
    assert timer_audit_info.text_of(str(tmp_path / "x")) is None
    assert timer_audit_info.text_of(str(tmp_path)) is None


def test_what_would_have_to_be_waited_for_is_not_read(tmp_path):
    """A timer's service may feed a shell from a pipe, as by `. /dev/stdin`."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    script = "import sys; from ansible_collections.sabakan.vps.plugins.modules import timer_audit_info as m; print([m.text_of(p) for p in sys.argv[1:]])"
    names = [str(tmp_path / "pipe"), str(tmp_path / "loop"), "/dev/stdin", "/dev/zero"]
    ended = subprocess.run([sys.executable, "-c", script, *names], stdin=subprocess.PIPE, capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "[None, None, None, None]\n"


def test_stamps_that_could_not_be_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(timer_audit_info.timer_audit, "STAMPS", str(tmp_path))
    assert timer_audit_info.stamps_trouble() == ""

    def refuse(**dummy):
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(timer_audit_info.tempfile, "TemporaryFile", refuse)
    assert "Read-only file system" in timer_audit_info.stamps_trouble()
