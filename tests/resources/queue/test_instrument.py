"""What a hub says while things happen, under a clock that the test moves."""

import asyncio
import gc
import logging

import pytest
from fake_clock import Clock

from bpexporter import Hub, unwatch, watch


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


async def turns(number=3):
    """Let the loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_stall_shows_while_it_lasts(hub, clock):
    """Blocked producers, their seconds, and the wall seconds of the stall run on while nothing moves."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(0)
    first = asyncio.create_task(queue.put(1))
    await turns()
    clock.now += 10
    second = asyncio.create_task(queue.put(2))
    await turns()
    clock.now += 5
    now = hub.snapshot().queues["q"]
    assert (now.blocked_producers, now.longest_block_seconds) == (2, 15)
    assert (now.put_blocked_seconds, now.stalled_seconds, now.blocked_puts) == (20, 15, 2)
    assert [await queue.get() for _ in range(3)] == [0, 1, 2]
    await asyncio.gather(first, second)
    clock.now += 100
    after = hub.snapshot().queues["q"]
    assert (after.blocked_producers, after.longest_block_seconds) == (0, 0)
    assert (after.put_blocked_seconds, after.stalled_seconds) == (20, 15)
    assert (after.put_wait_seconds.total, after.put_wait_seconds.sum, after.puts) == (3, 20, 3)


async def test_idle_consumers_show_while_they_wait(hub, clock):
    """A consumer that waits is idle, and its seconds run on."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    getter = asyncio.create_task(queue.get())
    await turns()
    clock.now += 7
    now = hub.snapshot().queues["q"]
    assert (now.idle_consumers, now.get_idle_seconds, now.gets) == (1, 7, 0)
    queue.put_nowait(1)
    await getter
    after = hub.snapshot().queues["q"]
    assert (after.idle_consumers, after.get_wait_seconds.sum, after.gets) == (0, 7, 1)


@pytest.mark.parametrize("maxsize", [1, 2, 3, 5, 10, 35, 100, 2.5, 0])
async def test_bands_add_up(hub, clock, maxsize):
    """The seconds of all bands are the wall time, each in the band of the depth that held."""
    queue = watch(asyncio.Queue(maxsize), "q", hub=hub)
    expected = dict.fromkeys(range(5), 0.0)
    while not queue.full() and queue.qsize() < 40:
        queue.put_nowait(0)
        clock.now += 1
        ratio = queue.qsize() / maxsize if maxsize else 0
        expected[4 if ratio >= 1 else 3 if ratio >= 0.8 else 2 if ratio >= 0.5 else 1] += 1
    while queue.qsize():
        queue.get_nowait()
    clock.now += 3
    expected[0] += 3
    assert hub.snapshot().queues["q"].occupancy_seconds == tuple(expected.values())


async def test_bands_follow_a_capacity_that_changes(hub, clock):
    """After the host changed the capacity, the bands are those of the new one."""
    queue = watch(asyncio.Queue(10), "q", hub=hub)
    for number in range(10):
        queue.put_nowait(number)
    queue._maxsize = 100
    clock.now += 2
    queue.put_nowait(10)
    clock.now += 5
    occupancy = hub.snapshot().queues["q"].occupancy_seconds
    assert occupancy == (0, 5, 0, 0, 2)


async def test_peak_lasts_a_minute(hub, clock):
    """A peak is there for 60 s, however often somebody reads, and not longer."""
    queue = watch(asyncio.Queue(10), "q", hub=hub)
    for number in range(8):
        queue.put_nowait(number)
    for _ in range(8):
        queue.get_nowait()
    for _ in range(59):
        clock.now += 1
        assert hub.snapshot().queues["q"].peak_utilization_ratio == 0.8
    clock.now += 2
    assert hub.snapshot().queues["q"].peak_utilization_ratio == 0


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue])
async def test_tracer_times_an_item(hub, clock, kind):
    """An item's way from put to get is its residence, and its age shows while it lies."""
    queue = watch(kind(5), "q", hub=hub)
    queue.put_nowait(1)
    clock.now += 30
    assert hub.snapshot().queues["q"].oldest_item_age_seconds == 30
    queue.get_nowait()
    after = hub.snapshot().queues["q"]
    assert (after.oldest_item_age_seconds, after.residence_seconds.total, after.residence_seconds.sum) == (0, 1, 30)


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue])
async def test_tracers_follow_one_another_in_a_queue_that_is_never_empty(hub, clock, kind):
    """Residence is sampled again and again while a queue stays within one band."""
    queue = watch(kind(100), "q", hub=hub)
    for number in range(20):
        queue.put_nowait(number)
    for number in range(20, 400):
        clock.now += 0.1
        if not number % 10:
            hub.snapshot()
        queue.put_nowait(number)
        queue.get_nowait()
    assert hub.snapshot().queues["q"].residence_seconds.total > 10


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue])
async def test_tracers_find_their_place_after_a_jump(hub, clock, kind):
    """Where a host has cleared its queue, no item's time is taken for another's."""
    queue = watch(kind(10), "q", hub=hub)
    for number in range(8):
        queue.put_nowait(number)
    clock.now += 1_000
    queue._queue.clear()
    for number in range(200):
        hub.snapshot()
        queue.put_nowait(number)
        clock.now += 1
        queue.get_nowait()
    residence = hub.snapshot().queues["q"].residence_seconds
    assert residence.total > 10
    assert residence.sum == residence.total


