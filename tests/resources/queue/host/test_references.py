"""Nothing of ours keeps a queue, an item or a caller alive."""

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterator

import pytest
from hosts import KINDS, PLAIN, Frozen
from side_by_side import PRISTINE
from watched_hosts import counts, filled, little

from bpexporter import unwatch, watch
from bpexporter.resources.queue import instrument as queues


class Item:
    """An item whose end can be seen; a PriorityQueue can order it."""

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other)


@pytest.fixture
def by_count_alone() -> Iterator[None]:
    """No garbage collection: what goes, goes because nobody refers to it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_queue_goes_when_its_host_lets_go(hub, kind, by_count_alone):
    """Nothing of ours refers to it, so that its end needs no collection."""
    queue = watch(filled(kind), "q", hub=hub)
    asyncio.run(little(queue))
    queue = weakref.ref(queue)
    assert queue() is None
    assert hub.snapshot().queues["q"].members == 0


@pytest.mark.parametrize("late", [False, True], ids=["watched before", "watched while it waits"])
@pytest.mark.parametrize("method", ["get", "put", "acquire"])
def test_who_is_forgotten_while_it_waits_is_not_held(hub, method, late):
    """A task that nobody refers to goes, and what it waits in with it: the times of its wait hold neither."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it says of the task that it was pending
    made = asyncio.Semaphore(0) if method == "acquire" else asyncio.Queue(1)
    if method == "put":
        made.put_nowait(0)
    if not late:
        watch(made, "q", hub=hub)
    task = loop.create_task(getattr(made, method)(*([1] if method == "put" else [])))
    loop.run_until_complete(asyncio.sleep(0))
    watch(made, "q", hub=hub)
    gone = weakref.ref(made)
    del made, task
    gc.collect()
    assert gone() is None
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.mark.parametrize("kind", PLAIN)
def test_items_are_not_held(hub, kind, by_count_alone):
    """An item in a watched queue has the references that it has in a bare one, and none when it is out."""
    bare, queue = getattr(PRISTINE, kind.__name__)(), watch(kind(), "q", hub=hub)
    first, second = Item(), Item()
    for _ in range(3):
        bare.put_nowait(first)
        queue.put_nowait(second)
        assert sys.getrefcount(first) == sys.getrefcount(second)
        assert (bare.get_nowait(), queue.get_nowait()) == (first, second)
    hub.snapshot()
    assert sys.getrefcount(first) == sys.getrefcount(second)
    gone = weakref.ref(second)
    del second
    assert gone() is None


async def test_waits_leave_nothing_behind(hub, by_count_alone):
    """Callers that waited, gave up or timed out are not referred to, nor is their item, by queue or ledger."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    ledger = queues.ledger_of(queue)
    queue.put_nowait(0)
    item = Item()
    putters = [asyncio.create_task(queue.put(item)) for _ in range(3)]
    getter = asyncio.create_task(asyncio.wait_for(asyncio.Queue.get(watch(asyncio.Queue(), "q", hub=hub)), 0.001))
    await asyncio.sleep(0)
    putters[0].cancel()
    assert [await queue.get() for _ in range(2)] == [0, item]
    await asyncio.wait([*putters, getter])
    assert (ledger.producers.waiting, ledger.idle.waiting) == ({}, {})
    assert queue.get_nowait() is item
    task, held = weakref.ref(putters[1]), weakref.ref(item)
    del putters, item
    await asyncio.sleep(0)
    assert (task(), held()) == (None, None)


def test_the_ledger_goes_with_the_watching(hub, by_count_alone):
    """After unwatch() nothing refers to the ledger: not the object, not the hub."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    ledger = weakref.ref(queues.ledger_of(queue))
    asyncio.run(little(watch(asyncio.Queue(2), "q", hub=hub)))
    unwatch(queue)
    hub.snapshot()
    assert ledger() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_queue_in_a_cycle_is_collected(hub, kind):
    """The ledger keeps no cycle alive, and its totals stay."""
    queue = watch(kind(), "q", hub=hub)
    queue.put_nowait(1)
    if not isinstance(queue, Frozen):
        queue.itself = queue
    gone = weakref.ref(queue)
    del queue
    gc.collect()
    assert gone() is None
    assert counts(hub) == (1, 0)
