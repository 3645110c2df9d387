#!/usr/bin/env python3
"""A machine of the test tier with a kernel of its own: QEMU without acceleration, on the loopback alone.

A machine is a directory: settings.json (what it is), disk.qcow2 (an overlay of the image), DISK.qcow2 of each further
disk, console.log (its serial console, all starts) and pid while it runs. The machine finds this machine's loopback at
10.0.2.2. No QEMU of a directory outlives `destroy`: they are found by their arguments, not by a file that may be lost.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

EMULATOR = "qemu-system-x86_64"
PORTS = range(20000, 30000)  # below those that the kernel gives to whoever connects
# 16-byte exchanges panic Linux 6.12 under QEMU 7.2 (wrong flags); five-level page tables only make the emulation slower.
PROCESSOR = "max,-cx16,-la57"
BOOTED = "Linux version "
RELEASE = 30  # seconds that an emulator may take to end when it is no longer to be seen


class MachineError(Exception):
    """What is wrong with a machine, for whoever runs the tests."""


@dataclass
class Settings:
    """What a machine is, as `fleet_machine` of an inventory gives it."""

    image: str = ""  # directory of disk.img, vmlinuz, initrd.img
    memory: int = 768  # MiB
    processors: int = 2
    disks: dict[str, str] = field(default_factory=dict)  # name: size, empty, at /dev/disk/by-id/virtio-NAME
    clock: str = ""  # 2026-07-14T03:29:00 (UTC): the clock's start at each start of the machine; empty for the real time
    on_reboot: str = "again"  # again, or exit: the emulator ends where the machine would start again
    kernel_arguments: str = ""
    instruction: int = 0  # ns, 1, 2, 4...: time is counted by instructions, so that a busy host makes no clock late; 0 for the host's time
    port: int = 0  # on 127.0.0.1, chosen when 0


def _free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise MachineError(f"no free port in 100 of {PORTS.start}-{PORTS.stop}")


def _emulators() -> list[tuple[int, Path]]:
    """(process number, machine's directory) of all that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name == EMULATOR and "-pidfile" in words:
                found.append((int(path.name), Path(words[words.index("-pidfile") + 1]).parent))
    return found


def clear(directory: Path) -> None:
    """Destroys every machine below a directory, and those whose directory is gone."""
    directory = directory.absolute()
    for place in {path for _, path in _emulators() if path.parent == directory} | set(directory.glob("*/")):
        Machine(place).destroy()
    shutil.rmtree(directory, ignore_errors=True)


class Machine:
    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory).absolute()
        self.name = self.directory.name
        if "," in str(self.directory):
            raise MachineError(f"{self.directory}: QEMU cannot have a comma in a path")

    @property
    def settings(self) -> Settings:
        try:
            return Settings(**json.loads((self.directory / "settings.json").read_text()))
        except FileNotFoundError as error:
            raise MachineError(f"{self.directory}: no machine was created here") from error

    @property
    def port(self) -> int:
        return self.settings.port

    def create(self, settings: Settings) -> None:
        """A fresh machine, not started; what was left of one of this name goes away."""
        self.destroy()
        self.directory.mkdir(parents=True)
        settings.port = settings.port or _free_port()
        base = Path(settings.image).absolute() / "disk.img"
        self._image("create", "-f", "qcow2", "-F", "raw", "-b", str(base), "disk.qcow2")
        for name, size in settings.disks.items():
            self._image("create", "-f", "qcow2", f"{name}.qcow2", size)
        # Last: what has settings is complete.
        (self.directory / "settings.json").write_text(json.dumps(asdict(settings), indent=2) + "\n")

    def _image(self, *words: str) -> None:
        done = subprocess.run(["qemu-img", *words], cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MachineError(f"{self.directory}: qemu-img {' '.join(words)}: {done.stderr.strip()}")

    def _command(self, settings: Settings, clock: str, on_reboot: str) -> list[str]:
        thread, time_of = ("single", "vm") if settings.instruction else ("multi", "host")
        image = Path(settings.image).absolute()
        identity = hashlib.sha256(str(self.directory).encode()).hexdigest()[:32]
        # An emulated clock is late when the machine is busy; that is no fault to look for.
        kernel = (f"console=ttyS0 loglevel=6 mitigations=off apparmor=0 audit=0 selinux=0 nokaslr nowatchdog no_timer_check tsc=reliable "
                  f"rcupdate.rcu_expedited=1 net.ifnames=0 systemd.show_status=no systemd.hostname={self.name} systemd.machine_id={identity} {settings.kernel_arguments}")
        command = [
            EMULATOR, "-nodefaults", "-no-user-config", "-display", "none", "-accel", f"tcg,thread={thread},tb-size=256", "-cpu", PROCESSOR,
            "-m", str(settings.memory), "-smp", str(settings.processors), "-rtc", f"base={clock or 'utc'},clock={time_of}",
            "-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img"), "-append", kernel,
            "-netdev", f"user,id=network,hostfwd=tcp:127.0.0.1:{settings.port}-:22",
            "-device", "virtio-net-pci,netdev=network,romfile=", "-device", "virtio-rng-pci",
            "-chardev", f"file,id=console,path={self.directory / 'console.log'},append=on", "-serial", "chardev:console",
            "-daemonize", "-pidfile", str(self.directory / "pid"),
        ]
        if settings.instruction:
            command += ["-icount", f"shift={settings.instruction.bit_length() - 1},sleep=on"]
        if on_reboot == "exit":
            command.append("-no-reboot")
        # writeback: what the machine has synced survives the kill of its emulator, what it has not need not.
        for name in ["disk", *settings.disks]:
            command += ["-drive", f"if=none,id={name},file={self.directory / name}.qcow2,cache=writeback",
                        "-device", f"virtio-blk-pci,drive={name},serial={name}"]
        return command

    def pids(self) -> list[int]:
        """The emulators of this machine."""
        return [pid for pid, directory in _emulators() if directory == self.directory]

    @property
    def running(self) -> bool:
        return bool(self.pids())

    def start(self, clock: str | None = None, on_reboot: str | None = None, kernel_arguments: str = "") -> None:
        """Starts it with the disks as they are; returns when it is powered on, not when it is up."""
        if self.running:
            raise MachineError(f"{self.directory}: the machine runs already")
        settings = self.settings
        settings.kernel_arguments += f" {kernel_arguments}"
        command = self._command(
            settings, settings.clock if clock is None else clock, settings.on_reboot if on_reboot is None else on_reboot
        )
        deadline = time.monotonic() + RELEASE
        while True:
            done = subprocess.run(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if not done.returncode:
                return
            # The kernel takes an ending process's words from /proc before it closes its files: locks and port are held so long.
            if not any(held in done.stderr for held in (" lock", "forwarding rule")) or time.monotonic() > deadline:
                raise MachineError(f"{self.directory}: QEMU exits with {done.returncode}: {done.stderr.strip()}")
            time.sleep(0.2)

    def kill(self) -> None:
        """A power cut."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.await_exit(30)

    def await_exit(self, timeout: float) -> None:
        """Until it is powered off: by `kill`, by `poweroff`, or by a reboot with on_reboot exit."""
        deadline = time.monotonic() + timeout
        while self.running:
            if time.monotonic() > deadline:
                raise MachineError(f"{self.directory}: the machine still runs after {timeout:.0f} s")
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether its sshd greets; on a busy machine that takes seconds, each further attempt more of them."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=20) as stream:
            return stream.recv(4) == b"SSH-"
        return False

    def await_ssh(self, timeout: float = 300) -> None:
        deadline = time.monotonic() + timeout
        while not self.answers():
            if not self.running:
                raise MachineError(f"{self.directory}: the machine is off; its console ends:\n{self.console[-1500:]}")
            if time.monotonic() > deadline:
                raise MachineError(f"{self.directory}: no ssh after {timeout:.0f} s; its console ends:\n{self.console[-1500:]}")
            time.sleep(0.3)

    @property
    def console(self) -> str:
        """Its serial console, of all starts."""
        path = self.directory / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def boots(self) -> int:
        """How often a kernel has started."""
        return self.console.count(BOOTED)

    def await_boots(self, count: int, timeout: float) -> None:
        """Until a kernel has started so often."""
        deadline = time.monotonic() + timeout
        while self.boots < count:
            if time.monotonic() > deadline:
                raise MachineError(f"{self.directory}: {self.boots} boots after {timeout:.0f} s, {count} awaited")
            time.sleep(0.2)

    def destroy(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in {
        "create": "make it anew and start it", "start": "start it with its disks as they are", "kill": "cut its power",
        "await": "wait for its ssh", "destroy": "remove it and all that is its",
        "clear": "remove all machines whose directories are in this one", "console": "print its serial console",
        "show": "print its settings and whether it runs",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("directory", type=Path)
        if name == "create":
            command.add_argument("settings", help="JSON of " + ", ".join(Settings.__dataclass_fields__))
        if name == "start":
            command.add_argument("--clock", help="UTC, as 2026-07-14T03:29:00; empty for the real time")
            command.add_argument("--on-reboot", choices=["again", "exit"])
        if name == "await":
            command.add_argument("--timeout", type=float, default=300)
    return top


def main(words: list[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    machine = Machine(arguments.directory)
    try:
        if arguments.command == "create":
            try:
                settings = Settings(**json.loads(arguments.settings))
            except (TypeError, ValueError) as error:
                raise MachineError(f"{machine.name}: settings: {error}") from error
            machine.create(settings)
            machine.start()
            print(machine.port)
        elif arguments.command == "start":
            machine.start(arguments.clock, arguments.on_reboot)
        elif arguments.command == "clear":
            clear(arguments.directory)
        elif arguments.command == "await":
            machine.await_ssh(arguments.timeout)
        elif arguments.command == "console":
            print(machine.console, end="")
        elif arguments.command == "show":
            print(json.dumps({**asdict(machine.settings), "running": machine.running, "boots": machine.boots}, indent=2))
        else:
            getattr(machine, arguments.command)()
    except MachineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
