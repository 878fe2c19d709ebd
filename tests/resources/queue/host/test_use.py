"""Queues of every class do for a host what they did, watched or beside a watched one."""

import asyncio
import contextlib
import subprocess
import sys
from typing import Any
from unittest import mock

import pytest
from hosts import KINDS, Counting, OfMeta, Raising
from watched_hosts import PHASES, counts

from bpexporter import unwatch, watch
from bpexporter.hub.reading import read_registry
from bpexporter.resources.queue import instrument as queues


async def traffic(queue: asyncio.Queue) -> list[Any]:
    """Puts and gets that wait, that do not, and that are refused; what came out in which order."""
    seen: list[Any] = []

    async def produce(first: int) -> None:
        for number in range(first, first + 8):
            await queue.put(number)
            seen.append(("in", number))

    async def consume() -> None:
        for _ in range(8):
            seen.append(("out", await queue.get()))
            queue.task_done()

    await asyncio.gather(consume(), produce(0), consume(), produce(100))
    await queue.join()
    for number in range(4):
        try:
            queue.put_nowait(number)
        except asyncio.QueueFull:
            seen.append("full")
    for _ in range(3):
        seen.append(queue.get_nowait())
        queue.task_done()
    try:
        queue.get_nowait()
    except asyncio.QueueEmpty:
        seen.append("empty")
    return seen


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
def test_subclasses_work_and_are_counted_once(hub, kind, phase):
    """A queue of any class does what it did, in the same order; each item counts once."""
    before = asyncio.run(traffic(kind(3)))
    queue = PHASES[phase](kind(3), hub)

    async def twice():
        assert await traffic(queue) == before
        watching = queues.ledger_of(queue)
        if phase != "after":
            reading = read_registry(watching.entry.registry).queues[watching.requested_name]
            assert (reading.puts, reading.gets) == (19, 19)
        unwatch(queue)
        assert await traffic(queue) == before

    asyncio.run(twice())


@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_beside_a_watched_one_works(hub, kind):
    """A queue that nobody watches does what it did, while another is watched, and is not counted."""
    before = asyncio.run(traffic(kind(3)))
    other = watch(kind(3), "q", hub=hub)
    assert asyncio.run(traffic(kind(3))) == before
    assert counts(hub) == (0, 0)
    unwatch(other)


async def test_hooks_of_a_subclass_are_called_as_often_as_ever(hub):
    """A host's own `put` runs once for each put, and `_put` and `_get` once for each item."""
    queue = watch(Counting(2), "q", hub=hub)
    with mock.patch.object(Counting, "_put", autospec=True, side_effect=asyncio.Queue._put) as hook:
        hooked = watch(Counting(), "hooked", hub=hub)
        await hooked.put(1)
        assert (hook.call_count, await hooked.get()) == (1, 1)
    await queue.put(1)
    await queue.get()
    assert queue.asked == 2
    assert counts(hub) == counts(hub, "hooked") == (1, 1)


async def test_a_hook_that_raises_counts_nothing(hub):
    """What a host's own `_put` refuses did not go in."""

    class Picky(asyncio.Queue):
        def _put(self, item):
            if item == 4:
                raise LookupError("no fours")
            super()._put(item)

    queue = watch(Picky(), "q", hub=hub)
    for number in (3, 4, 5):
        with contextlib.suppress(LookupError):
            await queue.put(number)
    assert counts(hub) == (2, 0)
    assert queue._unfinished_tasks == 2


@pytest.mark.parametrize("answer", [lambda queue: mock.Mock(), lambda queue: queue])
async def test_a_class_made_later_may_have_every_attribute(hub, answer):
    """A host's `__getattr__` that answers everything is not asked for a ledger, whenever its class was made."""
    watched = watch(asyncio.Queue(), "q", hub=hub)

    class Late(asyncio.Queue):
        def __getattr__(self, name):
            answered = answer(watched)
            return getattr(answered, name)

    queue = Late()
    await queue.put(1)
    assert await queue.get() == 1
    assert counts(hub) == (0, 0)


async def test_a_class_made_later_may_raise_what_it_likes(hub):
    """A host's `__getattr__` that raises something unusual is no error of the queue's."""
    watched = watch(asyncio.Queue(), "q", hub=hub)
    late = type("Late", (asyncio.Queue,), {"__getattr__": Raising.__getattr__})()
    await late.put(1)
    assert await late.get() == 1
    assert counts(hub) == (0, 0)
    unwatch(watched)


async def test_a_class_that_cannot_be_changed_is_left_as_it_was(hub):
    """A metaclass that refuses every change is not asked."""
    before = dict(vars(OfMeta))
    queue = watch(OfMeta(), "q", hub=hub)
    await queue.put(1)
    unwatch(queue)
    assert dict(vars(OfMeta)) == before


INLINE = """
import asyncio, gc, bpexporter

def has_dict(obj):
    return any(type(one) is dict and not one.keys().isdisjoint(("_queue", "_value")) for one in gc.get_referents(obj))

async def use(obj):
    for _ in range(2):
        await (obj.put(1) if isinstance(obj, asyncio.Queue) else obj.acquire())
        await obj.get() if isinstance(obj, asyncio.Queue) else obj.release()

async def made():
    return KIND(3)

for obj in (KIND(3), asyncio.run(made())):
    bpexporter.watch(obj, "q")
    bpexporter.snapshot()
    asyncio.run(use(obj))
    bpexporter.snapshot()
    bpexporter.unwatch(bpexporter.watch(obj, "another"))
    before = has_dict(obj)
    print(before, bool(obj.__dict__), has_dict(obj))
"""


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from 3.13 on a dict shares the values of its object")
@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue", "LifoQueue", "Semaphore", "BoundedSemaphore"])
def test_attributes_stay_where_cpython_finds_them_fast(kind):
    """Nothing that is done to a watched object, nor any reading, makes CPython lay its attributes out in a dict."""
    command = [sys.executable, "-c", INLINE.replace("KIND", f"asyncio.{kind}")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("False True True\n" * 2, "")


async def test_generics_are_watched(hub):
    """`asyncio.Queue[int]()` is an `asyncio.Queue` as any."""
    queue = watch(asyncio.Queue[int](1), "q", hub=hub)
    await queue.put(1)
    assert type(queue) is asyncio.Queue
    assert queue.__orig_class__ == asyncio.Queue[int]
    assert counts(hub) == (1, 0)
