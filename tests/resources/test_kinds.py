"""Which instrument for which type, and when it is loaded."""

import subprocess
import sys

import pytest

from bpexporter.resources import kinds
from bpexporter.resources.kinds import RESOURCES

LOADED = "; print(*sorted(name.split('.')[2] for name in sys.modules if name.endswith('.instrument')))"


def loaded_after(statement: str) -> set[str]:
    """The kinds whose instruments a fresh interpreter has loaded after `statement`."""
    program = f"import asyncio, sys, bpexporter; {statement}{LOADED}"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(output.split()) & set(RESOURCES)


def test_every_resource_is_a_kind():
    """What the catalogue has metrics for is what can be watched."""
    assert tuple(kinds.KINDS) == RESOURCES


@pytest.mark.parametrize(
    ("statement", "kinds_loaded"),
    [
        ("pass", set()),
        ("bpexporter.snapshot()", set()),
        ("bpexporter.watch(asyncio.Queue(), 'q')", {"queue", "loop"}),
        ("bpexporter.watch(asyncio.Semaphore(), 's')", {"limiter", "loop"}),
        ("bpexporter.install()", set(RESOURCES)),
    ],
)
def test_an_instrument_is_loaded_when_it_is_needed(statement, kinds_loaded):
    """A program loads what it watches, and what finds its loops; `install()` loads all, before a loop has work."""
    assert loaded_after(statement) == kinds_loaded


def test_one_instrument_a_kind():
    """Whoever asks gets the same instrument, and it says its kind."""
    assert all(kinds.instrument_of(kind) is kinds.instrument_of(kind) for kind in kinds.KINDS)
    assert {instrument.kind for instrument in kinds.loaded()} == set(kinds.KINDS)


CROWDED = """
import asyncio, tracemalloc, bpexporter
objects = [asyncio.{kind}() for _ in range(100)]
for one in objects:
    bpexporter.watch(one, "crowd")
tracemalloc.start()
for one in objects:
    one._loop = None
print(tracemalloc.get_traced_memory()[0] // 100)
"""


@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue", "LifoQueue", "Semaphore", "BoundedSemaphore"])
def test_a_ledger_leaves_room_for_an_attribute(kind):
    """However many there were before, a watched object that is bound to a loop keeps the dictionary that it shares."""
    program = CROWDED.format(kind=kind)
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(output) < 100
