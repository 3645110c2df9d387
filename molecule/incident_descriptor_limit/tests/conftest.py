"""The host of both halves, and a way to run the collection against it."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])


@pytest.fixture(scope="module")
def edge(fleet):
    return fleet["edge-01"]


@pytest.fixture(scope="module")
def ansible():
    def run(program, *words):
        inventories = [f"--inventory={path}" for path in (SCENARIO / "inventory", os.environ["SABAKAN_FLEET"])]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run([program, *inventories, *words], capture_output=True, text=True, env=environment, check=False)
        # Long messages are folded.
        return SimpleNamespace(returncode=done.returncode, text=" ".join((done.stdout + done.stderr).split()))

    return run
