# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says of modules, filters, tags and variables, held against what is there."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.splitter import parse_kv
from ansible_collections.sabakan.vps.plugins.filter.plan import FilterModule

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parents[1].name for path in ROOT.glob("roles/*/tasks/main.yml"))
MODULES = sorted(ROOT.glob("plugins/modules/*.py"), key=lambda path: path.stem)
# Of every module, in Ansible's own documentation; and what is said of a failure.
COMMON = {"changed", "diff", "msg"}
# Names that begin as a variable does and are none: databases, users, groups, a field, and a variable that is told to be gone.
OTHER_NAMES = {"mastodon_production", "pgbouncer_stats", "postgresql_primary", "postgresql_standby", "secrets_digest", "stack_pooler"}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def documented(path: Path, name: str) -> Any:
    """One of DOCUMENTATION, EXAMPLES and RETURN of a module."""
    nodes = ast.parse(path.read_text()).body
    return next(yaml.safe_load(ast.literal_eval(node.value)) for node in nodes
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name)


class Asked(Exception):
    """What a module gave to AnsibleModule."""


def specification(module: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def ask(argument_spec: dict[str, Any], **dummy: Any) -> None:
        raise Asked(argument_spec)

    imported = importlib.import_module(f"ansible_collections.sabakan.vps.plugins.modules.{module}")
    monkeypatch.setattr(imported, "AnsibleModule", ask)
    with pytest.raises(Asked) as asked:
        imported.main()
    return dict(asked.value.args[0])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_examples_of_a_module_are_what_it_takes(path, monkeypatch):
    validator = ArgumentSpecValidator(specification(path.stem, monkeypatch))
    calls = [task[f"sabakan.vps.{path.stem}"] or {} for task in documented(path, "EXAMPLES") if f"sabakan.vps.{path.stem}" in task]
    assert calls and [error for call in calls for error in validator.validate(call).error_messages] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_returns_what_its_documentation_says(path):
    """By their names in its code: what is given to exit_json, and that each that is documented is written somewhere."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("exit_json", "finish")]
    returned = {word.arg for call in calls for word in call.keywords if word.arg} - COMMON
    written = {node.value for node in nodes if isinstance(node, ast.Constant)} | {word.arg for word in nodes if isinstance(word, ast.keyword)}
    told = set(documented(path, "RETURN"))
    assert returned - told == set(), "returned and not documented"
    assert told - written == set(), "documented and never returned"


@pytest.mark.parametrize("name", ["address_plan", "connection_budget", "descriptor_budget", "queue_contract"])
def test_the_example_of_a_check_is_of_a_fleet_that_fits(name):
    (task,) = yaml.safe_load(load(ROOT / "plugins" / "filter" / f"{name}.yml")["EXAMPLES"])
    more = {"connection_budget": {"primary": "10.91.0.21"}, "queue_contract": {"version": "4.5"}}.get(name, {})
    report = FilterModule().filters()[name](task["vars"]["fleet"], **more)
    assert (report["ok"], report["errors"], report["warnings"]) == (True, [], [])


@pytest.mark.parametrize("role", ROLES)
def test_a_role_can_be_chosen_by_its_name_and_by_the_tags_of_its_readme(role):
    tags = [set(task.get("tags", [])) for task in load(ROOT / "roles" / role / "tasks" / "main.yml")]
    (line,) = re.findall(r"^Tags: .*", (ROOT / "roles" / role / "README.md").read_text(), re.MULTILINE)
    assert all(role in one for one in tags)
    assert set(re.findall(r"`(\w+)`", line)) == set.union(*tags)


def known_names() -> set[str]:
    """Variables of all roles, entry points, tags, modules, filters, and keys of stack_secrets."""
    names = {path.stem for path in ROOT.glob("plugins/*/*.*")} | OTHER_NAMES
    for role in ROLES:
        entries = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
        names |= {name for entry in entries.values() for name in entry.get("options") or {}} | {f"{role}_{entry}" for entry in entries}
        names |= {tag for task in load(ROOT / "roles" / role / "tasks" / "main.yml") for tag in task.get("tags", [])}
    contract = load(ROOT / "roles" / "stack" / "vars" / "main.yml")["__stack_contract"].values()
    return names | {"stack_secrets_file"} | {secret for needed in contract for secret in needed["secrets"]}


SPEAKING = [path for pattern in ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "changelogs/fragments/*", "playbooks/*", "inventories/**/*.yml",
                                 "roles/*/meta/*", "roles/*/tasks/*", "roles/*/vars/*", "plugins/**/*.yml", "plugins/**/*.py")
            for path in sorted(ROOT.glob(pattern)) if path.is_file()]


def test_a_variable_that_is_named_anywhere_exists():
    """In a message too: who follows it sets something that is read."""
    known, pattern = known_names(), re.compile(rf"(?<![\w./-])(?:{'|'.join(ROLES)})_[a-z0-9_]+(?![\w*(/])")
    strange = {f"{path.relative_to(ROOT)}: {name}" for path in SPEAKING for name in pattern.findall(path.read_text()) if name not in known}
    assert sorted(strange) == []


COMMANDS = [line for path in SPEAKING if path.suffix in (".md", ".yml") and path.parent.name not in ("tasks", "fragments")
            for line in path.read_text().splitlines() if re.search(r"^ {4}\S.* -e |^# .* -e ", line)]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_extra_variables_of_a_command_are_whole(command):
    """Of `-e name="two words"` the shell leaves no quotes, and Ansible takes the first word alone."""
    words = shlex.split(command)
    given = [parse_kv(words[index + 1]) for index, word in enumerate(words) if word == "-e"]
    assert given and not [variables for variables in given if "_raw_params" in variables]
