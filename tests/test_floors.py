"""The house: imports point down only, and a library is used in its room alone."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bpexporter"

# A module, or a package and all in it; what is new gets its floor here. The face, __init__, is
# what programs see: floor 6 and up may import it, nothing that it is made of.
FLOORS = {
    "__main__": 7, "cli": 7,
    "demo": 6, "top": 6, "diagnose": 6, "assets": 6,
    "__init__": 5, "server": 5, "sidecar": 5, "auto": 5,
    "triggers": 5, "connections": 5,
    "watching": 4, "collector": 4, "exposition": 4,
    "hub": 3,
    "instruments": 2, "catalogue": 2,
    "ledgers": 1,
    "clocks": 0, "histogram": 0, "faults": 0, "functions": 0,
}  # fmt: skip

ROOMS = {
    "prometheus_client": {"collector", "exposition", "server"},
    "aiohttp": {"server", "sidecar"},
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
    """The room of a module: ``server`` for ``server.pages`` and for its sibling ``server_pages`` too."""
    top = module.partition(".")[0]
    return top if top in FLOORS else top.partition("_")[0]


def complaint(module: str, imported: str) -> str:
    """What is wrong when `module` (without ``bpexporter.``) imports `imported`; empty when nothing is."""
    if imported == RELATIVE:
        return RELATIVE
    library, _, inside = imported.partition(".")
    if library in ROOMS:
        return "" if room(module) in ROOMS[library] else f"{library} is used outside its room"
    if library == "bpexporter":
        target = room(inside) if room(inside) in FLOORS else "__init__"
        above = FLOORS[target] > FLOORS[room(module)] or (target == "__init__" and FLOORS[room(module)] < 6)
        return f"{target} lies above" if above else ""
    return "" if library in sys.stdlib_module_names else f"{library} is neither ours nor Python's"


def complaints(module: str, source: str) -> list[str]:
    """All that is wrong with the imports of one module."""
    if room(module) not in FLOORS:
        return [f"{module}: has no floor"]
    found = ((line, complaint(module, name)) for line, name in imports(source))
    return [f"{module}:{line}: {text}" for line, text in found if text]


def modules() -> dict[str, str]:
    """The source of each module of the package, by its name without ``bpexporter.``."""
    paths = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(parts): path.read_text() for path, parts in paths.items()}


def test_imports_point_down():
    """No module imports one that lies above, nor a library outside its room."""
    sources = modules()
    assert len(sources) > 8
    assert [line for name, source in sources.items() for line in complaints(name, source)] == []


@pytest.mark.parametrize(
    ("module", "source", "told"),
    [
        ("ledgers", "from bpexporter.hub import Hub", "ledgers:1: hub lies above"),
        ("ledgers", "import bpexporter.hub", "ledgers:1: hub lies above"),
        ("hub", "from bpexporter import watching", "hub:1: watching lies above"),
        ("hub", "from bpexporter import watch", "hub:1: __init__ lies above"),
        ("hub", "import bpexporter", "hub:1: __init__ lies above"),
        ("server", "from bpexporter import watch", "server:1: __init__ lies above"),
        ("clocks", "def late():\n    from bpexporter import ledgers", "clocks:2: ledgers lies above"),
        ("instruments.queue", "from . import stream", "instruments.queue:1: a relative import"),
        ("instruments.queue", "import aiohttp.web", "instruments.queue:1: aiohttp is used outside"),
        ("exposition", "from aiohttp import web", "exposition:1: aiohttp is used outside"),
        ("hub", "import prometheus_client", "hub:1: prometheus_client is used outside"),
        ("auto", "import importlib\nimportlib.import_module('aiohttp')", "auto:2: aiohttp is used outside"),
        ("hub", "import requests", "hub:1: requests is neither ours"),
        ("attic", "", "attic: has no floor"),
    ],
)
def test_a_wrong_import_is_found(module, source, told):
    """The check is no formality: each kind of wrong import is told with its line."""
    assert "\n".join(complaints(module, source)).startswith(told)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hub", "import asyncio\nfrom bpexporter.ledgers import QueueLedger"),
        ("instruments.queue", "from bpexporter.instruments import common\nfrom bpexporter import ledgers"),
        ("server", "import aiohttp\nfrom prometheus_client.core import Metric"),
        ("server_pages", "from aiohttp import web\nfrom bpexporter.exposition import render"),
        ("cli", "from bpexporter import __version__, demo, server\nimport bpexporter.top"),
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
