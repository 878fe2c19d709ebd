"""The house: imports point down only, no kind knows another, there is no circle, and a library stays in its room."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bpexporter"

# From the ground up; what is new gets its room here. The face, __init__, is what programs see.
ROOMS = (
    "faults", "settings",
    "primitives", "resources", "catalogue", "hub", "watching", "naming", "adapters", "automatic", "analysis",
    "export", "publishing", "server", "__init__", "commands", "__main__",
)  # fmt: skip
LIBRARIES = {
    "prometheus_client": {"export", "server"},
    "aiohttp": {"server", "commands"},
    "textual": {"commands"},
}
RELATIVE = "a relative import"


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, wherever and however it does."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(level=0, module=str(module), names=names):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.ImportFrom():
                yield node.lineno, RELATIVE
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(func).endswith(
                ("import_module", "__import__")
            ):
                yield node.lineno, name


def room(module: str) -> str:
    """The room of a module of ours, given without ``bpexporter.``."""
    top = module.partition(".")[0]
    return top if top in ROOMS else "__init__"


def kind(module: str) -> str:
    """The kind in whose folder a module of `resources` stands; empty for what the kinds have in common."""
    parts = module.split(".")
    return parts[1] if parts[0] == "resources" and (PACKAGE / "resources" / parts[1]).is_dir() else ""


def complaint(module: str, imported: str) -> str:
    """What is wrong when `module` (without ``bpexporter.``) imports `imported`; empty when nothing is."""
    if imported == RELATIVE:
        return RELATIVE
    library, _, inside = imported.partition(".")
    if library in LIBRARIES:
        return "" if room(module) in LIBRARIES[library] else f"{library} is used outside its room"
    if library != "bpexporter":
        return "" if library in sys.stdlib_module_names else f"{library} is neither ours nor Python's"
    if ROOMS.index(room(inside)) > ROOMS.index(room(module)):
        return f"{room(inside)} lies above"
    between = {kind(module), kind(inside)} if room(module) == "resources" == room(inside) else set()
    return f"{kind(module)} knows {kind(inside)}" if len(between - {""}) > 1 else ""


def complaints(module: str, source: str) -> list[str]:
    """All that is wrong with the imports of one module."""
    if module.partition(".")[0] not in ROOMS:
        return [f"{module}: has no room"]
    found = ((line, complaint(module, name)) for line, name in imports(source))
    return [f"{module}:{line}: {text}" for line, text in found if text]


def modules() -> dict[str, str]:
    """The source of each module of the package, by its name without ``bpexporter.``."""
    paths = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(parts): path.read_text() for path, parts in paths.items()}


def graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """Which module imports which: of ours, whether for types alone or at run time."""
    found: dict[str, set[str]] = {}
    for module, source in sources.items():
        names = (name.removeprefix("bpexporter.") for _, name in imports(source) if name.startswith("bpexporter."))
        reached = {one for name in names for one in (name, name.rpartition(".")[0]) if one in sources}
        found[module] = reached - {module}
    return found


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of a circle of imports; empty where there is none."""
    left = dict(edges)
    while leaves := [module for module, reached in left.items() if not reached & left.keys()]:
        for module in leaves:
            del left[module]
    return sorted(left)


def test_imports_point_down():
    """No module imports one that lies above, nor a kind another kind, nor a library outside its room."""
    sources = modules()
    assert len(sources) > 40
    assert [line for name, source in sources.items() for line in complaints(name, source)] == []


def test_there_is_no_circle():
    """The graph of modules has no circle, what is imported for types alone included."""
    assert circle(graph(modules())) == []


def test_a_circle_is_found():
    """The check is no formality: a circle of two, one of them for types alone, is told."""
    sources = {
        "hub.hub": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bpexporter.hub.entries import Entry",
        "hub.entries": "from bpexporter.hub.hub import Hub",
        "faults": "import os",
    }
    assert circle(graph(sources)) == ["hub.entries", "hub.hub"]


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in PACKAGE.rglob("__init__.py")), ids=lambda path: path.name
)
def test_each_room_says_what_it_may_touch(folder):
    """The head of each room says what lives there and what it may touch, and holds nothing else."""
    tree = ast.parse((folder / "__init__.py").read_text())
    head, _, rest = (ast.get_docstring(tree) or "").partition("\n\n")
    assert head
    if folder != PACKAGE:
        assert ("May touch: " in rest, len(tree.body)) == (True, 1)


