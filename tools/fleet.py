"""A fleet of test hosts: an inventory that says how to reach them, beside the one that says what they are."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools import images, machine_images
from tools.ground import CACHE, LOGS, ROOT, Failure, answers, run

FRIENDS_CAFE = ROOT / "inventories" / "friends_cafe"
# Fleets of that inventory. A test may run beside the demo, so has addresses of its own; the bench may not, whose figures that would spoil.
SAME_ADDRESSES = ("demo", "bench")
NETWORKS = {"cluster": "10.91.1.0/24"}
REPOSITORY = CACHE / "mastodon.git"
REFERENCE = "v1"
MACHINE_PORT = (
    "{{ (lookup('ansible.builtin.file', fleet_machines ~ '/' ~ inventory_hostname ~ '/settings.json') | from_json).port"
    " if fleet_kind | default('container') == 'machine' and inventory_hostname in groups.all else 22 }}"
)


def _cgroups(debian: str) -> str:
    """systemd 257 of Debian 13 wants the unified hierarchy, which a machine with v1 has beside the others."""
    unified = Path("/sys/fs/cgroup/unified")
    return str(unified) if debian == "13" and unified.is_dir() else "/sys/fs/cgroup"


def authorized_keys() -> Path:
    _key()
    return CACHE / "authorized_keys"


def _key() -> Path:
    key = CACHE / "ssh_key"
    if not key.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sabakan", "-f", key], log="ssh-keygen")
    public, authorized = Path(f"{key}.pub"), CACHE / "authorized_keys"
    # sshd takes no key that others than its user may write; the file is mounted as it is, so that one in use is not truncated.
    if not authorized.exists() or authorized.read_bytes() != public.read_bytes():
        shutil.copyfile(public, authorized)
    return key


def _hosts(network: str) -> dict[str, dict[str, str]]:
    """That inventory's hosts with the same last numbers in another network."""
    listed = subprocess.run(["ansible-inventory", "-i", str(FRIENDS_CAFE), "--list"], check=True, capture_output=True, text=True).stdout
    prefix = network.rpartition(".")[0]
    return {
        name: {"ansible_host": f"{prefix}.{variables['ansible_host'].rpartition('.')[2]}"}
        for name, variables in json.loads(listed)["_meta"]["hostvars"].items()
    }


def _variables(name: str, debian: str, path: Path) -> dict[str, Any]:
    """Only what is different because these hosts are containers and the application is the stand-in."""
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(_key()),
        # An emulated one greets late where this machine is busy.
        "ansible_ssh_timeout": 120,
        "fleet_name": name,
        "fleet_debian": debian,
        "fleet_image": "host",
        # Hosts with fleet_kind: machine; each has a port of this machine's loopback.
        "fleet_machines": str(path.parent / "machines"),
        "fleet_machine_images": {release: str(machine_images.directory(release, authorized_keys())) for release in images.SUITES},
        "fleet_machine_tool": [sys.executable, str(ROOT / "tools" / "machines.py")],
        "ansible_port": MACHINE_PORT,
        "fleet_images": {release: images.tags(release) for release in images.SUITES},
        "fleet_cgroups": {release: _cgroups(release) for release in images.SUITES},
        "fleet_gateway": "{{ stack_network | regex_replace('[0-9]+/[0-9]+$', '1') }}",
        "fleet_volumes": [f"{CACHE / 'authorized_keys'}:/root/.ssh/authorized_keys:ro", f"{REPOSITORY}:/srv/git/mastodon.git:ro"],
        "stack_secrets_file": str(path / "group_vars" / "all" / "secrets.yml"),
        "stack_release": {"repository": "file:///srv/git/mastodon.git", "ref": REFERENCE, "version": "4.5"},
        "mastodon_git_config": {"safe.directory": "/srv/git/mastodon.git"},
        "mastodon_bundle_config": {"path.system": "true"},
        # A container sees the memory and the disk of the whole machine.
        "postgresql_shared_buffers": 128,
        "postgresql_effective_cache_size": 512,
        "postgresql_max_slot_wal_keep_size": 1024,
        "redis_maxmemory": 256,
        "media_proxy_cache_size": 256,
        # So that a browser may open the demo by its address.
        "mastodon_environment": {"ALTERNATE_DOMAINS": "{{ (stack_frontends + ['localhost']) | join(',') }}"},
    }


def inventory(name: str, debian: str) -> Path:
    """Writes the fleet's own inventory (connection, images, release); its secrets stay from run to run.

    What is no inventory (figures, the authority's certificate) goes beside it: Ansible reads every file within.
    """
    path = CACHE / "fleets" / f"{name}-{debian}" / "inventory"
    everywhere = path / "group_vars" / "all"
    everywhere.mkdir(parents=True, exist_ok=True, mode=0o700)
    written, network = everywhere / "fleet.yml", NETWORKS.get(name)
    if written.exists() and json.loads(written.read_text()).get("stack_network") != network:
        # Its certificates are of the former addresses.
        (everywhere / "secrets.yml").unlink(missing_ok=True)
    hosts = _hosts(network) if network else {}
    variables = {**_variables(name, debian, path), **({"stack_network": network} if network else {})}
    (path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}) + "\n")
    # JSON is YAML; templates in it are for Ansible.
    written.write_text(json.dumps(variables, indent=2) + "\n")
    return path


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Failure where another process has this fleet in hand, of whichever release: each would remove the other's hosts."""
    path = CACHE / "fleets" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure(f"another ./sabakan has the hosts of `{name}` in hand", "await its end") from error
        yield


def refuse_beside(name: str) -> None:
    """Failure where another fleet has the same addresses, also one that a killed run left; Docker tells of an overlap alone."""
    for other in SAME_ADDRESSES:
        if other != name and answers(["docker", "network", "inspect", f"sabakan-{other}"]):
            left = f"sabakan-{other}"
            raise Failure(
                f"the fleet `{other}` is up and has the same addresses",
                "./sabakan demo --down" if other == "demo" else "await its run; what a killed one left is removed by:"
                f" docker rm --force --volumes $(docker ps --all --quiet --filter name=^{left}-); docker network rm {left}",
            )


def repository() -> None:
    """The stand-in's repository, which the hosts see at /srv/git/mastodon.git."""
    run([sys.executable, ROOT / "tests" / "mastodon" / "make_repository.py", REPOSITORY], log="repository")


def playbook(playbook_path: str, fleet: Path, *words: str, inventory_path: Path = FRIENDS_CAFE, statistics: Path | None = None) -> None:
    """Runs a playbook over an inventory and its fleet; progress a line a task, errors with host and message."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{fleet.parent.name}-{Path(playbook_path).stem}.log"
    command = ["ansible-playbook", "-i", str(inventory_path), "-i", str(fleet), playbook_path, *words]
    environment = {
        **os.environ,
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tools" / "callback"),
        "ANSIBLE_STDOUT_CALLBACK": "sabakan_progress",
        "ANSIBLE_LOG_PATH": str(log),
        "SABAKAN_STATISTICS": str(statistics or ""),
    }
    log.unlink(missing_ok=True)
    if subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        raise Failure(f"{Path(playbook_path).name} failed on the hosts named above", "mend what they say and run the same command again; it goes on where it stopped", None)


def up(fleet: Path, inventory_path: Path = FRIENDS_CAFE) -> None:
    playbook(str(ROOT / "molecule" / "resources" / "create.yml"), fleet, inventory_path=inventory_path)


def down(fleet: Path, inventory_path: Path = FRIENDS_CAFE) -> None:
    playbook(str(ROOT / "molecule" / "resources" / "destroy.yml"), fleet, inventory_path=inventory_path)
