# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _power_commands as commands
from hypothesis import given
from hypothesis import strategies as st

SCRIPTS = {
    "/opt/nightly": "#!/bin/sh\n# reboot would be wrong here\nset -e\nif true; then\n  /sbin/shutdown -r +1\nfi\n",
    "/opt/outer": "#!/bin/bash\n. /opt/settings\nexec /opt/nightly --now\n",
    "/opt/settings": "A=1\n",
    "/opt/tidy": "#!/bin/sh\necho 'please reboot'\nrm -f /tmp/reboot\nsystemctl restart nginx  # then reboot\n",
    "/opt/guarded": "#!/bin/sh\nexec /usr/local/sbin/sabakan-reboot run\n",
    "/opt/self": "#!/bin/sh\n/opt/self\n",
    "/opt/program.py": "#!/usr/bin/env python3\nimport os, subprocess\nsubprocess.run(['systemctl', 'reboot'])\n",
    "/opt/harmless.py": "#!/usr/bin/python3\nprint('a reboot is due')\n",
    "/opt/heredoc": "#!/bin/sh\ncat <<'X\nit's\nX\nreboot\n",
    "/opt/text": "#!/bin/sh\ncat > /etc/motd <<-'END'\nreboot\n\tEND\necho <<<reboot\n",
    "/opt/fed": "#!/bin/sh\nssh other bash -s <<END\nreboot\nEND\n",
    "/opt/after": "#!/bin/sh\ncat <<END\nreboot\nEND\nreboot\n",
    "/opt/function": "#!/bin/sh\nrestart() { systemctl reboot; }\nrestart\n",
    "/opt/sourced": "#!/bin/sh\n[ -e /run/reboot-required ] && reboot\n",
    "/opt/counts": "#!/bin/sh\n[ $# -eq 0 ] && reboot\n",
    "/opt/cuts": "#!/bin/sh\nif [ ${load#0} != ${load} ]; then reboot; fi\n",
    "/opt/sudo.py": "#!/usr/bin/python3\nimport os\nos.system('sudo reboot')\n",
    "/opt/chain.py": "#!/usr/bin/python3\nimport os\nos.system('sync && /sbin/reboot')\n",
    "/opt/told.py": "#!/usr/bin/python3\nprint('will reboot; now or later')\n",
    "/opt/later": "#!/bin/sh\nat now + 5 minutes <<END\nsystemctl reboot\nEND\n",
    "/opt/job": "sync\nreboot\n",
    "/opt/either": "#!/bin/sh\nsabakan-reboot run || systemctl reboot\n",
}


def how(line: str) -> str:
    return commands.power(commands.words_of(commands.strip_prefix(line)), SCRIPTS.get)


