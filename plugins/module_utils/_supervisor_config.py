# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""supervisord.conf as supervisord reads it: inline comments, [include], and %(...)s interpolation.

Nothing here touches the system; files come through a function that reads a pattern.
"""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass, field
from typing import Callable

# Reads the files that a pattern names, sorted, as (path, text).
Reader = Callable[[str], "list[tuple[str, str]]"]
# Sections that start processes and that an upgrade therefore keeps as they are.
KEPT = ("program:", "group:", "eventlistener:", "fcgi-program:")
DEFAULT_MINFDS = 1024
# Settings of [supervisord] that the role writes itself, or that say nothing of the programs.
OWN_SETTINGS = {"user", "minfds", "minprocs", "nodaemon", "logfile", "pidfile", "childlogdir"}


@dataclass
class Section:
    """A section with its options as written, in the file that it comes from."""

    name: str
    path: str
    options: dict[str, str]


@dataclass
class Configuration:
    """A supervisord.conf with all that it includes."""

    path: str
    main: list[Section] = field(default_factory=list)
    included: list[Section] = field(default_factory=list)
    include: list[str] = field(default_factory=list)  # absolute patterns
    known: dict[str, str] = field(default_factory=dict)  # what its supervisord interpolates everywhere

    @property
    def sections(self) -> dict[str, dict[str, str]]:
        """All sections; as in supervisord a later option replaces an earlier one."""
        merged: dict[str, dict[str, str]] = {}
        for section in self.main + self.included:
            merged.setdefault(section.name, {}).update(section.options)
        return merged

    @property
    def supervisord(self) -> dict[str, str]:
        return self.sections.get("supervisord", {})

    @property
    def minfds(self) -> int:
        text = expand(self.supervisord.get("minfds", ""), self.known)
        return int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else DEFAULT_MINFDS

    @property
    def programs(self) -> dict[str, dict[str, str]]:
        sections = self.sections
        return {name.partition(":")[2]: sections[name] for name in sections if name.startswith("program:")}


def expand(value: str, known: dict[str, str]) -> str:
    """%(name)s and %% as supervisord expands them; a name that is not known is left as it is, as is a stray %."""
    def replacement(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        return known.get(match[1], match[0])

    return re.sub(r"%%|%\(([^()]*)\)[sd]", replacement, value)


def _sections(path: str, text: str) -> list[Section]:
    """One file's sections. Raises ValueError with the path where supervisord would refuse it too."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    here = os.path.dirname(path)
    # supervisord expands %(here)s first, by the file that it stands in.
    return [
        Section(name, path, {key: value.replace("%(here)s", here) for key, value in parser.items(name)})
        for name in parser.sections()
    ]


def parse(path: str, text: str, read: Reader, environment: dict[str, str] | None = None, node: str = "") -> Configuration:
    """supervisord.conf at `path` and what it includes; included files cannot include others."""
    known = {f"ENV_{key}": value for key, value in (environment or {}).items()}
    known.update(here=os.path.dirname(path), host_node_name=node)
    found = Configuration(path, _sections(path, text), known=known)
    for section in found.main:
        if section.name == "include":
            patterns = expand(section.options.get("files", ""), known).split()
            found.include = [os.path.join(os.path.dirname(path), pattern) for pattern in patterns]
    for pattern in found.include:
        for included_path, included in read(pattern):
            found.included += [section for section in _sections(included_path, included) if section.name != "include"]
    return found


def expanded(configuration: Configuration, program: str, environment: dict[str, str], node: str = "") -> dict[str, str]:
    """The options of a program with its interpolations done, for its first process."""
    known = {f"ENV_{key}": value for key, value in environment.items()}
    known.update(
        here=os.path.dirname(configuration.path), host_node_name=node, program_name=program, group_name=program,
        process_num="0", numprocs=configuration.programs[program].get("numprocs", "1"),
    )
    return {key: expand(value, known) for key, value in configuration.programs[program].items()}


def render(sections: list[Section], user: str = "") -> str:
    """Sections as text. Programs without a user get `user`, so that they go on as who they were."""
    lines: list[str] = []
    for section in sections:
        options = dict(section.options)
        if user and not section.name.startswith("group:"):
            options.setdefault("user", user)
        lines.append(f"[{section.name}]")
        # A value may go on over lines; supervisord wants those indented.
        lines += [f"{key} = " + value.replace("\n", "\n    ") for key, value in options.items()]
        lines.append("")
    return "\n".join(lines)


def members(section: Section) -> list[str]:
    """The programs of a group."""
    names = section.options.get("programs", "").split(",") if section.name.startswith("group:") else []
    return [name.strip() for name in names if name.strip()]


def kept(configuration: Configuration, managed: set[str]) -> list[Section]:
    """What of the main file must outlive its replacement: all that starts processes and is not managed elsewhere.

    A program that is managed elsewhere leaves its group, within which supervisord would know it by the group's name only.
    """
    found = []
    for section in configuration.main:
        left = [name for name in members(section) if name not in managed]
        if not section.name.startswith(KEPT) or section.name in {f"program:{name}" for name in managed}:
            continue
        if left != members(section):
            section = Section(section.name, section.path, {**section.options, "programs": ",".join(left)})
        if left or not section.name.startswith("group:"):
            found.append(section)
    return found


def written_out(section: Section, environment: dict[str, str]) -> Section:
    """With the values of %(ENV_...)s that its supervisord had: another one that lacks a name does not even start."""
    def replacement(match: re.Match[str]) -> str:
        value = environment.get(match[1] or "")
        return match[0] if value is None else value.replace("%", "%%")

    pattern = r"%%|%\(ENV_([^()]*)\)s"
    return Section(section.name, section.path, {key: re.sub(pattern, replacement, value) for key, value in section.options.items()})


def upgrade_report(
    configuration: Configuration, managed: set[str], minfds: int, user: str, settings: frozenset[str] = frozenset(),
) -> list[str]:
    """What replacing a hand-written main file changes, a sentence each."""
    lines = []
    for section in kept(configuration, managed):
        who = "" if "user" in section.options or not user or section.name.startswith("group:") else f", as {user}"
        lines.append(f"[{section.name}] of {section.path} is kept{who}")
    for name in sorted(managed & set(configuration.programs)):
        groups = [section.name for section in configuration.main if name in members(section)]
        lines.append(f"[program:{name}] is replaced by what the role has written" + "".join(f", and leaves [{group}]" for group in groups))
    if configuration.minfds != minfds:
        lines.append(f"minfds changes from {configuration.minfds} to {minfds}")
    if "user" in configuration.supervisord:
        lines.append(
            f"user={configuration.supervisord['user']} of [supervisord] is dropped: supervisord gives up root before it"
            " sets its limits and can then never raise the hard limit; the programs drop to their users instead"
        )
    for name in sorted(set(configuration.supervisord) - OWN_SETTINGS - settings):
        lines.append(f"{name}= of [supervisord] is dropped: put it into supervisor_settings to keep it")
    for name in sorted(configuration.sections):
        if name.startswith(("inet_http_server", "rpcinterface:")) and name != "rpcinterface:supervisor":
            lines.append(f"[{name}] is dropped")
    return lines
