"""What a hub says of semaphores, under a clock that the test moves."""

import asyncio
import gc
import weakref

import pytest
from fake_clock import Clock
from hypothesis import given
from hypothesis import strategies as st

from bpexporter import Hub, unwatch, watch

KINDS = [asyncio.Semaphore, asyncio.BoundedSemaphore, type("Own", (asyncio.Semaphore,), {})]


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


def db(hub):
    """The reading of the one name."""
    return hub.snapshot().limiters["db"]


@pytest.mark.parametrize("kind", KINDS)
async def test_permits(hub, kind):
    """Capacity, permits in use and utilisation are those of the semaphore now."""
    semaphore = watch(kind(4), "db", hub=hub)
    assert (db(hub).members, db(hub).capacity_permits, db(hub).in_use_permits) == (1, 4, 0)
    for _ in range(3):
        await semaphore.acquire()
    assert (db(hub).in_use_permits, db(hub).utilization_ratio) == (3, 0.75)
    semaphore.release()
    assert (db(hub).in_use_permits, db(hub).utilization_ratio) == (2, 0.5)


@pytest.mark.parametrize("kind", KINDS)
async def test_stall_shows_while_it_lasts(hub, clock, kind):
    """Waiting tasks, their seconds and the wall seconds of the stall run on while no permit comes back."""
    semaphore = watch(kind(1), "db", hub=hub)
    await semaphore.acquire()
    first = asyncio.create_task(semaphore.acquire())
    await turns()
    clock.now += 10
    second = asyncio.create_task(semaphore.acquire())
    await turns()
    clock.now += 5
    now = db(hub)
    assert (now.waiting_tasks, now.longest_block_seconds, now.blocked_acquires) == (2, 15, 2)
    assert (now.acquire_blocked_seconds, now.stalled_seconds) == (20, 15)
    assert now.acquire_wait_seconds.total == 1
    semaphore.release()
    await turns()
    clock.now += 2
    semaphore.release()
    await asyncio.gather(first, second)
    clock.now += 100
    after = db(hub)
    assert (after.waiting_tasks, after.longest_block_seconds) == (0, 0)
    assert (after.acquire_blocked_seconds, after.stalled_seconds) == (22, 17)
    assert (after.acquire_wait_seconds.total, after.acquire_wait_seconds.sum) == (3, 22)


@pytest.mark.parametrize("kind", KINDS)
async def test_peak_lasts_a_minute(hub, clock, kind):
    """The highest utilisation is shown for 60 s after it was left, whoever reads and how often."""
    semaphore = watch(kind(4), "db", hub=hub)
    for _ in range(3):
        await semaphore.acquire()
    clock.now += 500
    for _ in range(3):
        semaphore.release()
    peaks = []
    for seconds in (0, 59, 2):
        clock.now += seconds
        await semaphore.acquire()
        semaphore.release()
        peaks.append(db(hub).peak_utilization_ratio)
    assert peaks == [0.75, 0.75, 0.25]


@pytest.mark.parametrize("kind", KINDS)
async def test_acquires_given_up(hub, clock, kind):
    """A cancelled acquire, one that timed out, and one that was cancelled when it had its permit already."""
    semaphore = watch(kind(1), "db", hub=hub)
    await semaphore.acquire()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(semaphore.acquire(), 0.001)
    waiting = asyncio.create_task(semaphore.acquire())
    await turns()
    clock.now += 3
    waiting.cancel()
    await turns()
    assert (db(hub).refused_acquires, db(hub).acquire_blocked_seconds, db(hub).waiting_tasks) == ((2,), 3, 0)
    waiting = asyncio.create_task(semaphore.acquire())
    await turns()
    semaphore.release()
    waiting.cancel()
    await turns()
    now = db(hub)
    assert (now.refused_acquires, now.acquire_wait_seconds.total, now.blocked_acquires) == ((3,), 1, 3)
    assert (now.in_use_permits, semaphore.locked()) == (0, False)


