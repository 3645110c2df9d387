"""ansible-test's sanity tests of what users get, in a copy: ansible-test refuses links, and a checkout may be one."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tools import ground  # noqa: E402

CACHE = ground.CACHE / "sanity"

# The rest (tools, scenarios, the stand-in application) are programs, which ansible-test takes for modules.
PATHS = ("plugins/", "roles/", "playbooks/", "meta/", "tests/unit/")


def stand_in_for_get_pip() -> None:
    """Puts tools/get_pip.py where ansible-test looks before it downloads; the pip version is in its own source."""
    package = Path(importlib.import_module("ansible_test").__file__ or "").parent
    source = "".join(path.read_text() for path in (package / "_internal").glob("python_requirements.py"))
    for version in set(re.findall(r"['\"](\d+\.\d+(?:\.\d+)?)['\"]", source)) | {"24.2", "25.2"}:
        cached = Path.home() / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "tools" / "get_pip.py", cached)


def main() -> int:
    """Arguments are ansible-test's own: `--test pep8`, a path."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stand_in_for_get_pip()
    shutil.rmtree(CACHE, ignore_errors=True)
    subprocess.run(
        ["ansible-galaxy", "collection", "install", "--offline", "--force", "--no-deps", str(ROOT), "-p", str(CACHE)],
        check=True,
    )
    command = ["ansible-test", "sanity", "--local", "--python", python, "--color", "no", *(sys.argv[1:] or PATHS)]
    return subprocess.run(command, cwd=CACHE / "ansible_collections" / "sabakan" / "vps", check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