def may_touch(room: str) -> set[str]:
    """The rooms that one may touch by its own words, with what those may touch."""
    head = PACKAGE / room / "__init__.py"
    said = ast.get_docstring(ast.parse(head.read_text())).partition("May touch: ")[2] if head.is_file() else ""
    named = ROOMS if "everything below" in said else [one for one in ROOMS if re.search(rf"\b{one}\b", said)]
    return {"faults", "settings", *named}.union(*(may_touch(one) for one in named if one != room))


@pytest.mark.parametrize("name", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_a_room_touches_what_it_says(name):
    """What the modules of a room import of ours is what its head names, or what lies in those rooms' reach."""
    reached = graph(modules())
    touched = {room(one) for module, ours in reached.items() if room(module) == name for one in ours}
    assert touched - {name} <= may_touch(name)


@pytest.mark.parametrize(
    ("module", "source", "told"),
    [
        ("resources.queue.ledger", "from bpexporter.hub.hub import Hub", "resources.queue.ledger:1: hub lies above"),
        ("catalogue.metrics", "import bpexporter.hub", "catalogue.metrics:1: hub lies above"),
        ("hub.hub", "from bpexporter import watching", "hub.hub:1: watching lies above"),
        ("hub.hub", "from bpexporter import watch", "hub.hub:1: __init__ lies above"),
        ("hub.hub", "import bpexporter", "hub.hub:1: __init__ lies above"),
        ("server.page", "from bpexporter import watch", "server.page:1: __init__ lies above"),
        ("primitives.bands", "def late():\n    from bpexporter import hub", "primitives.bands:2: hub lies above"),
        ("resources.queue.ledger", "from . import stream", "resources.queue.ledger:1: a relative import"),
        ("resources.queue.ledger", "from bpexporter.resources.stream import ledger", "resources.queue.ledger:1: queue"),
        ("resources.queue.ledger", "import aiohttp.web", "resources.queue.ledger:1: aiohttp is used outside"),
        ("export.text", "from aiohttp import web", "export.text:1: aiohttp is used outside"),
        ("publishing.files", "import prometheus_client", "publishing.files:1: prometheus_client is used outside"),
        ("automatic.install", "import importlib\nimportlib.import_module('aiohttp')", "automatic.install:2: aiohttp"),
        ("hub.hub", "import requests", "hub.hub:1: requests is neither ours"),
        ("attic", "", "attic: has no room"),
    ],
)  # fmt: skip
def test_a_wrong_import_is_found(module, source, told):
    """The check is no formality: each kind of wrong import is told with its line."""
    assert "\n".join(complaints(module, source)).startswith(told)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hub.hub", "import asyncio\nfrom bpexporter.resources.queue.ledger import QueueLedger"),
        ("resources.queue.methods", "from bpexporter.resources import patching\nfrom bpexporter import primitives"),
        ("server.exporter", "import aiohttp\nfrom prometheus_client.core import Metric"),
        ("server.page", "from aiohttp import web\nfrom bpexporter.export.text import render"),
        ("commands.main", "from bpexporter import __version__, server\nimport bpexporter.analysis"),
    ],
)
def test_a_right_import_is_let_through(module, source):
    """What points down or sideways, and a library in its room, is fine."""
    assert complaints(module, source) == []


def test_import_loads_no_library():
    """`import bpexporter`, and watching a queue, load neither aiohttp nor prometheus_client."""
    program = (
        "import sys, asyncio, bpexporter\n"
        "bpexporter.watch(asyncio.Queue(), 'q'); bpexporter.snapshot()\n"
        "print(*sorted({'aiohttp', 'prometheus_client'} & sys.modules.keys()))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_import_loads_what_watching_needs_alone():
    """What reads and merges is loaded with the first object that is watched, and then at once."""
    program = (
        "import sys, asyncio, bpexporter\n"
        "later = {'bpexporter.catalogue.merging', 'bpexporter.hub.reading'}\n"
        "print(len(later & sys.modules.keys()))\n"
        "bpexporter.watch(asyncio.Queue(), 'q')\n"
        "print(len(later & sys.modules.keys()))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BPEXPORTER_DIR": ""}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "2"]
