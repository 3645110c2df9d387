# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay true of every role and module, so that each stays like the first."""

from __future__ import annotations

import ast
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
STEPS = ("preflight", "install", "configure", "run", "verify")
# `stack` computes over all hosts, `secrets` makes what they share: they are the one place that knows hosts.
KNOW_HOSTS = {"stack", "secrets"}
TASK_LINES = 80
CODE_LINES = 150
OTHERS = [role for role in ROLES if role not in KNOW_HOSTS]
CONDITIONS = {"when", "that", "failed_when", "changed_when", "until"}
FACTS = "distribution|hostname|fqdn|mem|processor|default_ipv4|os_family|all_ipv4|architecture|virtualization|service_mgr|mounts"


class Loader(yaml.SafeLoader):
    """YAML with Ansible's own tags, which do not matter here."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))


@functools.cache
def load(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader) if path.exists() else None


def role_files(role: str, *folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / "roles" / role / folder).rglob("*")) if path.is_file()]


def defaults(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "defaults" / "main.yml") or {}


def options(role: str) -> dict[str, Any]:
    """Those of every entry point."""
    specs = load(ROOT / "roles" / role / "meta" / "argument_specs.yml") or {}
    return {name: option for entry in specs.get("argument_specs", {}).values() for name, option in (entry.get("options") or {}).items()}


def is_computed(value: Any) -> bool:
    """Whether a default holds a template anywhere: the spec cannot repeat it."""
    if isinstance(value, dict):
        return any(map(is_computed, value.values()))
    if isinstance(value, list):
        return any(map(is_computed, value))
    return isinstance(value, str) and "{{" in value


def texts(value: Any, key: str = "") -> list[str]:
    """What Jinja evaluates in a YAML value: its expressions, and the whole of a condition."""
    if isinstance(value, dict):
        return [text for name, item in value.items() for text in texts(item, str(name))]
    if isinstance(value, list):
        return [text for item in value for text in texts(item, key)]
    return [value] if isinstance(value, str) and key in CONDITIONS else expressions(str(value))


def expressions(text: str) -> list[str]:
    return re.findall(r"\{[{%].*?[%}]\}", text, re.DOTALL)


def reads(role: str, pattern: str, *folders: str) -> list[str]:
    """`file: expression` of what reads a variable of that name; strings and attributes are none."""
    found = []
    for path in role_files(role, *folders):
        evaluated = texts(load(path)) if path.suffix == ".yml" else expressions(path.read_text(errors="replace"))
        for text in evaluated:
            bare = re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)
            match = re.search(rf"(?<![\w.])({pattern})(?![\w=])", bare)
            if match:
                found.append(f"{path.relative_to(ROOT)}: {match.group(1)} in {' '.join(text.split())[:120]}")
    return found


def hits(paths: list[Path], pattern: str) -> list[str]:
    """`file:line: text` of every line that matches."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_are_those_of_the_spec(role):
    given, specified = defaults(role), options(role)
    wrong = [f"{name}: has a default and is not in the spec" for name in given.keys() - specified.keys()]
    for name, option in specified.items():
        if name not in given:
            if "default" in option:
                wrong.append(f"{name}: the spec has a default, defaults/main.yml has not")
            elif role != "stack" and not option.get("required") and "default" not in str(option.get("description", "")).lower():
                wrong.append(f"{name}: neither required, nor with a default, nor described as having one by default")
        elif is_computed(given[name]):
            if "default" in option:
                wrong.append(f"{name}: its default is computed, so that the spec must have none")
        elif option.get("default") != given[name]:
            wrong.append(f"{name}: {given[name]!r} in defaults/main.yml, {option.get('default')!r} in the spec")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_bears_the_name_of_its_role(role):
    names = [name for name in defaults(role) if not name.startswith((f"{role}_", f"__{role}_"))]
    for path in role_files(role, "vars"):
        names += [name for name in load(path) or {} if not name.startswith(f"__{role}_")]
    text = "\n".join(path.read_text() for path in role_files(role, "tasks"))
    names += [name for name in re.findall(r"^\s+register: (\S+)", text, re.MULTILINE) if not name.startswith(f"__{role}_")]
    assert not names


@pytest.mark.parametrize("role", OTHERS)
def test_only_the_defaults_read_the_stack(role):
    found = reads(role, r"stack_\w+", "tasks", "templates", "vars", "handlers")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", options("stack"))
def test_a_variable_of_the_stack_is_read_by_a_role(name):
    files = [path for role in ROLES for path in role_files(role, "defaults", "tasks", "vars")]
    assert any(re.search(rf"\b{name}\b", path.read_text()) for path in files), "who sets it changes nothing"


def test_the_contract_stays_small():
    """Fifteen at most, and no role's default reads one that is not in it."""
    text = "\n".join(path.read_text() for role in OTHERS for path in role_files(role, "defaults"))
    read = set(re.findall(r"\bstack_\w+", text))
    assert read <= options("stack").keys() and len(options("stack")) <= 15


