"""Reading limiters: under threads, many at once, and after the end of their loop."""

import asyncio
import gc
import logging
import threading
from itertools import pairwise

import pytest
from fake_clock import Clock

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.reading import UNKNOWN, Totals


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


def db(hub):
    """The reading of the one name."""
    return hub.snapshot().limiters["db"]


def read(ledger, clock):
    """A reading of `ledger` alone."""
    totals = Totals()
    totals.add_member(ledger, UNKNOWN, clock())
    return totals.reading()


def test_an_acquire_that_lands_while_somebody_reads(clock, monkeypatch):
    """A wait that is fed after the reader has sorted is in no bucket yet, and in none that it would leave again."""
    ledger = LimiterLedger(bounds=(0.1, 1.0), clock=clock, capacity=3)
    settle = ledger.waits.settle

    def feed():
        ledger.begin("caller")
        clock.now += 0.5
        ledger.acquired("caller")

    def settle_and_feed():
        settle()
        feed()

    feed()

    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.waits), "settle", lambda _waits: settle_and_feed())
        during = read(ledger, clock).acquire_wait_seconds
    after = read(ledger, clock).acquire_wait_seconds
    assert (during.counts, after.counts) == ((0, 1, 0), (0, 2, 0))


@pytest.mark.parametrize("kind", [asyncio.Semaphore, asyncio.BoundedSemaphore])
def test_nothing_falls_under_threads(kind):
    """While tasks wait for permits as fast as they can, no bucket that another thread reads ever falls."""
    hub = Hub(buckets=(1e-9, 1.0))
    seen, over = [], threading.Event()

    def reader():
        while not over.is_set():
            seen.extend(hub.snapshot().limiters["db"].acquire_wait_seconds.counts for _ in range(50))

    async def work(semaphore):
        for _ in range(300):
            async with semaphore:
                await asyncio.sleep(0)

    async def main():
        semaphore = watch(kind(1), "db", hub=hub)
        thread = threading.Thread(target=reader)
        thread.start()
        await asyncio.gather(*(work(semaphore) for _ in range(4)))
        over.set()
        thread.join()
        return hub.snapshot().limiters["db"].acquire_wait_seconds.total

    assert asyncio.run(main()) == 1_200
    for before, after in pairwise(seen):
        assert all(one <= other for one, other in zip(before, after, strict=True))


