"""Limiters of libraries that are no pools: rates, jobs, threads."""

import asyncio
import gc

import aiojobs
import aiolimiter
import anyio
import pytest
from holding import held, until

import bpexporter

later = None


@pytest.mark.skipif(not aiolimiter.AsyncLimiter.__weakrefoffset__, reason="there it is left alone: 3.13 and later")
async def test_a_rate_limiter(hub):
    """Of a bucket for two three callers fill it, the third waits; what leaks away is no longer in use."""
    limiter = aiolimiter.AsyncLimiter(2, 0.5)
    name = f"{__name__}.test_a_rate_limiter:limiter"
    tasks = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await until(lambda: hub.snapshot().limiters[name].waiting_tasks == 1)
    reading = hub.snapshot().limiters[name]
    assert (reading.capacity_permits, reading.blocked_acquires) == (2, 1)
    assert 1.5 < reading.in_use_permits <= 2
    await asyncio.gather(*tasks)
    reading = hub.snapshot().limiters[name]
    assert (reading.waiting_tasks, reading.acquire_wait_seconds.total) == (0, 3)
    await until(lambda: hub.snapshot().limiters[name].in_use_permits < 1)


async def test_a_scheduler_of_jobs(hub):
    """Jobs that run are in use, those that may not begin wait as work, and `spawn()` is blocked where too many do."""
    go = asyncio.Event()
    scheduler = aiojobs.Scheduler(limit=1, pending_limit=1)
    name = f"{__name__}.test_a_scheduler_of_jobs:scheduler"
    await scheduler.spawn(go.wait())
    await scheduler.spawn(go.wait())
    blocked = asyncio.create_task(scheduler.spawn(go.wait()))
    await until(lambda: hub.snapshot().limiters[name].waiting_tasks == 1)
    reading = hub.snapshot().limiters[name]
    assert (reading.capacity_permits, reading.in_use_permits, reading.waiting_work) == (1, 1, 1)
    go.set()
    await blocked
    await scheduler.wait_and_close()
    reading = hub.snapshot().limiters[name]
    assert (reading.waiting_tasks, reading.acquire_wait_seconds.total) == (0, 3)
    assert hub.snapshot().queues.keys() == set()


async def test_the_limiter_of_threads(hub):
    """anyio's own limiter of threads, which synchronous routes of FastAPI wait for, has a name that says so."""
    await anyio.to_thread.run_sync(int)
    reading = hub.snapshot().limiters["anyio:default thread limiter"]
    assert (reading.capacity_permits, reading.in_use_permits, reading.acquire_wait_seconds.total) == (40, 0, 1)


@pytest.mark.parametrize("kind", [anyio.CapacityLimiter, anyio.Semaphore])
def test_what_is_made_outside_every_loop(kind, hub):
    """A limiter of a module, made before the loop runs, is called what it is there, and is one limiter."""
    global later
    later = kind(1)
    (found,) = hub.snapshot().limiters
    assert found == f"{__name__}:later"

    async def main() -> None:
        async with held(lambda: later) as callers:
            await callers.add(2)
            await until(lambda: hub.snapshot().limiters[found].waiting_tasks == 1)
            reading = hub.snapshot().limiters[found]
            assert (reading.capacity_permits, reading.in_use_permits) == (1, 1)
        assert hub.snapshot().limiters[found].acquire_wait_seconds.total == 2

    asyncio.run(main())
    assert hub.snapshot().limiters.keys() == {found}


async def test_what_is_gone_is_folded(hub):
    """A limiter that is dropped leaves its totals, and is held by nobody here."""
    for _ in range(3):
        limiter = anyio.CapacityLimiter(1)
        async with limiter:
            pass
        del limiter
    gc.collect()
    (reading,) = hub.snapshot().limiters.values()
    assert (reading.members, reading.acquire_wait_seconds.total) == (0, 3)


async def test_watch_takes_them_too():
    """`watch()` takes what an adapter knows, gives it back, goes on under another name; `unwatch()` undoes it."""
    hub = bpexporter.Hub()
    before = anyio.CapacityLimiter.acquire
    limiter = anyio.CapacityLimiter(2)
    original = type(limiter).acquire_on_behalf_of
    assert bpexporter.watch(limiter, "threads", hub=hub) is limiter
    async with limiter:
        assert hub.snapshot().limiters["threads"].in_use_permits == 1
    bpexporter.watch(limiter, "workers", hub=hub)
    async with limiter:
        assert hub.snapshot().limiters["workers"].in_use_permits == 1
    assert bpexporter.unwatch(limiter) is limiter
    assert (type(limiter).acquire_on_behalf_of, anyio.CapacityLimiter.acquire) == (original, before)
    assert hub.snapshot().limiters["workers"].acquire_wait_seconds.total == 1


async def test_limiters_of_different_kinds_share_a_name():
    """A semaphore of asyncio's and one of anyio's under one name are added up, each read in its own way."""
    hub = bpexporter.Hub()
    ours, theirs = asyncio.Semaphore(2), anyio.Semaphore(3)
    try:
        bpexporter.watch(ours, "work", hub=hub)
        bpexporter.watch(theirs, "work", hub=hub)
        async with ours, theirs:
            reading = hub.snapshot().limiters["work"]
        assert (reading.members, reading.capacity_permits, reading.in_use_permits) == (2, 5, 2)
    finally:
        bpexporter.unwatch(ours), bpexporter.unwatch(theirs)
