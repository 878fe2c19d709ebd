"""Programs that tests need and pip does not install."""

import os
import re
import shutil
import subprocess
from functools import cache
from typing import NoReturn

import pytest

# Where the package is not named like the program.
PACKAGES = {
    "promtool": "promtool (in Debian 12: prometheus)",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "node": "nodejs",
}


def needs(program: str) -> str:
    """The path of a program; without it the test is skipped, or fails where CI=true."""
    path = shutil.which(program)
    if path is None:
        missing(f"{program} is not installed: apt-get install {PACKAGES.get(program, program)}")
    return path


def missing(why: str) -> NoReturn:
    """Ends the test because something is not there: a skip, or a failure where CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


@cache
def version(path: str) -> int:
    """The major version of a program of Prometheus."""
    told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True)
    return int(re.search(r"version (\d+)", told.stdout + told.stderr)[1])


def promtool(major: int) -> str:
    """The path of a promtool of this version; without it the test is skipped.

    Besides PATH, folders in PROMTOOL_PATH are looked into: two versions cannot be installed side by side.
    """
    folders = [None, *filter(None, os.environ.get("PROMTOOL_PATH", "").split(os.pathsep))]
    found = dict.fromkeys(filter(None, (shutil.which("promtool", path=folder) for folder in folders)))
    fitting = next((path for path in found if version(path) == major), None)
    if fitting is None:
        if not found:
            needs("promtool")
        pytest.skip(f"no promtool of version {major} in PATH or PROMTOOL_PATH: see tests/support/prometheus_3")
    return fitting
