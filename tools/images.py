"""The images of the test hosts, made from the Debian archive once and kept under a hash of their recipe and the week."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tools.ground import CACHE, ROOT, answers, run

RECIPE = ROOT / "molecule" / "resources" / "image"
SUITES = {"12": "bookworm", "13": "trixie"}
WEEK = time.strftime("%G%V")  # of the start: a run that goes on into the next one has made its images
YARN = "4.10.3"
NO_DOCUMENTS = ["doc", "man", "locale", "info"]


def packages(name: str) -> list[str]:
    """The package names of a list, comments left out."""
    return [line for line in (RECIPE / name).read_text().splitlines() if line and not line.startswith("#")]


def key() -> str:
    """Changes with the recipe, and once a week so that security updates come in."""
    digest = hashlib.sha256(YARN.encode())
    for path in sorted(RECIPE.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return f"{digest.hexdigest()[:12]}-{WEEK}"


def tags(debian: str) -> dict[str, str]:
    """The tags of a release's two images."""
    return {kind: f"sabakan/{kind}:{debian}-{key()}" for kind in ("bare", "host")}


def mirror() -> str:
    """The Debian archive that this machine itself uses; empty for mmdebstrap's own default."""
    found = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Component: main"],
        capture_output=True, text=True, check=False,
    ).stdout.split()
    plain = [uri for uri in found if "security" not in uri]
    return plain[0] if plain else ""


def _base(debian: str, scratch: Path) -> str:
    """A minimal Debian with what a provider's VPS has, imported as an image; its tag."""
    tag = f"sabakan/base:{debian}-{key()}"
    if not answers(["docker", "image", "inspect", tag]):
        archive = scratch / f"{debian}.tar"
        run(
            ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages('packages-bare.txt'))}",
             '--aptopt=Apt::Install-Recommends "false"', "--dpkgopt=force-unsafe-io",
             *[f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in NO_DOCUMENTS],
             SUITES[debian], archive, *[uri for uri in [mirror()] if uri]],
            log=f"base-{debian}", label=f"Making a minimal Debian {debian} (half a minute)",
            next_step="see that this machine reaches its Debian archive (apt-get update)",
        )
        run(["docker", "import", "--change", 'CMD ["/lib/systemd/systemd"]', archive, tag], log=f"import-{debian}")
    return tag


def _forget_old(debian: str) -> None:
    """Removes the images of before the last week, two gigabytes each; another run may have begun in that one."""
    kept = (WEEK, time.strftime("%G%V", time.localtime(time.time() - 7 * 86400)))
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=sabakan/*"], capture_output=True, text=True, check=False,
    ).stdout.split()
    for tag in listed:
        if re.fullmatch(rf"sabakan/(?:base|bare|host):{debian}-[0-9a-f]{{12}}-\d{{6}}", tag) and not tag.endswith(kept):
            subprocess.run(["docker", "image", "rm", tag], capture_output=True, check=False)


def ensure(debian: str, kinds: tuple[str, ...] = ("bare", "host")) -> None:
    """Builds what is missing of a release's images."""
    wanted = {kind: tag for kind, tag in tags(debian).items() if kind in kinds}
    missing = {kind: tag for kind, tag in wanted.items() if not answers(["docker", "image", "inspect", tag])}
    if not missing:
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        scratch = Path(name)
        base = _base(debian, scratch)
        context = scratch / "context"
        shutil.copytree(RECIPE, context)
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", context / "ca-certificates.crt")
        proxies = [f"--build-arg={name}" for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ]
        for kind, tag in missing.items():
            run(
                ["docker", "build", "--target", kind, "--tag", tag, *proxies, f"--build-arg=BASE={base}", f"--build-arg=YARN={YARN}",
                 f"--build-arg=PACKAGES={' '.join(packages('packages.txt') + packages(f'packages-{debian}.txt'))}", context],
                log=f"image-{kind}-{debian}", label=f"Building the image of the {kind} Debian {debian} (bare: seconds, host: two minutes)",
                env={"DOCKER_BUILDKIT": "0"},
            )
    _forget_old(debian)
