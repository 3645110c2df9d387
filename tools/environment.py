"""The virtual environment from the lock file, and the collection where Ansible looks for it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sys
from pathlib import Path

from tools import engine
from tools.ground import CACHE, ROOT, Failure, run

LOCK = ROOT / "requirements.lock"


def directory() -> Path:
    """One environment for each lock file and Python, so that a change of either starts anew."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return CACHE / f"venv-{digest}"


def _install(venv: Path) -> None:
    """The locked tools, by uv in seconds; by pip in minutes where uv does not reach an index that pip is set up for."""
    pip = [venv / "bin" / "pip", "install", "--quiet", "--require-hashes", "--requirement"]
    first = venv / "uv.txt"
    first.write_text(re.search(r"^uv==(?:.*\\\n)+.*$", LOCK.read_text(), re.MULTILINE)[0] + "\n")
    run([*pip, first], log="pip", label="Installing the locked tools into it (seconds to minutes)",
        next_step="see that pip reaches its package index, then run this again")
    try:
        run([venv / "bin" / "uv", "pip", "install", "--python", venv / "bin" / "python", "--require-hashes", "--requirement", LOCK], log="uv")
    except Failure:
        run([*pip, LOCK], log="pip", label="uv does not reach its index; installing by pip (minutes)",
            next_step="see that pip reaches its package index, then run this again")


def _made(venv: Path) -> Path:
    """The environment is there, and the collection in the tree that is returned."""
    done = venv / ".complete"
    if not done.exists():
        engine.ensure_packages()
        run([sys.executable, "-m", "venv", "--clear", venv], log="venv", label="Making the virtual environment")
        _install(venv)
        done.touch()
    tree = CACHE / "tree" / hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    link = tree / "ansible_collections" / "sabakan" / "vps"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT)
    return tree


def ensure() -> Path:
    """The environment's bin directory, made when it is not there or was not finished."""
    venv = directory()
    CACHE.mkdir(parents=True, exist_ok=True)
    # Another run may be making it: emptied now, it would be broken for both.
    with (CACHE / "environment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = _made(venv)
    os.environ.update({
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(venv),
        "ANSIBLE_COLLECTIONS_PATH": str(tree),
        "PYTHONPATH": str(tree),
        "ANSIBLE_CONFIG": str(ROOT / "tools" / "ansible.cfg"),
        "PYTHONDONTWRITEBYTECODE": "1",
    })
    return venv / "bin"
