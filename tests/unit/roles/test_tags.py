# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A step by its tag alone: what it would do wrong, and not fail at, without what another step has found out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from role_run import ROLES, play, rendered

STEPS = ("preflight", "install", "configure", "run", "verify")
# Without the plan it installs what it may not need: it is what later runs leave out, by --skip-tags.
ALONE = {"swap_install"}
Tagged = tuple[dict[str, Any], set[str]]


class Loader(yaml.SafeLoader):
    """YAML with Ansible's own tags, which do not matter here."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))


def load(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader)


def tasks_of(path: Path, tags: set[str]) -> Iterator[Tagged]:
    """Each task of a file, with the tags that it has; those of the files that it takes in too."""
    for task in load(path):
        own = tags | set(task.get("tags", []))
        yield {name: value for name, value in task.items() if name not in ("block", "rescue", "always")}, own
        for name in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
            if name in task:
                yield from tasks_of(path.parent / task[name], own)
        for name in ("block", "rescue", "always"):
            yield from ((one, own | set(one.get("tags", []))) for one in task.get(name, []))


def found_by(task: dict[str, Any], role: Path) -> set[str]:
    """The variables that there are once the task has run."""
    file = task.get("ansible.builtin.include_vars")
    names = set(load(role / "vars/debian-13.yml")) if file else set()
    return names | {task["register"]} if "register" in task else names


def needed_by(tasks: list[Tagged], role: Path) -> set[str]:
    """All names in them, in the templates that they name, and in the variables that those are made of."""
    variables = {**load(role / "defaults/main.yml"), **(load(role / "vars/main.yml") if (role / "vars/main.yml").exists() else {})}
    text = " ".join(str(task) for task, _tags in tasks)
    text += " ".join(path.read_text() for path in role.glob("templates/*.j2") if path.name in text or path.stem in text)
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        new = set(re.findall(r"[a-z_][a-z0-9_]+", waiting.pop())) - seen
        seen |= new
        waiting += [str(variables[name]) for name in new & set(variables)]
    return seen


@pytest.mark.parametrize("role", sorted(path.parents[1].name for path in ROLES.glob("*/tasks/preflight.yml")))
def test_a_step_alone_asks_for_what_another_step_finds_out(role: str) -> None:
    """With another hash path nothing that is stored can be found; another name of the image ends all sessions."""
    steps = {step: list(tasks_of(ROLES / role / f"tasks/{step}.yml", {role, f"{role}_{step}"}))
             for step in STEPS if (ROLES / role / f"tasks/{step}.yml").exists()}
    found: dict[str, set[str]] = {}
    for task, tags in (one for tasks in steps.values() for one in tasks):
        for name in found_by(task, ROLES / role):
            found.setdefault(name, set()).update(tags)
    lacking = [
        f"{role}_{step}: {name}" for step, tasks in steps.items() if f"{role}_{step}" not in ALONE
        for name in sorted(needed_by(tasks, ROLES / role) & set(found))
        if not {f"{role}_{step}", "always"} & found[name]
    ]
    assert lacking == []


@pytest.mark.parametrize("role", sorted(path.parents[1].name for path in ROLES.glob("*/vars/main.yml")))
def test_what_a_task_registers_hides_no_variable_of_the_role(role: str) -> None:
    """Where the role comes twice in a run, the second one would see the result."""
    tasks = [task for path in ROLES.glob(f"{role}/tasks/*.yml") for task, _tags in tasks_of(path, set())]
    assert {task["register"] for task in tasks if "register" in task} & set(load(ROLES / role / "vars/main.yml") or {}) == set()


def test_a_hash_path_that_was_not_asked_for_is_not_made_anew(tmp_path: Path) -> None:
    configure = ROLES / "object_storage" / "tasks" / "configure.yml"
    template = next(task for task in load(configure) if task["name"] == "Configure Swift")
    task = {
        "ansible.builtin.template": {"src": str(ROLES / "object_storage/templates/swift.conf.j2"), "dest": str(tmp_path / "swift.conf")},
        "vars": template["vars"],
    }
    code, output = play(tmp_path, "object_storage", [task], {})
    assert code != 0, (tmp_path / "swift.conf").read_text()
    assert "__object_storage_hash_path" in output


def test_a_hash_path_that_is_there_stays_and_what_is_missing_is_made(tmp_path: Path) -> None:
    text = rendered(tmp_path, "object_storage", "swift.conf.j2", {"__object_storage_hash_path_parts": {"prefix": "0" * 32}})
    assert f"swift_hash_path_prefix = {'0' * 32}\n" in text
    assert re.search(r"^swift_hash_path_suffix = [0-9a-f]{32}$", text, re.MULTILINE)
