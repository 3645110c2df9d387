"""Stands in for get-pip.py, which ansible-test wants to download: the pip that Python brings along, then pip itself."""

from __future__ import annotations

import os
import subprocess
import sys

if __name__ == "__main__":
    os.environ.pop("GET_PIP", None)
    subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
    wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
    sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
