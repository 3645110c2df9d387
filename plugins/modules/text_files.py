#!/usr/bin/python
# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: text_files
short_description: Write many small files in one step
version_added: 0.1.0
description:
  - Writes the files of a program below a directory, each replaced in one step and only where it differs, with the directories that they need.
  - M(ansible.builtin.copy) does the same of a directory with two requests for each file in it; this is one for all of them.
options:
  path:
    description: The directory. It is made, with mode 0755.
    type: path
    required: true
  files:
    description: Contents by the path below the directory.
    type: dict
    required: true
  executables:
    description: Those of C(files) with mode 0755; the others have 0644.
    type: list
    elements: str
    default: []
  only:
    description: Directories below C(path) that belong to C(files) alone, so that whatever else is in them is removed.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - sabakan.vps.attributes
  - sabakan.vps.attributes.change_module
author: [sabakan.vps contributors (@sabakan)]
"""

EXAMPLES = r"""
- name: Install a program
  sabakan.vps.text_files:
    path: /usr/local/lib/tool
    files:
      tool/__init__.py: ""
      tool/__main__.py: "{{ lookup('ansible.builtin.file', 'tool/__main__.py', rstrip=false) }}"
    only: [tool]
"""

RETURN = r"""
written:
  description: Paths below the directory that were not as they should be.
  returned: always
  type: list
  elements: str
removed:
  description: Paths of what was removed.
  returned: always
  type: list
  elements: str
"""

import os
import shutil
import stat
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sabakan.vps.plugins.module_utils._files import replace_file


def complaint(names: list[str]) -> str:
    """What is wrong with the paths; empty if nothing is."""
    bad = [name for name in names if not name or name.startswith("/") or ".." in name.split("/")]
    return f"not below the directory: {', '.join(repr(name) for name in bad)}" if bad else ""


def mode_of(path: Path) -> int:
    """Permissions of a plain file of this user; anything else has none that is wanted."""
    try:
        found = path.lstat()
    except OSError:
        return -1
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() else -1


def bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def strangers(root: Path, only: list[str], files: dict[str, str]) -> list[Path]:
    """What is in these directories and not ours; of a directory with nothing of ours, the directory."""
    ours = {root / name for name in files}
    kept = ours | {parent for path in ours for parent in path.parents}
    found: list[Path] = []
    for name in only:
        for directory, inner, names in os.walk(root / name):
            found += [Path(directory) / one for one in (*inner, *names) if Path(directory) / one not in kept]
            inner[:] = [one for one in inner if Path(directory) / one in kept]
    return found


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if path.is_dir() and not path.is_symlink():
        remove(path)
    replace_file(str(path), text, mode)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "executables": {"type": "list", "elements": "str", "default": []},
            "only": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    root, files = Path(module.params["path"]), {name: str(text) for name, text in module.params["files"].items()}
    problem = complaint([*files, *module.params["only"]])
    unknown = sorted(set(module.params["executables"]) - set(files))
    if problem or unknown:
        module.fail_json(msg=problem or f"executables that are not among files: {', '.join(unknown)}")
    modes = {name: 0o755 if name in module.params["executables"] else 0o644 for name in files}
    diff, written = [], []
    for name, text in files.items():
        found, mode = bytes_of(root / name), mode_of(root / name)
        if mode == modes[name] and found == text.encode():
            continue
        written.append(name)
        if found != text.encode():
            diff.append({"before_header": name, "after_header": name, "before": found.decode(errors="backslashreplace"), "after": text})
        if mode != modes[name] and (mode >= 0 or found == text.encode()):
            header, before = f"{name} (mode)", f"{mode:04o}" if mode >= 0 else "no file of this user"
            diff.append({"before_header": header, "after_header": header, "before": f"{before}\n", "after": f"{modes[name]:04o}\n"})
    gone = strangers(root, module.params["only"], files)
    diff += [{"before_header": str(path), "before": "there\n", "after": ""} for path in gone]
    if not module.check_mode:
        os.umask(0o022)  # else a hardened host's takes from the modes of the directories
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o755)
            for name in written:
                write(root / name, files[name], modes[name])
            for path in gone:
                remove(path)
        except OSError as error:
            module.fail_json(msg=f"{error.filename or root}: {error.strerror}; the next run goes on from here", written=written)
    module.exit_json(changed=bool(written or gone), written=written, removed=[str(path) for path in gone], diff=diff)


if __name__ == "__main__":
    main()
