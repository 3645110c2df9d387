"""The images of the machine tier: a disk, a kernel and an initial RAM disk a release, kept under a hash of their recipe and the week."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from tools import engine, images
from tools.ground import CACHE, ROOT, run

RECIPE = ROOT / "molecule" / "resources" / "machine"
PLACE = CACHE / "machines"
DISK = "6G"  # sparse
KEPT = 15 * 86400  # seconds that the images of other recipes stay
COMMANDS = {"qemu-system-x86_64": ["qemu-system-x86"], "qemu-img": ["qemu-utils"], "mkfs.ext4": ["e2fsprogs"]}


def _key(authorized_keys: Path) -> str:
    """Changes with the recipe and with who may log in, and once a week so that security updates come in."""
    digest = hashlib.sha256(authorized_keys.read_bytes() + DISK.encode())
    for path in sorted(RECIPE.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return f"{digest.hexdigest()[:12]}-{images.WEEK}"


def directory(debian: str, authorized_keys: Path) -> Path:
    """Where a release's disk.img, vmlinuz and initrd.img are, or will be."""
    return PLACE / f"{debian}-{_key(authorized_keys)}"


def _packages() -> list[str]:
    lines = (RECIPE / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _build(debian: str, authorized_keys: Path, made: Path) -> None:
    root = made / "root"
    run(
        ["mmdebstrap", "--variant=minbase", f"--include={','.join(_packages())}",
         '--aptopt=Apt::Install-Recommends "false"', "--dpkgopt=force-unsafe-io",
         *[f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in images.NO_DOCUMENTS],
         f"--customize-hook={RECIPE / 'after-packages'}",
         images.SUITES[debian], root, *[uri for uri in [images.mirror()] if uri]],
        log=f"machine-{debian}", label=f"Making a Debian {debian} that boots (a minute)",
        env={"AUTHORIZED_KEYS": str(authorized_keys)},
        next_step="see that this machine reaches its Debian archive (apt-get update)",
    )
    run(["truncate", "--size", DISK, made / "disk.img"], log=f"machine-disk-{debian}")
    run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", "-d", root, made / "disk.img"], log=f"machine-disk-{debian}")
    shutil.copyfile(next((root / "boot").glob("vmlinuz-*")), made / "vmlinuz")
    shutil.copyfile(root / "boot" / "initrd.img", made / "initrd.img")
    shutil.rmtree(root)


def _forget_old(kept: Path) -> None:
    for path in PLACE.glob("1?-*"):
        if path != kept and path.stat().st_mtime < time.time() - KEPT:
            shutil.rmtree(path, ignore_errors=True)


def ensure(debian: str, authorized_keys: Path) -> None:
    """Builds a release's image if it is missing; it has its name only when it is complete."""
    engine.ensure_commands(COMMANDS)
    PLACE.mkdir(parents=True, exist_ok=True)
    wanted = directory(debian, authorized_keys)
    with (PLACE / f"{debian}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in PLACE.glob(f"making-{debian}-*"):  # by a run that was killed: nobody else makes one now
            shutil.rmtree(left, ignore_errors=True)
        if wanted.exists():
            return
        with tempfile.TemporaryDirectory(dir=PLACE, prefix=f"making-{debian}-") as name:
            os.chmod(name, 0o755)  # mmdebstrap's own user passes through
            made = Path(name) / "image"
            made.mkdir()
            _build(debian, authorized_keys, made)
            made.rename(wanted)
        _forget_old(wanted)
