"""Docstrings of the package are plain sentences: each says what the thing is, or what it returns."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
RIDDLE = re.compile(r"\s*(What|Who|Whom|Whose|Whether|How|Which|Since|Where|Whatever|Whoever|In which)\b")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """The line and text of each docstring, those of fields included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def riddles(source: str) -> list[str]:
    """The docstrings that begin with a question's word, with their lines."""
    return [f"{line}: {text.strip().splitlines()[0]}" for line, text in docstrings(source) if RIDDLE.match(text)]


def test_docstrings_are_no_riddles():
    """No docstring begins with what, who or whether: it has a subject, or begins with "Returns"."""
    paths = sorted((ROOT / "bpexporter").rglob("*.py"))
    found = [f"{path.relative_to(ROOT)}:{riddle}" for path in paths for riddle in riddles(path.read_text())]
    assert found == []


def test_a_riddle_is_found():
    """The check is no formality: one of a function, and one of a field, are told with their lines."""
    source = 'def f():\n    """Whether it is."""\nclass A:\n    """A thing."""\n    x: int\n    """What it is."""\n'
    assert riddles(source) == ["2: Whether it is.", "6: What it is."]