class Hooked(asyncio.Queue):
    """A queue with a behaviour of its own."""

    def _put(self, item):
        super()._put(item)


@pytest.mark.parametrize("kind", [asyncio.Queue, Hooked])
async def test_peak_of_a_level_that_was_cleared_lasts_a_minute(hub, clock, kind):
    """A level that only a reading can miss is shown for 60 s from the first reading that misses it."""
    queue = watch(kind(4), "q", hub=hub)
    for number in range(4):
        queue.put_nowait(number)
    queue._queue.clear()
    ratios = []
    for seconds in (0, 59, 2):
        clock.now += seconds
        ratios.append(hub.snapshot().queues["q"].peak_utilization_ratio)
    assert ratios == [1, 1, 0]


async def test_refusals(hub, clock):
    """QueueFull, a put that is cancelled, and one that times out are counted."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    queue.put_nowait(1)
    with pytest.raises(asyncio.QueueFull):
        queue.put_nowait(2)
    task = asyncio.create_task(queue.put(3))
    await turns()
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(queue.put(4), 0.001)
    assert hub.snapshot().queues["q"].refused_puts == (1, 2, 0)


async def test_members_aggregate_and_leave_their_totals(hub, clock):
    """Members of a name add up, utilisation is the highest, and totals survive unwatch() and the collector."""
    full, empty = (watch(asyncio.Queue(4), "q", hub=hub) for _ in range(2))
    for number in range(4):
        full.put_nowait(number)
    empty.put_nowait(0)
    both = hub.snapshot().queues["q"]
    assert (both.members, both.capacity_items, both.depth_items) == (2, 8, 5)
    assert (both.utilization_ratio, both.puts) == (1, 5)
    unwatch(full)
    del empty
    gc.collect()
    after = hub.snapshot().queues["q"]
    assert (after.members, after.puts, after.utilization_ratio) == (0, 5, None)


async def test_names_are_bounded(caplog):
    """Further names are counted as __other__, logged once."""
    hub = Hub(max_names=2)
    queues = [watch(asyncio.Queue(), f"q{number}", hub=hub) for number in range(5)]
    with caplog.at_level(logging.WARNING, "bpexporter"):
        snapshot = hub.snapshot()
    assert sorted(snapshot.queues) == ["__other__", "q0", "q1"]
    assert snapshot.queues["__other__"].members == len(queues) - 2
    assert snapshot.kinds["itself"][""].folded_names[("queue",)] == 3


@pytest.mark.parametrize("kind", [1, "", "\ud800", "x" * 1_001, b"q", None])
def test_bad_names_are_refused_at_once(hub, kind):
    """A name that would fail at the scrape fails at watch()."""
    with pytest.raises((TypeError, ValueError), match="name"):
        watch(asyncio.Queue(), kind, hub=hub)


def test_what_cannot_be_watched_is_said():
    """A type that cannot be watched raises a TypeError that says what can."""
    with pytest.raises(TypeError, match=r"asyncio\.Queue"):
        watch(object(), "q")


async def test_watching_again_under_another_name_moves(hub):
    """What was counted stays with the old name."""
    queue = watch(asyncio.Queue(), "old", hub=hub)
    queue.put_nowait(1)
    assert watch(watch(queue, "old", hub=hub), "new", hub=hub) is queue
    queue.put_nowait(2)
    puts = {name: reading.puts for name, reading in hub.snapshot().queues.items()}
    assert puts == {"old": 1, "new": 1}


async def test_an_unwatched_limiter_blocks_nobody(hub, clock):
    """A task that waits in a semaphore which is unwatched is shown no more; its seconds until then stay."""
    limiter = watch(asyncio.Semaphore(1), "l", hub=hub)
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await turns()
    clock.now += 3
    unwatch(limiter)
    clock.now += 100
    after = hub.snapshot().limiters["l"]
    assert (after.waiting_tasks, after.longest_block_seconds) == (0, 0)
    assert (after.acquire_blocked_seconds, after.stalled_seconds, after.blocked_acquires) == (3, 3, 1)
    limiter.release()
    assert await waiting
