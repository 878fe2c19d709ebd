"""Numbers of a queue as its host means them: whatever compares as a number, ratios 0 to 1, nothing invented."""

import asyncio
from decimal import Decimal
from fractions import Fraction

import pytest
from fake_clock import Clock

from bpexporter import Hub, watch


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub on that clock."""
    return Hub(clock=clock)


def limits():
    """Two, as hosts write it, numpy's where there is one."""
    numpy = pytest.importorskip("numpy")
    return [2, 2.0, Decimal(2), Fraction(2), numpy.int64(2), numpy.float32(2)]


@pytest.mark.parametrize("index", range(6))
async def test_a_limit_is_any_number(hub, clock, index):
    """What asyncio compares with counts as capacity: a full queue is full, and its producer is blocked."""
    queue = watch(asyncio.Queue(limits()[index]), "q", hub=hub)
    for number in range(2):
        await queue.put(number)
    task = asyncio.create_task(queue.put(3))
    await asyncio.sleep(0)
    clock.now += 3
    reading = hub.snapshot().queues["q"]
    assert (reading.capacity_items, reading.unbounded_members, reading.utilization_ratio) == (2, 0, 1)
    assert (reading.blocked_producers, reading.occupancy_seconds[4]) == (1, 3)
    assert type(reading.capacity_items) in (int, float)
    queue.get_nowait()
    await task


async def test_a_limit_that_is_no_whole_number_is_not_exceeded(hub):
    """Three of 2.5 items are all that there can be: a ratio is never over 1."""
    queue = watch(asyncio.Queue(2.5), "q", hub=hub)
    for number in range(3):
        queue.put_nowait(number)
    reading = hub.snapshot().queues["q"]
    assert (reading.utilization_ratio, reading.peak_utilization_ratio) == (1, 1)


async def test_a_limit_that_was_lowered_is_not_exceeded(hub):
    """Ten items where three may be: full, not more than full."""
    queue = watch(asyncio.Queue(10), "q", hub=hub)
    for number in range(10):
        queue.put_nowait(number)
    queue._maxsize = 3
    reading = hub.snapshot().queues["q"]
    assert (reading.utilization_ratio, reading.peak_utilization_ratio, reading.capacity_items) == (1, 1, 3)


class Weighty(asyncio.Queue):
    """A queue whose `qsize()` is a weight."""

    def qsize(self):
        return 2.5 * len(self._queue)


async def test_a_size_of_its_own_is_what_it_says(hub):
    """Depth is what `qsize()` says, ratios stay under 1, and unfinished tasks are those that are there."""
    queue = watch(Weighty(2), "q", hub=hub)
    queue.put_nowait(1)
    reading = hub.snapshot().queues["q"]
    assert (reading.depth_items, reading.utilization_ratio, reading.unfinished_tasks) == (2.5, 1, 1)


class Hidden(asyncio.Queue):
    """A queue that keeps its unfinished tasks to itself."""

    @property
    def _unfinished_tasks(self):
        return self.unfinished

    @_unfinished_tasks.setter
    def _unfinished_tasks(self, unfinished):
        self.unfinished = unfinished

    def qsize(self):
        return super().qsize()


async def test_unfinished_tasks_that_are_not_known_are_absent(hub):
    """No number is made up where the queue does not tell."""
    queue = watch(Hidden(2), "q", hub=hub)
    queue.put_nowait(1)
    assert hub.snapshot().queues["q"].unfinished_tasks is None


class Greedy(asyncio.Queue):
    """A queue that is full when it says so: by bytes, say."""

    def full(self):
        return self.qsize() >= 2


async def test_a_queue_that_bounds_itself_has_no_capacity_and_is_not_unbounded(hub, clock):
    """Its band is full while it says so; how many items that takes is not known, so no ratio is shown."""
    queue = watch(Greedy(), "q", hub=hub)
    queue.put_nowait(1)
    clock.now += 1
    queue.put_nowait(2)
    task = asyncio.create_task(queue.put(3))
    await asyncio.sleep(0)
    clock.now += 5
    reading = hub.snapshot().queues["q"]
    assert (reading.capacity_items, reading.unbounded_members, reading.utilization_ratio) == (None, 0, None)
    assert (reading.blocked_producers, reading.occupancy_seconds) == (1, (0, 1, 0, 0, 5))
    queue.get_nowait()
    await task
    queue.get_nowait()
    clock.now += 2
    assert hub.snapshot().queues["q"].occupancy_seconds == (0, 3, 0, 0, 5)