async def test_many_of_one_name_are_added_up(hub, clock):
    """A name with many members says what its members say together."""
    semaphores = [watch(asyncio.Semaphore(2), "db", hub=hub) for _ in range(100)]
    for semaphore in semaphores[:30]:
        await semaphore.acquire()
    waiting = []
    for semaphore in semaphores[:3]:
        await semaphore.acquire()
        waiting.append(asyncio.create_task(semaphore.acquire()))
    await asyncio.sleep(0)
    clock.now += 2
    now = db(hub)
    assert (now.members, now.capacity_permits, now.in_use_permits, now.utilization_ratio) == (100, 200, 33, 1)
    assert (now.waiting_tasks, now.acquire_blocked_seconds, now.longest_block_seconds) == (3, 6, 2)
    assert (now.acquire_wait_seconds.total, now.blocked_acquires) == (33, 3)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_member_that_fails_is_left_out(hub, monkeypatch):
    """A ledger that fails is skipped and counted; the others of its name are read."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")
    kept = [watch(asyncio.Semaphore(2), "db", hub=hub) for _ in range(2)]
    monkeypatch.setattr(kept[0]._bpexporter_ledger, "waits", None)
    before = hub.snapshot().kinds["itself"][""].collect_errors
    assert db(hub).members == 1
    assert hub.snapshot().kinds["itself"][""].collect_errors > before


def test_callers_of_a_closed_loop(hub, clock, caplog):
    """In a closed loop nobody waits: the wait ends with the loop, whenever it is read."""
    caplog.set_level(logging.CRITICAL)
    semaphore = watch(asyncio.Semaphore(1), "db", hub=hub)

    async def main():
        await semaphore.acquire()
        asyncio.create_task(semaphore.acquire())  # noqa: RUF006  the semaphore holds it
        await asyncio.sleep(0)
        clock.now += 3

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    assert db(hub).waiting_tasks == 1
    loop.close()
    clock.now += 100
    now = db(hub)
    assert (now.waiting_tasks, now.longest_block_seconds, now.stalled_seconds) == (0, 0, 3)
    assert (now.acquire_blocked_seconds, now.in_use_permits) == (3, 1)


def test_callers_of_a_loop_whose_close_nobody_heard(hub, clock, caplog):
    """Where the close of a loop was not heard of, it is seen at the next reading."""
    caplog.set_level(logging.CRITICAL)
    semaphore = watch(asyncio.Semaphore(1), "db", hub=hub)

    class Own(asyncio.SelectorEventLoop):
        def close(self):
            self._closed = True

    async def main():
        await semaphore.acquire()
        asyncio.create_task(semaphore.acquire())  # noqa: RUF006  the semaphore holds it
        await asyncio.sleep(0)

    loop = Own()
    loop.run_until_complete(main())
    loop.close()
    assert db(hub).waiting_tasks == 0
    loop._closed = False
    asyncio.SelectorEventLoop.close(loop)


async def test_the_dead_are_dated_when_they_die(hub, clock):
    """Whatever time passes until somebody reads, a stall ends when its semaphore is freed."""

    async def leave():
        semaphore = watch(asyncio.Semaphore(1), "db", hub=hub)
        await semaphore.acquire()
        waiting = asyncio.create_task(semaphore.acquire())
        await asyncio.sleep(0)
        clock.now += 3
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    await leave()
    await asyncio.sleep(0)
    gc.collect()
    clock.now += 30
    now = db(hub)
    assert (now.members, now.stalled_seconds, now.peak_utilization_ratio) == (0, 3, None)


async def test_a_renamed_semaphore_keeps_what_is_known(hub, clock):
    """Capacity and permits in use go with it; who waits has begun to under the old name, and waits under the new."""
    semaphore = watch(asyncio.Semaphore(3), "db", hub=hub)
    for _ in range(3):
        await semaphore.acquire()
    waiting = asyncio.create_task(semaphore.acquire())
    await asyncio.sleep(0)
    clock.now += 2
    watch(semaphore, "other", hub=hub)
    clock.now += 3
    old, new = hub.snapshot().limiters["db"], hub.snapshot().limiters["other"]
    assert (new.capacity_permits, new.in_use_permits, new.waiting_tasks) == (3, 3, 1)
    assert (old.blocked_acquires, new.blocked_acquires) == (1, 0)
    assert (old.stalled_seconds, new.stalled_seconds) == (2, 3)
    semaphore.release()
    await waiting
    unwatch(semaphore)
    assert hub.snapshot().limiters["other"].acquire_wait_seconds.total == 1


@pytest.mark.parametrize("cancelled", [False, True])
async def test_woken_in_the_turn_of_the_renaming(hub, cancelled):
    """Who is handed its permit, or cancelled, in the turn in which the name changes is counted in one name."""
    semaphore = watch(asyncio.Semaphore(1), "db", hub=hub)
    await semaphore.acquire()
    waiting = asyncio.create_task(semaphore.acquire())
    await asyncio.sleep(0)
    if cancelled:
        waiting.cancel()
    else:
        semaphore.release()
    watch(semaphore, "other", hub=hub)
    await asyncio.gather(waiting, return_exceptions=True)
    both = [hub.snapshot().limiters[name] for name in ("db", "other")]
    assert sum(one.acquire_wait_seconds.total for one in both) == 1 + (not cancelled)
    assert sum(one.refused_acquires[0] for one in both) == cancelled
    assert [one.waiting_tasks for one in both] == [0, 0]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_caller_that_waited_before_goes_on_in_the_step_of_its_acquire(hub, clock, cancelled):
    """When the task goes on, its wait is over already: nothing that it then does counts as waiting."""
    semaphore = asyncio.Semaphore(1)
    await semaphore.acquire()
    seen = []

    async def caller():
        try:
            await semaphore.acquire()
        finally:
            clock.now += 10  # in the same step
            seen.append(db(hub))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    watch(semaphore, "db", hub=hub)
    clock.now += 2
    semaphore.release()
    if cancelled:
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (seen[0].waiting_tasks, seen[0].stalled_seconds, seen[0].refused_acquires) == (0, 2, (cancelled,))
    assert seen[0].acquire_wait_seconds.total == (not cancelled)