async def test_permits_that_nobody_had(hub, clock):
    """A semaphore of which nothing was free has no known capacity until it has shown: what was free at most."""
    semaphore = watch(asyncio.Semaphore(0), "db", hub=hub)
    assert (db(hub).capacity_permits, db(hub).in_use_permits, db(hub).utilization_ratio) == (None, None, None)
    waiting = asyncio.create_task(semaphore.acquire())
    await turns()
    assert db(hub).waiting_tasks == 1
    semaphore.release()
    await waiting
    semaphore.release()
    semaphore.release()
    assert (db(hub).capacity_permits, db(hub).in_use_permits) == (None, None)
    clock.now += 60
    assert (db(hub).capacity_permits, db(hub).in_use_permits) == (2, 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_callers_that_wait_already(hub, clock, kind):
    """Who waits when watch() comes is timed from then on; permits in use count as they come back."""
    semaphore = kind(1)
    await semaphore.acquire()
    waiting = asyncio.create_task(semaphore.acquire())
    await turns()
    watch(semaphore, "db", hub=hub)
    clock.now += 4
    assert (db(hub).waiting_tasks, db(hub).longest_block_seconds) == (1, 4)
    semaphore.release()
    await waiting
    await turns()
    assert (db(hub).waiting_tasks, db(hub).acquire_wait_seconds.sum) == (0, 4)
    semaphore.release()
    clock.now += 60
    assert (db(hub).capacity_permits, db(hub).in_use_permits) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_unwatched_while_somebody_waits(hub, clock, kind):
    """What waits goes on as if nothing had been, and the totals stay."""
    semaphore = watch(kind(1), "db", hub=hub)
    await semaphore.acquire()
    waiting = asyncio.create_task(semaphore.acquire())
    await turns()
    clock.now += 2
    unwatch(semaphore)
    clock.now += 50
    semaphore.release()
    assert await waiting
    left = db(hub)
    assert (left.members, left.waiting_tasks, left.acquire_blocked_seconds) == (0, 0, 2)
    assert (left.capacity_permits, left.utilization_ratio) == (None, None)


async def test_members_aggregate_and_leave_their_totals(hub, clock):
    """Permits add up, utilisation is that of the worst; what a member counted stays when it goes."""
    one, other = watch(asyncio.Semaphore(2), "db", hub=hub), watch(asyncio.Semaphore(6), "db", hub=hub)
    for semaphore in (one, one, other):
        await semaphore.acquire()
    now = db(hub)
    assert (now.members, now.capacity_permits, now.in_use_permits, now.utilization_ratio) == (2, 8, 3, 1)
    seen = weakref.ref(one)
    del one, semaphore
    gc.collect()
    after = db(hub)
    assert (seen(), after.members, after.capacity_permits) == (None, 1, 6)
    assert after.acquire_wait_seconds.total == 3
    assert after.peak_utilization_ratio == 1


def test_as_a_context_manager_in_two_threads(hub):
    """`async with` is counted, in loops of several threads."""

    async def work():
        semaphore = watch(asyncio.Semaphore(2), "db", hub=hub)

        async def one():
            async with semaphore:
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(10)))

    async def main():
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, work()) for _ in range(2)))

    asyncio.run(main())
    gc.collect()
    assert (db(hub).acquire_wait_seconds.total, db(hub).blocked_acquires, db(hub).members) == (20, 16, 0)


class Trace:
    """What happens to the tasks that want permits of one semaphore."""

    def __init__(self, semaphore):
        self.semaphore = semaphore
        self.tasks = []
        self.seen = []

    async def wait(self, number):
        """One task's acquire, and how it ended."""
        try:
            self.seen.append((number, await self.semaphore.acquire()))
        except asyncio.CancelledError:
            self.seen.append((number, "cancelled"))
            raise

    async def step(self, what, number):
        """One operation."""
        if what == "acquire":
            self.tasks.append(asyncio.create_task(self.wait(len(self.tasks))))
        elif what == "cancel" and self.tasks:
            self.tasks[number % len(self.tasks)].cancel()
        elif what == "release":
            try:
                self.semaphore.release()
            except ValueError:
                self.seen.append("too many")
        elif what == "turn":
            await asyncio.sleep(0)

    async def end(self):
        """Nothing is left running."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.seen, self.semaphore._value, self.semaphore.locked()


STEPS = st.lists(
    st.tuples(st.sampled_from(["acquire", "acquire", "release", "cancel", "turn", "turn"]), st.integers(0, 9))
)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS, permits=st.integers(0, 3), watched_at=st.integers(0, 8))
def test_same_outcomes_side_by_side(kind, steps, permits, watched_at):
    """Whatever is done, and whenever it is watched, tasks get their permits as from a bare semaphore, in that order."""

    async def play(watched):
        hub = Hub()
        trace = Trace(kind(permits))
        for at, (what, number) in enumerate(steps):
            if watched and at == watched_at:
                watch(trace.semaphore, "db", hub=hub)
            await trace.step(what, number)
        counted = hub.snapshot().limiters.get("db")
        if counted is not None and watched_at == 0:
            await turns()
            counted = hub.snapshot().limiters["db"]
            got = sum(1 for one in trace.seen if one[1:] == (True,))
            assert counted.acquire_wait_seconds.total == got
            assert counted.waiting_tasks == sum(not task.done() for task in trace.tasks)
        else:
            await turns()
        return await trace.end()

    assert asyncio.run(play(True)) == asyncio.run(play(False))