@pytest.mark.parametrize("role", OTHERS)
def test_a_role_knows_no_host_but_its_own(role):
    found = reads(role, "hostvars|groups|group_names|play_hosts", "defaults", "tasks", "templates", "vars")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", OTHERS)
def test_a_role_reads_no_other_roles_variables(role):
    names = [name for other in ROLES if other != role for name in [*map(re.escape, defaults(other)), rf"__{other}_\w+"]]
    found = reads(role, "|".join(names), "defaults", "tasks", "templates", "vars")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", ROLES)
def test_facts_come_from_ansible_facts(role):
    found = reads(role, rf"ansible_({FACTS})\w*", "defaults", "tasks", "templates", "vars")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", OTHERS)
def test_the_main_tasks_only_import_the_steps_in_their_order(role):
    tasks = load(ROOT / "roles" / role / "tasks" / "main.yml")
    steps = [task.get("ansible.builtin.import_tasks", "").removesuffix(".yml") for task in tasks]
    assert steps == [step for step in STEPS if step in steps], f"main.yml imports {steps}"
    untagged = [step for step, task in zip(steps, tasks) if not {role, f"{role}_{step}"} <= set(task.get("tags", []))]
    assert not untagged, f"without the tags {role} and {role}_<step>: {untagged}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_meta(role):
    info = (load(ROOT / "roles" / role / "meta" / "main.yml") or {}).get("galaxy_info", {})
    assert info.get("description") and info.get("license") == "GPL-3.0-or-later"
    assert load(ROOT / "roles" / role / "meta" / "argument_specs.yml"), "meta/argument_specs.yml is missing"


@pytest.mark.parametrize("role", ROLES)
def test_a_truth_is_read_as_one(role):
    """INI and -e give the word "false", which is true to Jinja; what passes a variable on as it is, to a plugin, does not judge it."""
    names = [name for name, option in options(role).items() if option["type"] == "bool"]
    evaluated = [text for path in role_files(role, "tasks", "templates", "vars") for text in (
        texts(load(path)) if path.suffix == ".yml" else expressions(path.read_text(errors="replace")))]
    bare = [re.sub(r"'[^']*'|\"[^\"]*\"", "''", text) for text in evaluated]
    found = [text for name in names for text in bare if re.search(rf"\b{name}\b(?! *\| *bool)", text) and text != f"{{{{ {name} }}}}"]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", [role for role in ROLES if (ROOT / "roles" / role / "tasks" / "declare.yml").exists()])
def test_a_declaration_is_one_fact(role):
    tasks = load(ROOT / "roles" / role / "tasks" / "declare.yml")
    assert [list(task.get("ansible.builtin.set_fact", {})) for task in tasks] == [[f"__{role}_declaration"]]


def test_every_role_of_a_host_may_stand_in_stack_services():
    """The plan asks each for its declaration; one that has none must be known to have none."""
    silent = {role for role in OTHERS if not (ROOT / "roles" / role / "tasks" / "declare.yml").exists()}
    assert silent == set(load(ROOT / "roles" / "stack" / "vars" / "main.yml")["__stack_without_declaration"])


def test_no_roles_name_begins_another():
    pairs = [pair for pair in itertools.permutations(ROLES, 2) if pair[1].startswith(f"{pair[0]}_")]
    assert not pairs


@pytest.mark.parametrize("role", ROLES)
def test_no_restart_hangs_on_a_notice(role):
    found = hits(role_files(role, "tasks"), r"^\s*notify:") + [str(path) for path in role_files(role, "handlers")]
    found += hits(role_files(role, "tasks"), r"ansible\.builtin\.lineinfile")
    assert not found, "\n".join(found)


def test_packages_await_those_that_the_host_installs_by_itself():
    """cloud-init and unattended-upgrades hold apt's lock for minutes after the first boot; the module awaits it for one."""
    texts = {path: path.read_text() for path in [*(ROOT / "roles").glob("*/tasks/*.yml"), *(ROOT / "playbooks").glob("*.yml")]}
    assert not [path for path, text in texts.items() if text.count("ansible.builtin.apt:") != text.count("lock_timeout: 600")]


@pytest.mark.parametrize("role", ROLES)
def test_tasks_stay_short(role):
    lines = {
        str(path.relative_to(ROOT)): sum(bool(line.strip()) for line in path.read_text().splitlines())
        for path in role_files(role, "tasks")
    }
    assert not {path: count for path, count in lines.items() if count >= TASK_LINES}


