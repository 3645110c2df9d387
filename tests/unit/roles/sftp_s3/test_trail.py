# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sabakan_sftp import trail

OCTAL = {10: "\\n", 13: "\\r", 9: "\\t", 8: "\\b", 7: "\\a", 11: "\\v", 12: "\\f", 0: "\\0", 92: "\\\\"}


def vis(name: bytes) -> str:
    """As sshd writes a name: vis(3) with VIS_CSTYLE, VIS_NL, VIS_TAB and VIS_OCTAL."""
    out = ""
    for index, byte in enumerate(name):
        if byte == 0 and name[index + 1:index + 2].isdigit():
            out += "\\000"
        elif byte in OCTAL:
            out += OCTAL[byte]
        else:
            out += chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
    return out


@pytest.mark.parametrize(("text", "kind", "values"), [
    ("session opened for local user store1 from [10.0.0.1]", "opened", {"user": "store1", "address": "10.0.0.1"}),
    ("session opened for local user store1 from [2001:db8::1]", "opened", {"user": "store1", "address": "2001:db8::1"}),
    ("session closed for local user store1 from [10.0.0.1]", "closed", {"user": "store1", "address": "10.0.0.1"}),
    ('open "/data/a b.txt" flags WRITE,CREATE,TRUNCATE mode 0644', "open", {"path": "/data/a b.txt", "flags": ["WRITE", "CREATE", "TRUNCATE"], "mode": "644"}),
    ('open "/data/x" flags READ mode 0666" flags WRITE mode 0600', "open", {"path": '/data/x" flags READ mode 0666', "flags": ["WRITE"], "mode": "600"}),
    ('close "/data/a" bytes read 1 written 22', "close", {"path": "/data/a", "read": 1, "written": 22, "forced": False}),
    ('forced close "/data/a" bytes read 0 written 5" bytes read 7 written 9', "close",
     {"path": '/data/a" bytes read 0 written 5', "read": 7, "written": 9, "forced": True}),
    ('close "/data/line\\nbreak\\ttab\\\\n" bytes read 0 written 1', "close", {"path": "/data/line\nbreak\ttab\\n", "read": 0, "written": 1, "forced": False}),
    ('remove name "/data/\\351\\257\\226"', "remove", {"path": "/data/鯖"}),
    ('mkdir name "/data/d" mode 0777', "mkdir", {"path": "/data/d", "mode": "777"}),
    ('rename old "/a" new "/b"', "rename", {"path": "/a", "new": "/b"}),
    ('posix-rename old "/a" new "/b" new "/c"', "rename", {"path": "/a", "new": '/b" new "/c', "ambiguous": True}),
    ('set "/data/a" modtime 20260101-00:00:00', "set", {"path": "/data/a", "what": "modtime", "value": "20260101-00:00:00"}),
    ("sent status Failure", "status", {"status": "Failure"}),
    ('opendir "/data"', "opendir", {"path": "/data"}),
    ("anything else", "other", {"text": "anything else"}),
    ('open "short and without its end', "other", {"text": 'open "short and without its end'}),
])
def test_a_line_of_the_sftp_server(text, kind, values):
    assert trail.sftp(text) == trail.Event(kind, values)


@pytest.mark.parametrize(("start", "of", "forced"), [
    ("open", "open", False), ("close", "close", False), ("forced close", "close", True), ("remove name", "remove", False),
])
def test_a_line_that_was_cut_is_known_as_such(start, of, forced):
    event = trail.sftp((f'{start} "/data/' + "\\343\\202\\263" * 200)[:trail.LONGEST])
    assert (event.kind, event.values["of"], event.values["forced"]) == ("cut", of, forced)
    assert event.values["path"].startswith("/data/ココ")


@pytest.mark.parametrize(("text", "kind", "values"), [
    ("Accepted publickey for store1 from 10.0.0.1 port 50000 ssh2: ED25519 SHA256:abc", "login",
     {"method": "publickey", "user": "store1", "address": "10.0.0.1", "port": "50000", "key": "ED25519 SHA256:abc"}),
    ("Accepted password for store1 from ::1 port 5 ssh2", "login", {"method": "password", "user": "store1", "address": "::1", "port": "5"}),
    ("Failed password for store1 from 10.0.0.1 port 1 ssh2", "refused",
     {"method": "password", "user": "store1", "address": "10.0.0.1", "port": "1", "known": True}),
    ("Failed password for invalid user a from 9.9.9.9 port 1 from 10.0.0.1 port 2 ssh2", "refused",
     {"method": "password", "user": "a from 9.9.9.9 port 1", "address": "10.0.0.1", "port": "2", "known": False}),
    ("Server listening on 0.0.0.0 port 22.", "other", {"text": "Server listening on 0.0.0.0 port 22."}),
])
def test_a_line_of_sshd(text, kind, values):
    assert trail.sshd(text) == trail.Event(kind, values)


@pytest.mark.parametrize(("datagram", "tag", "pid", "text"), [
    (b"<86>Nov 21 14:00:00 internal-sftp[42]: hello\n\0", "internal-sftp", 42, "hello"),
    (b"<86>Nov  1 14:00:00 sshd-session[7]: a: b", "sshd-session", 7, "a: b"),
    (b"<30>sshd: no time", "sshd", 0, "no time"),
    (b"", "", 0, ""),
    (b"raw words", "", 0, "raw words"),
    (b"<86>Nov 21 14:00:00 no tag here", "", 0, "no tag here"),
])
def test_a_datagram(datagram, tag, pid, text):
    assert trail.line(datagram) == trail.Line(tag, pid, text)


@given(st.binary())
def test_any_datagram_is_read(data):
    found = trail.line(data)
    trail.sftp(found.text)
    trail.sshd(found.text)


NAMES = st.binary(min_size=1, max_size=120).filter(lambda name: b"\0" not in name) | st.text(alphabet='" flagsREDmode0\\n\n', min_size=1).map(str.encode)


@given(NAMES, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.booleans())
def test_a_name_comes_back_from_a_close(name, read, written, forced):
    text = f'{"forced " if forced else ""}close "{vis(name)}" bytes read {read} written {written}'
    assert trail.sftp(text) == trail.Event("close", {"path": name.decode("utf-8", "surrogateescape"), "read": read, "written": written, "forced": forced})


@given(NAMES)
def test_a_name_comes_back_from_an_open(name):
    event = trail.sftp(f'open "{vis(name)}" flags WRITE,CREATE mode 0666')
    assert (event.kind, event.values["path"], event.values["flags"]) == ("open", name.decode("utf-8", "surrogateescape"), ["WRITE", "CREATE"])


@given(st.text())
def test_one_event_is_one_line_whatever_a_name_holds(name):
    import json

    assert "\n" not in json.dumps({"path": name})
