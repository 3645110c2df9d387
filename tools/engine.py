"""The machine's own packages and the Docker engine: Debian's, started when none answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tools.ground import LOGS, Failure, answers, run, say

# command: packages that bring it, the first that the release has
COMMANDS = {
    "dockerd": ["docker.io"],
    "docker": ["docker-cli", "docker.io"],
    "iptables": ["iptables"],
    "mmdebstrap": ["mmdebstrap"],
    "ssh": ["openssh-client"],
    "git": ["git"],
    "openssl": ["openssl"],
}
FILES = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
INSTANCES = 1024
_updated = False


def apt_install(packages: list[str]) -> None:
    """Installs Debian packages on this machine, by root alone."""
    global _updated
    if os.geteuid():
        raise Failure(f"packages are missing on this machine: {' '.join(packages)}", "run ./sabakan as root, or install them")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    if not _updated:
        run(["apt-get", "update", "-q"], log="apt-update", label="Updating the package lists")
        _updated = True
    run(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
        log="apt-install", label=f"Installing {' '.join(packages)}", env=environment,
    )


def _known(package: str) -> bool:
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return shown.returncode == 0 and bool(shown.stdout.strip())


def _missing() -> list[str]:
    missing = {package for path, package in FILES.items() if not Path(path).exists()}
    if not answers(["python3", "-c", "import venv, ensurepip"]):
        missing.add("python3-venv")
    return sorted(missing)


def ensure_packages() -> None:
    """What a bare Debian lacks for the demo and the tests."""
    ensure_commands(COMMANDS, _missing())


def ensure_commands(commands: dict[str, list[str]], others: Sequence[str] = ()) -> None:
    """Installs the packages of the commands that are missing, and others."""
    global _updated
    missing = sorted({choices[0] for command, choices in commands.items() if not shutil.which(command)} | set(others))
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failure(f"this machine has no apt-get, and lacks what these bring: {' '.join(missing)}", "a Debian 12 or 13 machine")
    if not os.geteuid() and not _updated:
        run(["apt-get", "update", "-q"], log="apt-update", label="Updating the package lists")
        _updated = True
    # docker.io of Debian 12 carries its client, Debian 13 has a package for it.
    known = [name for name in missing if _known(name)]
    if not known:
        # The update of one that does not reach its archive succeeds, with a warning.
        raise Failure(f"missing on this machine, and not in its package lists: {' '.join(missing)}",
                      "see that this machine reaches its Debian archive (apt-get update, as root)")
    apt_install(known)
    still = [command for command in commands if not shutil.which(command)]
    if still:
        raise Failure(f"not found after installing {' '.join(missing)}: {' '.join(still)}", "install them by hand")


def ensure_instances() -> None:
    """Each systemd takes about five inotify instances of the kernel's 128 for a user; without them it does not boot."""
    path = Path("/proc/sys/fs/inotify/max_user_instances")
    if int(path.read_text()) < INSTANCES:
        try:
            path.write_text(f"{INSTANCES}\n")
        except OSError as error:
            raise Failure(f"fs.inotify.max_user_instances cannot be raised to {INSTANCES}: {error}", f"sysctl -w fs.inotify.max_user_instances={INSTANCES}") from error


def _forget_dead() -> None:
    """An engine that was killed leaves its numbers behind; if others have them now, the next one refuses to start."""
    for path in (Path("/run/docker.pid"), Path("/run/docker/containerd/containerd.pid")):
        try:
            number = path.read_text().strip()
        except OSError:
            continue
        name = Path(f"/proc/{number}/comm")
        if not name.exists() or name.read_text().strip() not in ("dockerd", "containerd"):
            path.unlink(missing_ok=True)


def _ensure_own() -> None:
    """The hosts are to be reached by their addresses, and see files of this machine."""
    shown = subprocess.run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], capture_output=True, text=True, check=False)
    host = shown.stdout.strip()
    if host and not host.startswith("unix://"):
        raise Failure(f"docker is set up for the engine of another machine, {host}", "unset DOCKER_HOST; docker context use default")


def ensure() -> None:
    """A Docker engine that answers: the one that is there, systemd's, or one started here."""
    ensure_packages()
    _ensure_own()
    ensure_instances()
    if answers(["docker", "info"]):
        return
    log = LOGS / "dockerd.log"
    LOGS.mkdir(parents=True, exist_ok=True)
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"], log="dockerd", label="Starting the Docker engine")
    else:
        say("Starting a Docker engine, as none answers")
        _forget_dead()
        with log.open("wb") as stream:
            subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True)
    deadline = time.monotonic() + 60
    while not answers(["docker", "info"]):
        if time.monotonic() > deadline:
            raise Failure("the Docker engine does not answer after 60 s", "read its log; is the kernel's bridge and overlay there?", log)
        time.sleep(0.5)
