"""The public face is typed: right calls pass mypy, wrong ones do not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from needs import missing

import bpexporter

PACKAGE = Path(__file__).parents[2] / "bpexporter"
CASES = Path(__file__).parents[1] / "support" / "typing_cases.py"

# A slot on each way of a queue's hot path, and one that does not exist.
MISSPELT = {
    "methods.py": "ledger.band_since = now",
    "hooked.py": "ledger.depth = depth",
    "general.py": "ledger.puts += 1",
    "fallback.py": "ledger.countdown = left - 1",
}


def checked(*arguments: str, folder: Path) -> str:
    """What mypy says, strictly asked."""
    options = ["--strict", "--no-error-summary", "--show-error-codes", "--hide-error-context", "--cache-dir=/dev/null"]
    command = [sys.executable, "-m", "mypy", *options, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if "No module named mypy" in done.stderr:
        missing("mypy is not installed: pip install '.[lint]'")
    return done.stdout


def test_a_misspelt_slot_of_a_queues_ledger_is_found(tmp_path):
    """Ledgers have a type wherever the hot path writes to them: mypy finds a slot that they do not have."""
    shutil.copytree(PACKAGE, tmp_path / "bpexporter")
    for name, line in MISSPELT.items():
        path = tmp_path / "bpexporter" / "resources" / "queue" / name
        text = path.read_text()
        assert line in text
        path.write_text(text.replace(line, line.replace("ledger.", "ledger.mis"), 1))
    said = checked(*(f"bpexporter/resources/queue/{name}" for name in MISSPELT), folder=tmp_path)
    found = re.findall(r"/(\w+\.py):\d+: error: .*has no attribute \"mis\w+\"", said)
    assert sorted(found) == sorted(MISSPELT), said


def test_public_face_is_typed():
    """mypy complains of exactly the calls that are marked as wrong, and for the reason that is marked."""
    said = checked(str(CASES), folder=CASES.parents[1])
    found = re.findall(r"typing_cases\.py:(\d+): error: .*\[([a-z-]+)\]$", said, re.MULTILINE)
    marked = [
        (str(number), line.partition("# error: ")[2])
        for number, line in enumerate(CASES.read_text().splitlines(), start=1)
        if "# error: " in line
    ]
    assert found == marked, said
    assert len(marked) > 8


def test_public_classes_say_whose_they_are():
    """Wherever it is defined, a class that users know calls itself bpexporter's own."""
    classes = [one for one in (getattr(bpexporter, name) for name in bpexporter.__all__) if isinstance(one, type)]
    assert len(classes) > 10
    assert {one.__module__ for one in classes} == {"bpexporter"}
