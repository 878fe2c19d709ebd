"""What is over is counted no more: callers of closed loops, queues that have died, levels that nobody holds."""

import asyncio
import gc
import logging

import pytest
from fake_clock import Clock

from bpexporter import Hub, watch

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def quiet():
    """asyncio says of each task that it was thrown away."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub on that clock."""
    return Hub(clock=clock)


def blocked(queue, loop, clock, seconds):
    """A put and a get that wait in `loop` for so many seconds, before it is closed."""

    async def main():
        waiting = [asyncio.create_task(queue.put(1)), asyncio.create_task(queue.get())]
        await asyncio.sleep(0)
        clock.now += seconds
        return waiting

    return loop.run_until_complete(main())


class Both(asyncio.Queue):
    """Full and empty at once, so that both sides wait."""

    def full(self):
        return True

    def empty(self):
        return True


@pytest.mark.parametrize("inside", [True, False], ids=["watched in the loop", "watched before"])
def test_waits_end_with_their_loop(hub, clock, inside):
    """A loop that is closed runs nobody: the seconds stop then, whenever the first reading comes."""
    loop = asyncio.new_event_loop()
    queue = Both()

    async def begin():
        watch(queue, "q", hub=hub)

    loop.run_until_complete(begin()) if inside else watch(queue, "q", hub=hub)
    callers = blocked(queue, loop, clock, 3)
    loop.close()
    clock.now += 100
    reading = hub.snapshot().queues["q"]
    assert (reading.blocked_producers, reading.idle_consumers, reading.longest_block_seconds) == (0, 0, 0)
    assert (reading.stalled_seconds, reading.put_blocked_seconds, reading.get_idle_seconds) == (3, 3, 3)
    del callers
    gc.collect()
    clock.now += 100
    assert hub.snapshot().queues["q"].put_blocked_seconds == 3


def test_a_queue_that_dies_is_timed_until_then(hub, clock):
    """Neither its bands nor its stall run on until somebody looks."""
    loop = asyncio.new_event_loop()
    queue = watch(Both(), "q", hub=hub)
    callers = blocked(queue, loop, clock, 3)
    loop.close()
    del queue, callers
    gc.collect()
    clock.now += 100
    reading = hub.snapshot().queues["q"]
    assert (reading.members, reading.stalled_seconds, sum(reading.occupancy_seconds)) == (0, 3, 3)


async def test_a_level_that_the_host_has_changed_is_found_by_a_reading(hub, clock):
    """From the first reading on its time is that of the level that is there, and stays so whoever comes next."""
    queue = watch(asyncio.Queue(2), "q", hub=hub)
    for number in range(2):
        queue.put_nowait(number)
    clock.now += 3
    queue._queue.clear()
    for seconds in (0, 5):
        clock.now += seconds
        reading = hub.snapshot().queues["q"]
        assert reading.occupancy_seconds == (seconds, 0, 0, 0, 3)
    queue.put_nowait(1)
    clock.now += 1
    assert hub.snapshot().queues["q"].occupancy_seconds == (5, 0, 1, 0, 3)


async def test_a_limit_that_the_host_has_raised_is_found_by_a_reading(hub, clock):
    """What was full is so no more, though nobody has come since."""
    queue = watch(asyncio.Queue(2), "q", hub=hub)
    for number in range(2):
        queue.put_nowait(number)
    queue._maxsize = 100
    hub.snapshot()
    clock.now += 5
    assert hub.snapshot().queues["q"].occupancy_seconds == (0, 5, 0, 0, 0)


async def test_a_level_comes_back_before_anybody_puts(hub, clock):
    """Each reading says what it finds; the next put goes on from there."""
    queue = watch(asyncio.Queue(2), "q", hub=hub)
    for number in range(2):
        queue.put_nowait(number)
    items = list(queue._queue)
    queue._queue.clear()
    hub.snapshot()
    clock.now += 1
    queue._queue.extend(items)
    hub.snapshot()
    clock.now += 2
    assert hub.snapshot().queues["q"].occupancy_seconds == (1, 0, 0, 0, 2)


async def test_a_level_that_nobody_touches_is_looked_at_by_the_loop(hub, clock):
    """Each beat of the loop looks, so that no reading is needed to date it; who is held up keeps the beats near."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(1)
    task = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0)
    beat = asyncio.get_running_loop()._bpexporter_ledger.attend
    assert beat()
    clock.now += 3
    queue._queue.clear()
    assert beat()
    clock.now += 10
    assert hub.snapshot().queues["q"].occupancy_seconds == (10, 0, 0, 0, 3)
    task.cancel()
    await asyncio.wait([task])
    assert not beat()
