"""Locks as limiters of one permit: shown when asked for, or once somebody has waited."""

import asyncio
import gc

import pytest
from fake_clock import Clock

import bpexporter
from bpexporter import Hub, unwatch, watch


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


@pytest.fixture
def installed(hub):
    """Everything is watched."""
    bpexporter.install(hub=hub)
    yield hub
    bpexporter.uninstall()


async def turns(number=3):
    """Let the loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_lock_is_a_limiter_of_one_permit(hub, clock):
    """Who waits for it is held up, and shows while it lasts."""
    lock = watch(asyncio.Lock(), "cache", hub=hub)
    now = hub.snapshot().limiters["cache"]
    assert (now.capacity_permits, now.in_use_permits, now.utilization_ratio) == (1, 0, 0)
    await lock.acquire()
    waiting = asyncio.create_task(lock.acquire())
    await turns()
    clock.now += 4
    now = hub.snapshot().limiters["cache"]
    assert (now.in_use_permits, now.waiting_tasks, now.stalled_seconds, now.longest_block_seconds) == (1, 1, 4, 4)
    lock.release()
    await waiting
    lock.release()
    clock.now += 59
    now = hub.snapshot().limiters["cache"]
    assert (now.in_use_permits, now.waiting_tasks, now.stalled_seconds) == (0, 0, 4)
    assert (now.acquire_wait_seconds.total, now.acquire_wait_seconds.sum, now.peak_utilization_ratio) == (2, 4, 1)


async def test_acquires_given_up(hub):
    """A cancelled acquire is counted, and the lock goes to the next in line."""
    lock = watch(asyncio.Lock(), "cache", hub=hub)
    await lock.acquire()
    first, second = asyncio.create_task(lock.acquire()), asyncio.create_task(lock.acquire())
    await turns()
    lock.release()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    now = hub.snapshot().limiters["cache"]
    assert (now.refused_acquires, now.acquire_wait_seconds.total, now.in_use_permits) == ((1,), 2, 1)


async def test_who_waits_already(hub, clock):
    """Callers that wait when `watch()` comes are timed from then on."""
    lock = asyncio.Lock()
    await lock.acquire()
    waiting = asyncio.create_task(lock.acquire())
    await turns()
    watch(lock, "cache", hub=hub)
    clock.now += 2
    assert hub.snapshot().limiters["cache"].waiting_tasks == 1
    lock.release()
    await waiting
    now = hub.snapshot().limiters["cache"]
    assert (now.waiting_tasks, now.acquire_wait_seconds.sum) == (0, 2)


async def test_quiet_until_somebody_waits(installed):
    """Found by itself, a lock has no series before somebody has waited for one of its name."""

    async def hold(lock):
        async with lock:
            await asyncio.sleep(0)

    locks = [asyncio.Lock() for _ in range(3)]
    await hold(locks[0])
    assert dict(installed.snapshot().limiters) == {}
    await asyncio.gather(hold(locks[1]), hold(locks[1]))
    (reading,) = installed.snapshot().limiters.values()
    assert (reading.members, reading.blocked_acquires) == (3, 1)


async def test_a_quiet_lock_leaves_nothing(installed):
    """A lock for which nobody has waited is not shown after it has gone either."""
    for _ in range(3):
        async with asyncio.Lock():
            pass
    gc.collect()
    assert dict(installed.snapshot().limiters) == {}
    asyncio.Condition()
    assert installed.snapshot().kinds["itself"][""].watched_objects[("limiter",)] == 0


async def test_methods_are_put_back(hub):
    """After the last limiter is unwatched the methods of locks are the standard library's, whoever went last."""
    before = vars(asyncio.Lock)["acquire"], vars(asyncio.Semaphore)["acquire"]
    lock, semaphore = watch(asyncio.Lock(), "a", hub=hub), watch(asyncio.Semaphore(), "b", hub=hub)
    assert vars(asyncio.Lock)["acquire"] is not before[0]
    unwatch(lock)
    unwatch(semaphore)
    assert (vars(asyncio.Lock)["acquire"], vars(asyncio.Semaphore)["acquire"]) == before


async def test_a_lock_and_a_semaphore_may_share_a_name(hub):
    """Each is read as what it is, and they add up."""
    kept = watch(asyncio.Lock(), "db", hub=hub), watch(asyncio.Semaphore(4), "db", hub=hub)
    now = hub.snapshot().limiters["db"]
    assert (now.members, now.capacity_permits, len(kept)) == (2, 5, 2)


async def test_releasing_a_free_lock(hub):
    """What asyncio refuses is refused as before."""
    lock = watch(asyncio.Lock(), "cache", hub=hub)
    with pytest.raises(RuntimeError, match="not acquired"):
        lock.release()