@pytest.mark.parametrize("line", [
    "/sbin/systemctl reboot", "-/bin/systemctl --no-block reboot", "@/sbin/reboot reboot -f", "/usr/sbin/poweroff", "halt -p",
    "systemctl -i --force poweroff", "systemctl kexec", "systemctl soft-reboot", "systemctl start reboot.target",
    "systemctl isolate runlevel6.target", "systemctl start --no-block reboot", "/sbin/shutdown -r now", "shutdown +5", "shutdown -h 03:30",
    "/sbin/init 6", "telinit 0", "kexec -e", "rtcwake -m off -s 60", "env LANG=C systemctl reboot", "A=1 B=2 reboot",
    "/usr/bin/timeout 30 /sbin/reboot", "flock -n /run/x systemctl reboot", "sudo -n -u root shutdown -r now", "nohup reboot",
    "systemd-run --on-active=5 systemctl reboot", "/bin/sh -c 'sleep 5 && systemctl reboot'", "bash -lc 'sync; /sbin/reboot'",
    "/bin/sh -c \"test -e /run/x || (reboot)\"", "/bin/sh -c 'echo b > /proc/sysrq-trigger'", "su - root -c 'systemctl reboot'",
    "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager Reboot b true",
    "dbus-send --system --print-reply --dest=org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager.PowerOff boolean:false",
    "gdbus call --system -d org.freedesktop.systemd1 -o /org/freedesktop/systemd1 -m org.freedesktop.systemd1.Manager.Reboot",
    "/opt/nightly", "/bin/sh /opt/nightly", "bash -x /opt/outer", "/opt/outer", "/opt/program.py", "/usr/bin/python3 -u /opt/program.py",
    "python3 -c 'import os; os.system(\"reboot\")'", "/opt/heredoc", "/opt/function", "/opt/sourced", "sh -c 'exec reboot'",
    "/opt/fed", "/opt/after", "bash -c 'trap reboot EXIT'", "find /run/due -exec systemctl reboot", "sh -c 'echo b | tee /proc/sysrq-trigger'",
    "/bin/bash -o pipefail -c reboot", "/bin/bash -euo pipefail -c 'sync; systemctl reboot'", "bash -c -- reboot", "bash -eo pipefail /opt/nightly",
    "systemctl --message 'kernel update' reboot", "systemctl -t service reboot", "/opt/counts", "/opt/cuts", "/opt/sudo.py", "/opt/chain.py",
    "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss reboot.target replace",
    "sh -c 'echo reboot | at now'", "bash -c 'echo \"systemctl reboot\" | sudo at -m 04:00'", "sh -c 'printf \"sync\\nreboot\\n\"|batch'",
    "/opt/later", "at -f /opt/job 5am", "at now -f/opt/job", "sh -c 'at 5am < /opt/job'", "bash -c 'at 5am <<< reboot'", "sh -c 'at 5am </opt/job'",
    "sh -c 'echo reboot | sh'", "bash -c 'echo reboot | sudo bash -s'", "sh -c 'echo \"echo reboot | at now\" | at noon'",
    "/opt/either", "sh -c 'sabakan-reboot run; reboot'",
])
def test_these_reboot_or_power_off(line):
    assert how(line) not in ("", commands.GUARDED)


@pytest.mark.parametrize("line", [
    "", "/bin/true", "systemctl restart nginx.service", "systemctl status reboot.target", "systemctl reboot --help", "shutdown -c", "shutdown -k now",
    "reboot --help", "systemctl list-jobs", "/bin/echo systemctl reboot", "init q", "kexec -l /boot/vmlinuz", "/opt/tidy", "/opt/harmless.py",
    "/opt/missing", "/opt/self", "logger 'shutdown -r now'", "/bin/sh -c", "/bin/sh -c 'echo reboot'", "grep reboot /var/log/syslog",
    "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager ListSessions", "echo b", "systemctl",
    "/usr/local/sbin/sabakan-reboot check", "systemctl reboot --when=cancel", "/opt/text",
    "systemctl --host=web-02 reboot", "systemctl -H web-02 reboot", "systemctl --machine box reboot", "systemctl -Hweb-02 reboot", "/opt/told.py",
    "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss nginx.service replace",
    "sh -c 'echo reboot | mail -s at root'", "sh -c 'echo reboot || at now'", "at -l", "at -f /opt/missing now", "sh -c 'echo reboot | bash /opt/tidy'",
    "sh -c 'echo systemctl restart nginx | at now'", "sh -c 'echo sabakan-reboot check | at now'", "sh -c 'echo reboot > /root/note; at now'",
])
def test_these_do_not(line):
    assert how(line) == ""


@pytest.mark.parametrize("line", ["/usr/local/sbin/sabakan-reboot run", "/opt/guarded", "/bin/sh -c 'sabakan-reboot run --now'"])
def test_the_gate_is_told_apart(line):
    assert how(line) == commands.GUARDED


@pytest.mark.parametrize(("line", "said"), [
    ("/opt/nightly", "/opt/nightly:5: /sbin/shutdown -r +1"),
    ("/opt/program.py", "/opt/program.py:3: subprocess.run(['systemctl', 'reboot'])"),
    ("/opt/outer", "/opt/outer:3: /opt/nightly:5: /sbin/shutdown -r +1"),
])
def test_a_script_is_named_with_its_line(line, said):
    assert how(line) == said


@given(st.text(alphabet="abr 'eboot\"$(`;&|)\\\n#=-/<>!{", max_size=60))
def test_no_text_breaks_the_reading(text):
    commands.power(commands.words_of(text), lambda path: text)
    commands.shell(text, lambda path: text, lambda unit: "", 4)
