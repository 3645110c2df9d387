# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What sshd and its sftp server log, read into events. Pure.

sshd writes control characters, backslashes and bytes beyond ASCII of a name as vis(3) does (\\n, \\\\, \\303), but not the
quote that ends the name; so the fixed words after it are looked for from the end. One message has 1023 bytes at most:
of a longer one the end is missing, and with it what those words would tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

LONGEST = 1023
_HEADER = re.compile(rb"<(\d{1,3})>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?(?:([^\s:\[\]]{1,64})(?:\[(\d{1,10})\])?: )?", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|(M)([-^])(.)|\^(.)|(.))", re.DOTALL)
_SINGLE = {b"n": b"\n", b"r": b"\r", b"b": b"\b", b"a": b"\a", b"v": b"\v", b"t": b"\t", b"f": b"\f", b"s": b" ", b"0": b"\0", b"E": b"\x1b"}
_QUOTED = r'"(?P<path>.*)"'
_SFTP = [
    ("opened", re.compile(r"session opened for local user (?P<user>\S+) from \[(?P<address>[^\]]*)\]$")),
    ("closed", re.compile(r"session closed for local user (?P<user>\S+) from \[(?P<address>[^\]]*)\]$")),
    ("open", re.compile(rf"open {_QUOTED} flags (?P<flags>[A-Z,]*) mode 0(?P<mode>[0-7]+)$", re.DOTALL)),
    ("close", re.compile(rf"(?P<forced>forced )?close {_QUOTED} bytes read (?P<read>\d+) written (?P<written>\d+)$", re.DOTALL)),
    ("opendir", re.compile(rf"opendir {_QUOTED}$", re.DOTALL)),
    ("closedir", re.compile(rf"(?:forced )?closedir {_QUOTED}$", re.DOTALL)),
    ("remove", re.compile(rf"remove name {_QUOTED}$", re.DOTALL)),
    ("mkdir", re.compile(rf"mkdir name {_QUOTED} mode 0(?P<mode>[0-7]+)$", re.DOTALL)),
    ("rmdir", re.compile(rf"rmdir name {_QUOTED}$", re.DOTALL)),
    ("rename", re.compile(r'(?:posix-)?rename old "(?P<path>.*?)" new "(?P<new>.*)"$', re.DOTALL)),
    ("link", re.compile(r'(?:hardlink|symlink) old "(?P<path>.*?)" new "(?P<new>.*)"$', re.DOTALL)),
    ("set", re.compile(rf"l?set(?:stat)? {_QUOTED} (?P<what>size|mode|modtime|owner) (?P<value>.*)$", re.DOTALL)),
    # A write or seek that failed; of the name at most 100 bytes. Its status follows, which does not say what it is of.
    ("failed", re.compile(r'process_write: (?:write|seek) "(?P<path>.*)": (?P<why>[^"]*)$', re.DOTALL)),
    ("status", re.compile(r"sent status (?P<status>.*)$", re.DOTALL)),
]
_CUT = re.compile(r'(?P<kind>open|(?:forced )?close|remove name|mkdir name|rename old) "(?P<path>.*)$', re.DOTALL)
_LOGIN = re.compile(r"Accepted (?P<method>\S+) for (?P<user>\S+) from (?P<address>\S+) port (?P<port>\d+)(?: ssh2(?:: (?P<key>.*))?)?$")
_FAILED = re.compile(r"Failed (?P<method>\S+) for (?P<invalid>invalid user )?(?P<user>.*) from (?P<address>\S+) port (?P<port>\d+)")


@dataclass(frozen=True)
class Line:
    """One datagram: who says it sent it, and the message with its escapes."""

    tag: str
    pid: int
    text: str


@dataclass(frozen=True)
class Event:
    kind: str
    values: dict[str, Any] = field(default_factory=dict)


def unvis(text: str) -> str:
    """A name as it was on the wire; bytes that are no UTF-8 become surrogates, as file names do."""
    def one(match: re.Match[bytes]) -> bytes:
        octal, meta, kind, letter, control, single = match.groups()
        if octal:
            return bytes([int(octal, 8) & 0xFF])
        if meta:
            return bytes([(ord(letter) & 0x7F | 0x80) if kind == b"-" else (0xFF if letter == b"?" else ord(letter) & 0x1F | 0x80)])
        if control:
            return b"\x7f" if control == b"?" else bytes([ord(control) & 0x1F])
        return _SINGLE.get(single, single)
    return _ESCAPE.sub(one, text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def line(datagram: bytes) -> Line:
    """A datagram as syslog(3) sends it; what does not look so is all message."""
    datagram = datagram.rstrip(b"\0\n")
    match = _HEADER.match(datagram)
    if match is None:
        return Line("", 0, datagram.decode("utf-8", "surrogateescape"))
    tag, pid = match[2] or b"", match[3] or b"0"
    return Line(tag.decode("ascii", "replace"), int(pid), datagram[match.end():].decode("utf-8", "surrogateescape"))


def sftp(text: str) -> Event:
    """An event of the sftp server. A message that was cut has kind `cut`, one that is none of these `other`."""
    for kind, pattern in _SFTP:
        match = pattern.match(text)
        if match:
            return Event(kind, _values(match))
    match = _CUT.match(text)
    if match and len(text.encode("utf-8", "surrogateescape")) >= LONGEST - 4:
        return Event("cut", {"of": match["kind"].split()[-1 if match["kind"].startswith("forced") else 0],
                             "forced": match["kind"].startswith("forced"), "path": unvis(match["path"])})
    return Event("other", {"text": text})


def _values(match: re.Match[str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name, value in match.groupdict().items() if value is not None}
    for name in ("path", "new"):
        if name in found:
            found[name] = unvis(found[name])
    for name in ("read", "written"):
        if name in found:
            found[name] = int(found[name])
    if "flags" in found:
        found["flags"] = [flag for flag in found["flags"].split(",") if flag]
    if match.re is _SFTP[3][1]:
        found["forced"] = "forced" in found
    if match.re in (_SFTP[9][1], _SFTP[10][1]) and match.string.count('" new "') > 1:
        found["ambiguous"] = True
    return found


def sshd(text: str) -> Event:
    """An event of sshd: a login, a refusal, or what else it says."""
    match = _LOGIN.match(text)
    if match:
        return Event("login", {name: value for name, value in match.groupdict().items() if value is not None})
    match = _FAILED.match(text)
    if match:
        values = {name: value for name, value in match.groupdict().items() if value is not None and name != "invalid"}
        return Event("refused", {**values, "user": unvis(values["user"]), "known": match["invalid"] is None})
    return Event("other", {"text": text})
