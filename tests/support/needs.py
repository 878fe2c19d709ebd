"""Programs that tests need and pip does not install."""

import os
import shutil
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