def code_lines(path: Path) -> int:
    """Lines of a module without its documentation, comments and empty ones."""
    text = path.read_text()
    documentation = {
        number
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("DOCUMENTATION", "EXAMPLES", "RETURN")
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for number, line in lines if number not in documentation and line.strip() and not line.startswith("#"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_thin(module):
    assert code_lines(ROOT / "plugins" / "modules" / f"{module}.py") < CODE_LINES


def converged() -> list[str]:
    """The roles that a scenario converges: by name, or all of them by the whole site."""
    text = "\n".join(path.read_text() for path in (ROOT / "molecule").rglob("*.yml"))
    return ROLES if re.search(r"sabakan\.vps\.site|playbooks/site\.yml", text) else [role for role in ROLES if f"sabakan.vps.{role}" in text]


def is_tested(module: str) -> bool:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "unit" / "plugins").rglob("test_*.py"))
    tasks = "\n".join(path.read_text() for role in converged() for path in role_files(role, "tasks"))
    return bool(re.search(rf"\b{module}\b", tests)) or f"sabakan.vps.{module}:" in tasks


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_tested(module):
    assert is_tested(module), "neither a unit test names it, nor does a role that a scenario converges"


PROGRAMS = sorted(path for path in (ROOT / "roles").glob("*/files/*") if path.is_dir())


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_program_on_a_host_needs_nothing_but_pythons_own(path):
    """It has to work when no playbook runs, whatever a host has installed; utils of the modules are put beside it, and another program."""
    beside = {util for util in UTILS if re.search(rf"\b{util}\.py\b", "".join(file.read_text() for file in role_files(path.parents[1].name, "tasks", "vars")))}
    files = [*path.glob("*.py"), *(UTILS[util] for util in beside)]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    assert len(files) > 3 and {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {one.name for one in PROGRAMS} == set()


UTILS = {path.stem: path for path in (ROOT / "plugins" / "module_utils").glob("_*.py")}


@pytest.mark.parametrize("util", sorted(UTILS))
def test_a_module_util_is_tested(util):
    """By a table of its own, or of the util that it was split off; one that only reads and acts, with its module."""
    def has_table(name: str) -> bool:
        return (ROOT / "tests" / "unit" / "plugins" / "module_utils" / f"test_{name}.py").exists()

    users = [name for name, path in UTILS.items() if re.search(rf"import.*\b{util}\b|\.{util} import", path.read_text())]
    modules = [module for module in MODULES if util in (ROOT / "plugins" / "modules" / f"{module}.py").read_text()]
    assert any(map(has_table, [util, *users])) or any(map(is_tested, modules)), f"test_{util}.py is missing"


@pytest.mark.parametrize("path", sorted((ROOT / "changelogs" / "fragments").glob("*")), ids=lambda path: path.name)
def test_a_changelog_fragment_parses(path):
    sections = load(ROOT / "changelogs" / "config.yaml")["sections"]
    known = {name for name, dummy in sections} | {"release_summary", "trivial"}
    fragment = load(path)
    assert path.suffix == ".yml" and isinstance(fragment, dict) and fragment.keys() <= known
    assert all(isinstance(line, str) for lines in fragment.values() for line in ([lines] if isinstance(lines, str) else lines))


def test_no_tracked_file_names_a_registry_or_a_machine():
    """Where packages come from is the business of the machine that installs them."""
    words = ["deb.debian" + ".org", "pypi" + ".org", "npmjs" + ".", "files.pythonhosted" + ".org", "/work" + "/", "rubygems" + ".org"]
    command = ["git", "-C", str(ROOT), "grep", "-nIF", *itertools.chain.from_iterable(("-e", word) for word in words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode > 1:
        pytest.skip("not a git checkout")
    assert not result.stdout, result.stdout


def test_a_built_collection_has_nobodys_secrets(tmp_path):
    """The README has one's own inventory beside friends_cafe, and the collection built again for an upgrade."""
    for name in ("galaxy.yml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "inventories" / "friends_cafe", tmp_path / "inventories" / "mine")
    (tmp_path / "inventories" / "mine" / "group_vars" / "all" / "secrets.yml").write_text("stack_secrets: {redis_password: hunter2}\n")
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", str(tmp_path / "built")], cwd=tmp_path, check=True, capture_output=True)
    with tarfile.open(next((tmp_path / "built").glob("*.tar.gz"))) as archive:
        names = archive.getnames()
    assert "inventories/mine/hosts.yml" in names and not [name for name in names if name.endswith("secrets.yml")]


def test_a_built_collection_installs_and_ansible_doc_shows_all_of_it(tmp_path):
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "HOME": str(tmp_path)}
    environment.pop("PYTHONPATH", None)  # by which the checkout itself is found

    def told(*command):
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    told("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), str(ROOT))
    (archive,) = tmp_path.glob("*.tar.gz")
    told("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "--force", "--collections-path", str(tmp_path), str(archive))
    shown = {kind: set(json.loads(told("ansible-doc", "--json", "--list", "--type", kind, "sabakan.vps"))) for kind in ("module", "role")}
    assert shown == {"module": {f"sabakan.vps.{name}" for name in MODULES}, "role": {f"sabakan.vps.{name}" for name in ROLES}}
