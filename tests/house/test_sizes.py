"""The house is easy to see: functions and modules are short, and so are the files of tests."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
MOST_LINES = {"bpexporter": 300, "tests": 500}
LONGEST_FUNCTION = 45
TYPICAL_FUNCTION = 9

# Longer than that, with a reason.
LONG_FUNCTIONS = {
    # The replaced methods of queues do all in one frame: each call of a function of ours would cost an item more.
    "resources/queue/methods.py": {"put", "get", "put_nowait"},
}
LONG_MODULES = {
    # These methods stand together, since they are read side by side: what one writes the other compares with.
    "resources/queue/methods.py",
}


def functions(source: str) -> Iterator[tuple[str, int]]:
    """The name and the number of lines of each function of a module, those within others included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno + 1


def modules(folder: str) -> dict[str, str]:
    """The source of each module below a folder of the project, by its path there."""
    return {path.relative_to(ROOT / folder).as_posix(): path.read_text() for path in (ROOT / folder).rglob("*.py")}


def long_functions(sources: dict[str, str]) -> dict[str, set[str]]:
    """The functions that are too long, by module."""
    found = {
        path: {name for name, lines in functions(text) if lines > LONGEST_FUNCTION} for path, text in sources.items()
    }
    return {path: names for path, names in found.items() if names}


def long_modules(sources: dict[str, str], most: int) -> set[str]:
    """The modules with over `most` lines."""
    return {path for path, text in sources.items() if len(text.splitlines()) > most}


def test_most_functions_are_seen_at_a_glance():
    """Half of the functions of the package have under nine lines."""
    lengths = [lines for text in modules("bpexporter").values() for _, lines in functions(text)]
    assert len(lengths) > 1_000
    assert median(lengths) < TYPICAL_FUNCTION


def test_no_function_is_long():
    """No function has over 45 lines but those that are listed with their reason, and each of these is needed."""
    assert long_functions(modules("bpexporter")) == LONG_FUNCTIONS


def test_modules_hold_one_subject():
    """No module of the package has over 300 lines but those that are listed, and no file of tests over 500."""
    assert long_modules(modules("bpexporter"), MOST_LINES["bpexporter"]) == LONG_MODULES
    assert long_modules(modules("tests"), MOST_LINES["tests"]) == set()


def test_what_is_too_long_is_found():
    """The measure is no formality: a long function within another, and a long module, are told."""
    inner = "\n".join(f"        {number}" for number in range(LONGEST_FUNCTION))
    sources = {"a.py": f"def outer():\n    def inner():\n{inner}\n", "b.py": "def short():\n    pass\n"}
    assert long_functions(sources) == {"a.py": {"outer", "inner"}}
    assert long_modules(sources, 10) == {"a.py"}
