"""Queues that hand out what is given back, as limiters."""

import asyncio
import gc

import pytest
from fake_clock import Clock

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.queue.instrument import METHODS


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


KINDS = [asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue]


async def filled(kind, maxsize, number=3):
    """A pool with so many connections."""
    queue = kind(maxsize)
    for connection in range(number):
        queue.put_nowait(connection)
    return queue


@pytest.mark.parametrize("maxsize", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
async def test_who_waits_to_get_is_held_up(hub, clock, kind, maxsize):
    """In use is what is not in the queue; a waiting get is a blocked caller; and it is no queue at all."""
    pool = watch(await filled(kind, maxsize), "db", hub=hub, pool=True)
    now = hub.snapshot().limiters["db"]
    assert (now.members, now.capacity_permits, now.in_use_permits) == (1, 3, 0)
    taken = [await pool.get() for _ in range(3)]
    waiting = asyncio.create_task(pool.get())
    await asyncio.sleep(0)
    clock.now += 4
    found = hub.snapshot()
    now = found.limiters["db"]
    assert (now.in_use_permits, now.utilization_ratio, now.waiting_tasks) == (3, 1, 1)
    assert (now.stalled_seconds, now.longest_block_seconds, now.blocked_acquires) == (4, 4, 1)
    assert dict(found.queues) == {}
    pool.put_nowait(taken.pop())
    assert await waiting in range(3)
    now = hub.snapshot().limiters["db"]
    assert (now.waiting_tasks, now.acquire_wait_seconds.total, now.acquire_wait_seconds.sum) == (0, 4, 4)


async def test_a_queue_that_turns_out_to_be_a_pool(hub):
    """What was watched as a queue is watched as a pool from then on, and what it has counted stays with the queue."""
    pool = watch(await filled(asyncio.Queue, 3), "db", hub=hub)
    pool.get_nowait()
    watch(pool, "db", hub=hub, pool=True)
    found = hub.snapshot()
    assert (found.queues["db"].members, found.queues["db"].gets) == (0, 1)
    assert found.limiters["db"].in_use_permits == 1
    watch(pool, "renamed", hub=hub)
    assert hub.snapshot().limiters["renamed"].in_use_permits == 1


async def test_only_queues_are_pools(hub):
    """Anything else is refused at once."""
    with pytest.raises(TypeError, match=r"a pool is an asyncio\.Queue"):
        watch(asyncio.Semaphore(1), "db", hub=hub, pool=True)


async def test_a_pool_goes_on_when_the_last_queue_is_unwatched(hub):
    """The methods of queues stay in place for it, and go when it goes."""
    gc.collect()  # the pools of other tests
    pool = watch(await filled(asyncio.Queue, 3), "db", hub=hub, pool=True)
    unwatch(watch(asyncio.Queue(), "q", hub=hub))
    await pool.get()
    assert hub.snapshot().limiters["db"].acquire_wait_seconds.total == 1
    unwatch(pool)
    assert vars(asyncio.Queue)["get"] is METHODS.originals["get"]
    assert hub.snapshot().limiters["db"].members == 0


async def test_who_uses_a_pool_acquires_it():
    """Who gets from a pool and gives back acquires a limiter, whether it has to wait or not, and does nothing else."""
    hub = Hub()
    pool = watch(await filled(asyncio.LifoQueue, 2, number=2), "db", hub=hub, pool=True)

    async def use():
        for _ in range(3):
            connection = await pool.get()
            await asyncio.sleep(0.002)
            pool.put_nowait(connection)

    await asyncio.gather(*(use() for _ in range(4)))
    links = {link for stage in hub.snapshot().stages.values() for link in stage.link_info}
    assert links == {("db", "limiter", "acquire")}
