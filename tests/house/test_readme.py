"""The README says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bpexporter.catalogue.metrics import METRICS
from bpexporter.commands.main import markdown_table
from grafana.source.alert_table import alert_table

README = Path(__file__).parents[2] / "README.md"
COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/bpexporter demo",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test,lint]' && .venv/bin/python -m pytest",
]


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in this language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_first_two_commands():
    """The first two shell lines run the demo and the tests."""
    assert [block.strip() for block in blocks("sh")[:2]] == COMMANDS


def test_metric_table_is_the_catalogue():
    """The metric table is the one that the catalogue gives."""
    table = re.search(r"<!-- metrics -->\n(.*?)<!-- /metrics -->", README.read_text(), re.DOTALL)
    assert table is not None
    assert table[1].strip() == markdown_table()


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_blocks_run(number):
    """Each Python block runs as it stands, in a process of its own, without a warning."""
    code = blocks("python")[number].replace("bpexporter.start()", "bpexporter.start(port=0)")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_quickstart_has_five_lines():
    """The quickstart, the first Python block, is at most five lines long."""
    assert len(blocks("python")[0].splitlines()) <= 5


def test_names_of_metrics_exist():
    """Each full metric name that the README writes is one of the catalogue."""
    written = set(re.findall(r"\b(?:backpressure|bpexporter)_[a-z_]+[a-z]\b", README.read_text()))
    assert written - {metric.name for metric in METRICS} == set()


def test_alert_table_is_the_rules():
    """The table of alerts names each with its severity and its condition in words."""
    table = re.search(r"<!-- alerts -->\n(.*?)<!-- /alerts -->", README.read_text(), re.DOTALL)
    assert table is not None
    assert table[1].strip() == alert_table()


def test_pictures_are_there():
    """Every picture that the README shows or links exists."""
    pictures = re.findall(r"\((grafana/[\w/.-]+\.png)\)", README.read_text())
    assert len(pictures) >= 3
    assert [picture for picture in pictures if not (README.parent / picture).is_file()] == []
