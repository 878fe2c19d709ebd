"""The public face is typed: right calls pass mypy, wrong ones do not."""

import re
import subprocess
import sys
from pathlib import Path

from needs import missing

CASES = Path(__file__).parents[1] / "support" / "typing_cases.py"


def test_public_face_is_typed():
    """mypy complains of exactly the calls that are marked as wrong, and for the reason that is marked."""
    options = ["--strict", "--no-error-summary", "--show-error-codes", "--hide-error-context"]
    command = [sys.executable, "-m", "mypy", *options, "--cache-dir=/dev/null", str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CASES.parents[1])
    if "No module named mypy" in done.stderr:
        missing("mypy is not installed: pip install '.[lint]'")
    found = re.findall(r"typing_cases\.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    marked = [
        (str(number), line.partition("# error: ")[2])
        for number, line in enumerate(CASES.read_text().splitlines(), start=1)
        if "# error: " in line
    ]
    assert found == marked, done.stdout
    assert len(marked) > 8
