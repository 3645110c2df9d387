"""Writes the README of each role from its argument specs; with --check only tells which are not up to date.

Run with the environment's Python: `python tools/readmes.py [--check]`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
MARKUP = re.compile(r"\b(?:C|V|O|I|M|RV)\(([^)]*)\)")


def prose(value: str | list[str]) -> str:
    """Ansible's markup to Markdown, paragraphs joined by a space; safe within a table."""
    text = " ".join(value if isinstance(value, list) else [value])
    return MARKUP.sub(r"`\1`", text).replace("|", "\\|").replace("\n", " ").strip()


def literal(value: Any) -> str:
    """A default as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()
    return f"`{text}`" if text else ""


def rows(options: dict[str, Any], prefix: str = "") -> list[str]:
    lines = []
    for name, option in options.items():
        kind = option.get("type", "str") + (f" of {option['elements']}" if "elements" in option else "")
        default = "**required**" if option.get("required") else literal(option["default"]) if "default" in option else "computed" if not prefix else ""
        choices = f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}." if "choices" in option else ""
        lines.append(f"| `{prefix}{name}` | {kind} | {default} | {prose(option.get('description', ''))}{choices} |")
        lines += rows(option.get("options", {}), f"{prefix}{name}." if not prefix else f"{prefix}{name}.")
    return lines


def section(spec: dict[str, Any]) -> list[str]:
    """An entry point: what it does, and its variables."""
    lines = [f"{prose(spec['short_description'])}.", "", *[f"- {prose(line)}" for line in spec.get("description", [])]]
    if spec.get("options"):
        lines += ["", "| variable | type | default | what it is |", "| --- | --- | --- | --- |", *rows(spec["options"])]
    return lines


def readme(role: Path) -> str:
    """The README of a role."""
    entries = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    lines = [f"# {role.name}", "", *section(entries.pop("main"))]
    for name, spec in entries.items():
        lines += ["", f"## Entry point `{name}`", "", *section(spec)]
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text())
    tags = dict.fromkeys(tag for task in tasks for tag in task.get("tags", []))
    lines += [
        "", f"Tags: {', '.join(f'`{tag}`' for tag in tags)}.",
        "", "This page is made from `meta/argument_specs.yml` by `tools/readmes.py`.", "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for role in sorted(path.parent.parent for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")):
        path, text = role / "README.md", readme(role)
        if not path.exists() or path.read_text() != text:
            stale.append(role.name)
            if not check:
                path.write_text(text)
    if stale:
        print(f"{'not up to date' if check else 'written'}: {', '.join(stale)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
