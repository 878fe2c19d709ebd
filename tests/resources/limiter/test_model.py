"""Semaphores against a model: levels, peaks and callers under any order of events, at readings at any moment."""

import asyncio
from decimal import Decimal
from fractions import Fraction

import pytest
from fake_clock import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from bpexporter import Hub, watch

WINDOW, SLOT = 60, 1


class Model:
    """A semaphore, watched, and what is known of it."""

    def __init__(self, kind, permits):
        self.clock = Clock()
        self.hub = Hub(clock=self.clock)
        self.capacity = permits
        self.semaphore = watch(kind(permits), "db", hub=self.hub)
        self.name = "db"
        self.tasks: list[asyncio.Task] = []
        self.since: dict[asyncio.Task, float] = {}
        self.waited = self.blocked = self.acquired = self.refused = 0.0
        self.levels: list[tuple[float, float]] = []  # levels, and when each was left
        self.shown: dict[str, float] = {}

    @property
    def in_use(self):
        """Permits that are held now."""
        return self.capacity - self.semaphore._value

    async def acquire(self, _number):
        """A task that wants a permit."""
        task = asyncio.create_task(self.semaphore.acquire())
        self.tasks.append(task)
        await self.turn()
        if task.done():
            self.acquired += 1
        else:
            self.blocked += 1
            self.since[task] = self.clock.now

    async def release(self, _number):
        """A permit comes back."""
        if self.in_use > 0:
            before = self.in_use
            self.semaphore.release()
            await self.settle(before)

    async def cancel(self, number):
        """A task that waits is cancelled."""
        waiting = [task for task in self.tasks if not task.done()]
        if waiting:
            waiting[number % len(waiting)].cancel()
            await self.settle(self.in_use)

    async def hand_over_and_cancel(self, _number):
        """The next in line is woken, and cancelled before its turn comes."""
        if self.since and self.in_use > 0:
            before = self.in_use
            self.semaphore.release()
            next(iter(self.since)).cancel()
            await self.settle(before)

    async def wait(self, number):
        """Time passes."""
        self.clock.now += (0.1, 0.3, 5, 20, 40)[number % 5]

    async def rename(self, number):
        """It gets another name; what was counted stays with the old one."""
        self.check()
        self.name = f"db{number}"
        watch(self.semaphore, self.name, hub=self.hub)

    async def read(self, _number):
        """Somebody reads."""
        self.check()

    async def turn(self):
        """The loop goes round."""
        for _ in range(4):
            await asyncio.sleep(0)

    async def settle(self, before):
        """Whoever was woken or cancelled goes on."""
        await self.turn()
        for task in [one for one in self.since if one.done()]:
            self.waited += self.clock.now - self.since.pop(task)
            self.acquired += not task.cancelled()
            self.refused += task.cancelled()
        if self.in_use < before:
            self.levels.append((before, self.clock.now))

    def check(self):
        """What is shown is what is true; what is counted never falls."""
        limiters = self.hub.snapshot().limiters
        now = limiters[self.name]
        assert (now.members, now.capacity_permits, now.in_use_permits) == (1, self.capacity, self.in_use)
        assert now.utilization_ratio == pytest.approx(min(1, self.in_use / self.capacity))
        assert now.waiting_tasks == len(self.since)
        if self.name == "db" and len(limiters) == 1:
            self.check_peak(now.peak_utilization_ratio * self.capacity)
            longest = max((self.clock.now - since for since in self.since.values()), default=0)
            assert now.longest_block_seconds == pytest.approx(longest)
        every = limiters.values()
        totals = {
            "acquired": sum(one.acquire_wait_seconds.total for one in every),
            "blocked": sum(one.blocked_acquires for one in every),
            "refused": sum(one.refused_acquires[0] for one in every),
            "seconds": sum(one.acquire_blocked_seconds for one in every),
        }
        present = sum(self.clock.now - since for since in self.since.values())
        expected = [self.acquired, self.blocked, self.refused, self.waited + present]
        assert list(totals.values()) == pytest.approx(expected)
        assert all(value >= self.shown.get(name, 0) - 1e-6 for name, value in totals.items())
        self.shown = totals

    def check_peak(self, peak):
        """The highest level of the last minute, to a second."""
        lowest, highest = (
            max([level for level, left in self.levels if left >= self.clock.now - window], default=0)
            for window in (WINDOW, WINDOW + SLOT)
        )
        assert max(lowest, self.in_use) - 1e-6 <= peak <= max(highest, self.in_use) + 1e-6

    async def end(self):
        """Nothing is left running."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


EVENTS = ["acquire", "acquire", "release", "cancel", "hand_over_and_cancel", "wait", "wait", "read", "rename"]
STEPS = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 9)), max_size=40)


@pytest.mark.parametrize("kind", [asyncio.Semaphore, asyncio.BoundedSemaphore])
@settings(max_examples=60, deadline=None)
@given(steps=STEPS, permits=st.integers(1, 3))
def test_whatever_happens(kind, steps, permits):
    """Permits, peaks, callers and their seconds are right at any moment, each event is in one name, nothing falls."""

    async def play():
        model = Model(kind, permits)
        for event, number in steps:
            await getattr(model, event)(number)
        model.check()
        await model.end()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("permits", "capacity", "one_used"),
    [
        (2.5, 2.5, 0.4), (Decimal(4), 4, 0.25), (Fraction(4), 4, 0.25), (True, 1, 1), (4.0, 4, 0.25),
    ],
)  # fmt: skip
async def test_permits_of_any_type(permits, capacity, one_used):
    """Floats, decimals and fractions are as many permits as they say."""
    hub = Hub(clock=Clock())
    semaphore = watch(asyncio.Semaphore(permits), "db", hub=hub)
    await semaphore.acquire()
    now = hub.snapshot().limiters["db"]
    assert (now.capacity_permits, now.in_use_permits, now.utilization_ratio) == (capacity, 1, one_used)
    semaphore.release()
    now = hub.snapshot().limiters["db"]
    assert (now.capacity_permits, now.in_use_permits, now.peak_utilization_ratio) == (capacity, 0, one_used)


async def test_ratios_are_never_over_one():
    """A semaphore of two and a half permits gives three; it is used to the full, and no further."""
    hub = Hub(clock=Clock())
    semaphore = watch(asyncio.Semaphore(2.5), "db", hub=hub)
    for _ in range(3):
        await semaphore.acquire()
    assert hub.snapshot().limiters["db"].utilization_ratio == 1


async def test_permits_of_numpy():
    """Integers of numpy are permits like others."""
    numpy = pytest.importorskip("numpy")
    hub = Hub(clock=Clock())
    semaphore = watch(asyncio.Semaphore(numpy.int64(4)), "db", hub=hub)
    await semaphore.acquire()
    now = hub.snapshot().limiters["db"]
    assert (now.capacity_permits, now.in_use_permits) == (4, 1)


async def test_permits_that_are_no_number():
    """Of what is not limited, or does not count as a number, capacity and use are not known."""
    hub = Hub(clock=Clock())
    semaphore = watch(asyncio.Semaphore(float("inf")), "db", hub=hub)
    await semaphore.acquire()
    now = hub.snapshot().limiters["db"]
    assert (now.capacity_permits, now.in_use_permits, now.utilization_ratio) == (None, None, None)
