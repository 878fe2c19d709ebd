"""Copies and pickles of a watched queue are queues of their own."""

import asyncio
import copy
import pickle
import subprocess
import sys

import pytest
from hosts import KINDS, PLAIN
from watched_hosts import counts, filled, is_watched

from bpexporter import unwatch, watch

COPIES = {
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda queue, n=n: pickle.loads(pickle.dumps(queue, n)) for n in range(2, 6)},
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_not_watched(hub, kind, way):
    """A copy of a watched queue is a queue of its own, which counts nothing and can be watched."""
    queue = watch(filled(kind), "q", hub=hub)
    duplicate = COPIES[way](queue)
    assert not is_watched(duplicate)
    duplicate.put_nowait(2)
    assert counts(hub) == (0, 0)
    watch(duplicate, "copy", hub=hub)
    duplicate.put_nowait(4)
    queue.put_nowait(5)
    assert (counts(hub), counts(hub, "copy")) == ((1, 0), (1, 0))
    unwatch(unwatch(duplicate) and queue)


@pytest.mark.parametrize("then", [lambda one, hub: watch(one, "copy", hub=hub), lambda one, hub: unwatch(one)])
def test_a_shallow_copy_leaves_the_original_watched(hub, then):
    """Watching or unwatching what `copy.copy()` made of a watched queue takes nothing from the original."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    then(copy.copy(queue), hub)
    queue.put_nowait(1)
    reading = hub.snapshot().queues["q"]
    assert (reading.members, reading.puts) == (1, 1)


def test_a_shallow_copy_shares_its_items_as_ever(hub):
    """`copy.copy()` of a watched queue gives one that works on the same items, as without us."""
    queue = watch(filled(asyncio.Queue), "q", hub=hub)
    duplicate = copy.copy(queue)
    assert type(duplicate) is asyncio.Queue
    duplicate.put_nowait(2)
    assert [queue.get_nowait() for _ in range(3)] == [3, 1, 2]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_pickle_loads_where_we_are_not_installed(hub, kind):
    """A process in which bpexporter cannot be imported unpickles a watched queue and uses it."""
    program = (
        "import sys, pickle; sys.modules['bpexporter'] = None\n"
        "queue = pickle.loads(bytes.fromhex(sys.stdin.read()))\n"
        "queue.put_nowait(2)\n"
        "print(type(queue).__name__, sorted(queue.get_nowait() for _ in range(3)), queue.maxsize)"
    )
    data = pickle.dumps(watch(filled(kind), "q", hub=hub)).hex()
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=data, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == (f"{kind.__name__} [1, 2, 3] 5\n", "")
