# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that reboot a host or turn it off: found in words, in shell, and in the scripts that they run."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Iterator

VERBS = {"reboot", "poweroff", "halt", "kexec", "soft-reboot"}
POWER_UNITS = {
    "reboot.target", "poweroff.target", "halt.target", "kexec.target", "soft-reboot.target", "runlevel0.target", "runlevel6.target",
    "ctrl-alt-del.target", "systemd-reboot.service", "systemd-poweroff.service", "systemd-halt.service", "systemd-kexec.service",
}
ACTIONS = {f"{verb}{suffix}" for verb in VERBS for suffix in ("", "-force", "-immediate")}
METHODS = re.compile(r"\b(Reboot|RebootWithFlags|PowerOff|PowerOffWithFlags|Halt|HaltWithFlags|KExec|SoftReboot|ScheduleShutdown)\b")
START = re.compile(r"\b(Re|TryRe|ReloadOrRe)?[Ss]tartUnit(Replace)?\b")
BUSES = {"busctl", "dbus-send", "gdbus", "qdbus"}
# Of systemctl: what takes the next word for its value; the first of them are about another machine.
ELSEWHERE = {"-H", "--host", "-M", "--machine"}
VALUED = ELSEWHERE | {
    "-t", "--type", "--state", "-p", "--property", "-P", "-s", "--signal", "-n", "--lines", "-o", "--output", "--message", "--when", "--root",
    "--image", "--job-mode", "--what", "--reboot-argument", "--boot-loader-menu", "--boot-loader-entry", "--timestamp", "--check-inhibitors",
}
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"}
AT = {"at", "batch"}  # for them atd runs a shell, later
DIRECT = {"reboot", "poweroff", "halt", "systemctl", "shutdown", "init", "telinit", "kexec", "rtcwake", *BUSES}
# What runs the rest of its words.
WRAPPERS = {
    "sudo", "doas", "env", "nohup", "nice", "ionice", "chrt", "setsid", "timeout", "flock", "systemd-run", "systemd-inhibit", "xargs",
    "exec", "command", "time", "chroot", "nsenter", "unshare", "stdbuf", "runuser", "su", "watch", "eval", "builtin", "taskset", "trap", "find",
}
KEYWORDS = {"if", "then", "else", "elif", "do", "while", "until", "!", "{", "("}
GUARDED = "sabakan-reboot"
HERE_DOCUMENT = re.compile(r"(?<!<)<<(-?)\s*([\"']?)(\w+)\2(?!<)")
# In a program that is no shell script: any of the words in quotes, however they are put together.
IN_PROGRAMS = re.compile(
    r"""(?x) ["'\s\[(/] (systemctl|shutdown|telinit|init) ["']? [,\s]+ (?: ["'] | -[-\w=]+ ["']? [,\s]+ )* (reboot|poweroff|halt|kexec|-r|-h|-P|now|\+?\d|6|0)\b
    | ["'](/usr)?(/s?bin/)?(reboot|poweroff|halt)["'\s]
    | ["'] (?: [^"'\n]*[;&|]\s* | (?=sudo) ) (?: sudo\s+(?:-\S+\s+)* )? (/usr)?(/s?bin/)?(reboot|poweroff|halt) (?:\s+-[^\s"']+)* \s*["';&|]
    | login1.{0,80}\b(Reboot|PowerOff|Halt)\b | LINUX_REBOOT_CMD | RB_AUTOBOOT | sysrq-trigger""",
)
Read = Callable[[str], "str | None"]
DEPTH = 10


def strip_prefix(line: str) -> str:
    """The characters that systemd takes before a command."""
    return line.lstrip("@-:+!|")


def worst(found: Iterable[str]) -> str:
    """The first that no gate decides on, else the gate; a gate beside it holds nothing back."""
    ways = [one for one in found if one]
    return next((one for one in ways if one != GUARDED), ways[0] if ways else "")


