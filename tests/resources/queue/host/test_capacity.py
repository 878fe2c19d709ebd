"""Capacity and content may be changed behind our back."""

import asyncio

import pytest
from hosts import PLAIN
from side_by_side import PRISTINE

from bpexporter import watch
from bpexporter.resources.queue.originals import HAS_SHUTDOWN


@pytest.mark.parametrize("maxsize", [0.5, 1.5, 2.5, float("inf"), True, -1])
def test_any_maxsize_holds_as_ever(hub, maxsize):
    """A float, a bool or a negative capacity lets in as many as the standard library's comparison says."""
    bare, queue = PRISTINE.Queue(maxsize), watch(asyncio.Queue(maxsize), "q", hub=hub)
    for one in (bare, queue):
        for number in range(5):
            if not one.full():
                one.put_nowait(number)
    assert (queue.qsize(), queue.full(), queue.maxsize) == (bare.qsize(), bare.full(), bare.maxsize)
    reading = hub.snapshot().queues["q"]
    assert reading.puts == reading.depth_items == bare.qsize()
    assert (reading.unbounded_members == 1) is (maxsize in (float("inf"), -1))


def test_a_capacity_that_the_host_changes_holds_at_once(hub):
    """`_maxsize` is read at each put, and the metrics show the new one."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(1)
    queue._maxsize = 2
    queue.put_nowait(2)
    assert queue.full()
    assert hub.snapshot().queues["q"].capacity_items == 2
    queue._maxsize = 1
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(3)
    queue._maxsize = 0
    queue.put_nowait(4)
    reading = hub.snapshot().queues["q"]
    assert (reading.unbounded_members, reading.capacity_items, reading.depth_items) == (1, None, 3)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_queue_that_the_host_clears_is_empty(hub, kind):
    """Clearing `_queue`, or putting another one there, loses no count and shows the true depth."""
    queue = watch(kind(4), "q", hub=hub)
    for number in range(4):
        queue.put_nowait(number)
    queue._queue.clear()
    assert hub.snapshot().queues["q"].depth_items == 0
    for number in range(3):
        queue.put_nowait(number)
    queue._queue = type(queue._queue)()
    with pytest.raises(asyncio.QueueEmpty):
        queue.get_nowait()
    queue.put_nowait(7)
    assert queue.get_nowait() == 7
    reading = hub.snapshot().queues["q"]
    assert (reading.depth_items, reading.puts, reading.gets) == (0, 8, 1)


def emptied(queue: asyncio.Queue) -> None:
    """Empty a queue by another way than get."""
    if HAS_SHUTDOWN:
        queue.shutdown(immediate=True)
    else:
        queue._queue.clear()


@pytest.mark.parametrize("empty", [emptied, lambda queue: queue._queue.clear()], ids=["shutdown", "clear"])
@pytest.mark.parametrize("seen", [False, True])
def test_a_peak_stays_when_the_level_jumps(hub, empty, seen):
    """A queue that was full is said to have been, for a minute, whichever way it was emptied and whoever read."""
    queue = watch(asyncio.Queue(4), "q", hub=hub)
    for number in range(4):
        queue.put_nowait(number)
    if seen:
        assert hub.snapshot().queues["q"].peak_utilization_ratio == 1
    empty(queue)
    assert hub.snapshot().queues["q"].peak_utilization_ratio == 1
