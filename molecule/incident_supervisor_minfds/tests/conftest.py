"""The host of both halves, and the collection run against it."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])


@pytest.fixture(scope="module")
def bots(fleet):
    return fleet["bots-01"]


@pytest.fixture(scope="module")
def ansible():
    def run(program, *words):
        inventories = [f"--inventory={path}" for path in (SCENARIO / "inventory", os.environ["SABAKAN_FLEET"])]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run([program, *inventories, *words], capture_output=True, text=True, env=environment, check=False)
        # Long messages are folded.
        return SimpleNamespace(returncode=done.returncode, output=done.stdout, text=" ".join((done.stdout + done.stderr).split()))

    return run


@pytest.fixture(scope="module")
def descriptors(ansible):
    """What descriptor_info returns for its arguments."""
    def read(**arguments):
        done = ansible("ansible", "bots-01", "-m", "sabakan.vps.descriptor_info", "-a", json.dumps(arguments))
        assert done.returncode == 0, done.text
        return json.loads(done.output.partition("=> ")[2])

    return read
