"""README and docs say what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bpexporter.catalogue.metrics import METRICS
from grafana.source import docs

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/bpexporter demo",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test,lint]' && .venv/bin/python -m pytest",
]
# What a page may hold before its generated tables: more is for a page of its own.
MOST_LINES = 250


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in this language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def test_first_two_commands():
    """The first two shell lines run the demo and the tests."""
    assert [block.strip() for block in blocks(README, "sh")[:2]] == COMMANDS


def test_generated_tables_are_as_made():
    """The tables of metrics, alerts and rooms are those that the declarations give."""
    assert [path.name for path, text in docs.pages().items() if path.read_text() != text] == []
    assert all(any(f"<!-- /{name} -->" in text for text in docs.pages().values()) for name in docs.TABLES)


def test_a_table_that_is_not_as_made_is_found():
    """A changed row is made anew; what stands around it stays."""
    page = "before\n<!-- metrics -->\n| old |\n<!-- /metrics -->\nafter\n"
    made = docs.made(page)
    assert made.startswith("before\n<!-- metrics -->\n| metric |")
    assert made.endswith("<!-- /metrics -->\nafter\n")


def test_alerts_are_told_in_words():
    """The table of alerts shows people no template of Prometheus."""
    assert "{{" not in README.read_text()


def test_the_readme_is_short():
    """Before its generated tables the README has at most 250 lines."""
    assert len(README.read_text().partition("<!-- alerts -->")[0].splitlines()) <= MOST_LINES


CASES = [(page, number) for page in PAGES for number in range(len(blocks(page, "python")))]


@pytest.mark.parametrize(("page", "number"), CASES, ids=lambda value: getattr(value, "stem", value))
def test_python_blocks_run(page, number, tmp_path):
    """Each Python block runs as it stands, in a process of its own, without a warning."""
    program = tmp_path / "program.py"
    program.write_text(blocks(page, "python")[number].replace("bpexporter.start()", "bpexporter.start(port=0)"))
    command = [sys.executable, "-W", "error", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_quickstart_has_five_lines():
    """The quickstart, the first Python block, is at most five lines long."""
    assert len(blocks(README, "python")[0].splitlines()) <= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_of_metrics_exist(page):
    """Each full metric name that a page writes is one of the catalogue."""
    written = set(re.findall(r"\b(?:backpressure|bpexporter)_[a-z_]+[a-z]\b", page.read_text()))
    samples = {f"{metric.name}{end}" for metric in METRICS for end in ("", "_bucket", "_count", "_sum")}
    assert written - samples == set()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    """Every file, picture and heading of ours that a page links exists."""
    for target, heading in re.findall(r"\]\((?!https?:)([\w./-]*)(?:#([\w-]+))?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"(?m)^#+ (.*)$", file.read_text())
            assert heading in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}


def test_there_are_pictures():
    """The README shows what users will see."""
    assert len(re.findall(r"\((grafana/[\w/.-]+\.png)\)", README.read_text())) >= 3