def words_of(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines without the here-documents, but for those that a shell reads or that have no end."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    after = 0
    for number, line in enumerate(lines):
        if number < after:
            continue
        yield number + 1, line
        document = HERE_DOCUMENT.search(line)
        if document and not any(posixpath.basename(word) in SHELLS | AT for word in line[: document.start()].split()):
            ends = (n for n, one in enumerate(lines) if n > number and (one.lstrip("\t") if document[1] else one) == document[3])
            after = next(ends, number) + 1


def _fed(words: list[str], said: str) -> str:
    """The script that a simple command reads: said, what it is piped, or its here-string."""
    end = next((n for n, word in enumerate(words) if word.startswith("<<<")), len(words))
    given = " ".join(words[end:end + 2]).removeprefix("<<<").strip() or said
    for n, word in enumerate(words[:end] if given else []):
        name = posixpath.basename(word)
        if name in AT or (name in SHELLS and all(other.startswith("-") for other in words[n + 1:end])):
            return given
        if n == 0 and name not in WRAPPERS:
            break
    return ""


def shell_commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, words) of the simple commands of a shell script; quotes over several lines are taken line by line."""
    for number, line in _code_lines(text):
        line = re.sub(r"(?<=[^\s;&|()])#", "_", line)  # within a word it begins no remark, as in $#
        lexer = shlex.shlex(re.sub(r"[$`]\(?", " ; ", line) if "$(" in line or "`" in line else line, posix=True, punctuation_chars="();&|")
        lexer.whitespace_split = True
        try:
            tokens = list(lexer)
        except ValueError:
            tokens = re.split(r"\s+|(?=[;&|()])|(?<=[;&|()])", line.partition(" #")[0].replace('"', "").replace("'", ""))
        words: list[str] = []
        said = ""
        for token in [*tokens, ";"]:
            if token and not token.strip("();&|"):
                if words:
                    yield number, words
                    yield from ((number, later) for dummy, later in shell_commands(_fed(words, said)))
                said = " ".join(words[1:]).replace("\\n", "\n") if token in ("|", "|&") and words[:1] in (["echo"], ["printf"]) else ""
                words = []
            elif token and not (token in KEYWORDS and not words):
                words.append(token)


def _systemctl(words: list[str], follow: Callable[[str], str]) -> str:
    if any(word in ELSEWHERE or re.match(r"--(host|machine)=|-[HM].", word) for word in words[1:]):
        return ""
    plain = [word for before, word in zip(words, words[1:]) if not word.startswith("-") and before not in VALUED]
    if ("--when", "cancel") in zip(words, words[1:]) or {"--help", "--version", "--when=cancel", "--when=show"} & set(words) or not plain:
        return ""
    if plain[0] in VERBS:
        return f"systemctl {plain[0]}"
    if plain[0] not in ("start", "isolate", "restart", "try-restart", "reload-or-restart"):
        return ""
    for unit in plain[1:]:
        found = "is a target of shutting down" if unit in POWER_UNITS or f"{unit}.target" in POWER_UNITS else follow(unit)
        if found:
            return f"systemctl {plain[0]} {unit}" + ("" if unit in POWER_UNITS else f": {found}")
    return ""


def _direct(words: list[str], follow: Callable[[str], str]) -> str:
    name, rest, text = posixpath.basename(words[0]), words[1:], " ".join(words)
    if name == "systemctl":
        return _systemctl(words, follow)
    if {"--help", "--version"} & set(rest):
        return ""
    if name in ("reboot", "poweroff", "halt") and not {"-w", "--wtmp-only"} & set(rest):
        return name
    if name == "shutdown" and not any(re.fullmatch(r"-\w*[ck]\w*|--show", word) for word in rest):
        return text
    if name in ("init", "telinit") and {"0", "6"} & set(rest):
        return text
    if (name == "kexec" and {"-e", "--exec"} & set(rest)) or (name == "rtcwake" and "off" in rest):
        return text
    if name in BUSES and ("login1" in text or "systemd1" in text) and METHODS.search(text):
        return f"{name} {METHODS.search(text).group(1)}"  # type: ignore[union-attr]
    if name in BUSES and "systemd1" in text and START.search(text):
        unit = next((unit for word in rest for unit in [word.rpartition(":")[2].strip("'\"")] if unit in POWER_UNITS), "")
        return f"{name} StartUnit {unit}" if unit else ""
    return ""


def power(words: list[str], read: Read, follow: Callable[[str], str] = lambda unit: "", depth: int = DEPTH) -> str:
    """How a command reboots the host or turns it off; empty when it does not, `sabakan-reboot` where that decides."""
    words = [word for n, word in enumerate(words) if not re.fullmatch(r"[A-Za-z_]\w*=.*", word) or n]
    words = [*words]
    while words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0]):
        words.pop(0)
    if not words or depth == 0:
        return ""
    name = posixpath.basename(words[0])
    if name == GUARDED:
        return GUARDED if "run" in words else ""
    # What `tee` writes there comes from another command.
    if any("/proc/sysrq-trigger" in word for word in words) and (name == "tee" or any(re.fullmatch(r"[bo]", word) for word in words)):
        return "/proc/sysrq-trigger"
    if name in DIRECT:
        return _direct(words, follow)
    if name in AT:
        files = [words[n] for n in range(1, len(words)) if words[n - 1] in ("-f", "<")] + [re.sub(r"^(-f|<)", "", word) for word in words[1:]]
        return next((found for file in files for found in [script(file, read, follow, depth - 1)] if found), "")
    if name in SHELLS:
        return _shell(words, read, follow, depth)
    if name in WRAPPERS:
        for n, word in enumerate(words[1:], 1):
            if "=" not in word and not word.startswith("-"):
                found = power(words[n:], read, follow, depth - 1) or (shell(word, read, follow, depth - 1) if " " in word else "")
                if found:
                    return found
        return ""
    if name in (".", "source") or re.fullmatch(r"(python|perl|ruby|node|php|lua)[\d.]*", name):
        inline = next((words[n + 1] for n, word in enumerate(words[:-1]) if word in ("-c", "-e", "-r")), "")
        if inline and name not in (".", "source"):
            return f"{name}: {inline.strip()[:80]}" if IN_PROGRAMS.search(inline) else ""
        return next((found for word in words[1:] if not word.startswith("-") for found in [script(word, read, follow, depth - 1)] if found), "")
    return script(words[0], read, follow, depth - 1) if words[0].startswith("/") else ""


def _shell(words: list[str], read: Read, follow: Callable[[str], str], depth: int) -> str:
    inline = valued = False
    for n, word in enumerate(words[1:], 1):
        if valued:
            valued = False
        elif word.startswith("--"):
            valued = word in ("--rcfile", "--init-file")
        elif word[:1] in ("-", "+"):
            inline = inline or (word[0] == "-" and "c" in word)
            valued = "o" in word.lower()  # -o pipefail, also as -euo
        elif inline:
            return shell(word, read, follow, depth - 1)
        else:
            return script(word, read, follow, depth - 1) or power(words[n:], read, follow, depth - 1)
    return ""


def shell(text: str, read: Read, follow: Callable[[str], str], depth: int) -> str:
    return worst(power(words, read, follow, depth) for dummy, words in shell_commands(text))


def script(path: str, read: Read, follow: Callable[[str], str] = lambda unit: "", depth: int = DEPTH) -> str:
    """`path:line: command` of a script that does; a binary, or a file that is not there, is taken for harmless."""
    text = read(path) if depth > 0 and path.startswith("/") else None
    if text is None:
        return ""
    first = text.partition("\n")[0]

    def others(other: str) -> str | None:
        return None if other == path else read(other)

    if first.startswith("#!") and not re.search(r"\b(ba|da|a|z|k)?sh\b", first):
        found = IN_PROGRAMS.search(text)
        line = text.count("\n", 0, found.start() + 1) + 1 if found else 0
        return f"{path}:{line}: {text.splitlines()[line - 1].strip()[:100]}" if found else ""
    ways = ((number, power(words, others, follow, depth - 1)) for number, words in shell_commands(text))
    return worst(how if how in ("", GUARDED) else f"{path}:{number}: {how}" for number, how in ways)
