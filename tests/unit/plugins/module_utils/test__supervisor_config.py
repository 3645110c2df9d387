# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _supervisor_config
from hypothesis import given
from hypothesis import strategies as st

MAIN = """; written by hand
[unix_http_server]
file = /run/s.sock ; (the path)
[supervisord]
minfds = 2048
umask = 022
user = app
[include]
files = conf.d/*.conf
   %(here)s/more/%(ENV_WHICH)s.ini
[program:web]
command = /usr/bin/web --port %(ENV_PORT)s --name %(program_name)s_%(process_num)02d %%
environment = A="1",
   B="%(here)s"
[program:worker]
command = worker
user = worker
[group:both]
programs = web,worker
[inet_http_server]
port = *:9001
"""
FILES = {
    "/etc/supervisor/conf.d/*.conf": [
        ("/etc/supervisor/conf.d/a.conf", "[program:a]\ncommand=%(here)s/a\n[include]\nfiles=never.conf\n"),
        ("/etc/supervisor/conf.d/b.conf", "[program:web]\nnumprocs=2\n"),
    ],
}
PATH = "/etc/supervisor/supervisord.conf"


def parse(text, path=PATH):
    return _supervisor_config.parse(path, text, lambda pattern: FILES.get(pattern, []), {"WHICH": "x", "PORT": "80"})


def test_a_file_and_what_it_includes():
    found = parse(MAIN)
    assert found.include == ["/etc/supervisor/conf.d/*.conf", "/etc/supervisor/more/x.ini"]
    assert (found.minfds, found.supervisord["user"]) == (2048, "app")
    assert sorted(found.programs) == ["a", "web", "worker"]
    assert found.programs["web"]["numprocs"] == "2"
    assert found.sections["unix_http_server"]["file"] == "/run/s.sock"


def test_here_is_the_directory_of_the_file_that_says_it():
    assert parse(MAIN).programs["a"]["command"] == "/etc/supervisor/conf.d/a"


def test_what_is_known_is_interpolated():
    options = _supervisor_config.expanded(parse(MAIN), "web", {"PORT": "80"})
    # %02d is no interpolation that the first process needs: it is left as it stands.
    assert options["command"] == "/usr/bin/web --port 80 --name web_%(process_num)02d %"


@pytest.mark.parametrize(
    ("value", "expanded"),
    [("%(a)s", "1"), ("%%(a)s", "%(a)s"), ("%(b)s", "%(b)s"), ("%", "%"), ("%(a", "%(a"), ("%(a)s%(a)d", "11"), ("100%", "100%")],
)
def test_expand(value, expanded):
    assert _supervisor_config.expand(value, {"a": "1"}) == expanded


@pytest.mark.parametrize("text", ["command=1\n", "[program:x\ncommand=1\n", "[program:x]\nnonsense\n"])
def test_what_supervisord_refuses_is_refused_with_the_path(text):
    with pytest.raises(ValueError, match=f"^{PATH}: "):
        parse(text)


@pytest.mark.parametrize("minfds", ["", "many", "-1", "²"])
def test_minfds_that_is_none_is_the_default(minfds):
    assert parse(f"[supervisord]\nminfds={minfds}\n").minfds == 1024


def test_what_starts_processes_is_kept_and_goes_on_as_who_it_was():
    kept = _supervisor_config.kept(parse(MAIN), {"worker"})
    assert [section.name for section in kept] == ["program:web", "group:both"]
    text = _supervisor_config.render(kept, "app")
    again = parse(text, "/elsewhere/kept.conf")
    assert again.programs["web"] == {**kept[0].options, "user": "app"}
    assert "user" not in again.sections["group:both"]
    assert again.programs["web"]["environment"] == 'A="1",\nB="/etc/supervisor"'


def test_an_upgrade_says_what_it_changes():
    report = "\n".join(_supervisor_config.upgrade_report(parse(MAIN), {"worker"}, 4096, "app"))
    for sentence in ("[program:web] of /etc/supervisor/supervisord.conf is kept, as app", "[program:worker] is replaced",
                     "minfds changes from 2048 to 4096", "user=app of [supervisord] is dropped", "umask= of [supervisord] is dropped",
                     "[inet_http_server] is dropped"):
        assert sentence in report


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_its_path(text):
    try:
        parse(text)
    except ValueError as error:
        assert str(error).startswith(PATH)


@given(st.dictionaries(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.from_regex(r"[!-:<-~]([ -:<-~]{0,20}[!-:<-~])?", fullmatch=True)
    .filter(lambda value: "#" not in value and "%(here)s" not in value), max_size=4,
))
def test_what_is_rendered_is_read_back(options):
    text = _supervisor_config.render([_supervisor_config.Section("program:x", PATH, options)])
    assert parse(text).programs["x"] == options


def test_a_program_that_is_written_anew_leaves_its_kept_group():
    """supervisord knows it by the group's name otherwise, and the role would wait for one of its own."""
    (group,) = [section for section in _supervisor_config.kept(parse(MAIN), {"worker"}) if section.name == "group:both"]
    assert group.options == {"programs": "web"}
    assert [section.name for section in _supervisor_config.kept(parse(MAIN), {"worker", "web"})] == []
    report = _supervisor_config.upgrade_report(parse(MAIN), {"worker", "web"}, 2048, "app")
    assert "[program:worker] is replaced by what the role has written, and leaves [group:both]" in report


def test_what_only_the_previous_environment_knows_is_written_out():
    """supervisord refuses to start where it does not know a name; systemd gives no HOME."""
    section = _supervisor_config.Section("program:web", PATH, {"directory": "%(ENV_HOME)s/x", "command": "run %% %(ENV_RATE)s %(ENV_NONE)s %(program_name)s"})
    found = _supervisor_config.written_out(section, {"HOME": "/home/app", "RATE": "5%"})
    assert found.options == {"directory": "/home/app/x", "command": "run %% 5%% %(ENV_NONE)s %(program_name)s"}


def test_minfds_may_come_from_the_environment():
    text = "[supervisord]\nminfds = %(ENV_FILES)s\n"
    assert _supervisor_config.parse(PATH, text, lambda pattern: [], {"FILES": "65536"}).minfds == 65536
    assert _supervisor_config.parse(PATH, text, lambda pattern: []).minfds == 1024
