"""Callers that were blocked before their queue was watched, or when it got another name: one event, one step."""

import asyncio

import pytest
from fake_clock import Clock

from bpexporter import Hub, watch
from bpexporter.resources.queue.originals import KNOWN

SIDES = ["put", "get"]


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub on that clock."""
    return Hub(clock=clock)


async def turns(count=4):
    """Some turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def shown(hub, side, name="q"):
    """Who waits, the seconds that were waited, what was done, and how long each of those had waited."""
    reading = hub.snapshot().queues[name]
    if side == "put":
        return reading.blocked_producers, reading.put_blocked_seconds, reading.puts, reading.put_wait_seconds
    return reading.idle_consumers, reading.get_idle_seconds, reading.gets, reading.get_wait_seconds


class Case:
    """A caller that is blocked on one side of a queue, and what it sees when it goes on."""

    def __init__(self, side):
        self.side = side
        self.queue = asyncio.Queue(1)
        if side == "put":
            self.queue.put_nowait(0)
        self.after = lambda: None

    async def call(self):
        await (self.queue.put(1) if self.side == "put" else self.queue.get())
        self.seen = self.after()

    def let_go(self):
        """Make room, or give something."""
        if self.side == "put":
            self.queue.get_nowait()
        else:
            self.queue.put_nowait(1)


@pytest.mark.parametrize("side", SIDES)
async def test_an_end_is_recorded_in_the_step_of_the_caller(hub, clock, side):
    """In the very step in which the call returns nobody waits, and the wait is with the put or get."""
    case = Case(side)
    task = asyncio.create_task(case.call())
    await turns()
    watch(case.queue, "q", hub=hub)
    case.after = lambda: shown(hub, side)
    clock.now += 3
    case.let_go()
    await task
    waiting, seconds, count, waits = case.seen
    assert (waiting, seconds, count, waits.total, waits.sum) == (0, 3, 1, 1, 3)
    assert waits.counts[0] == 0


@pytest.mark.parametrize("side", SIDES)
async def test_a_wait_goes_with_a_queue_that_gets_another_name(hub, clock, side):
    """Each name has the seconds of its time, the wait is one wait, as long as it was, and counted once."""
    case = Case(side)
    watch(case.queue, "first", hub=hub)
    task = asyncio.create_task(case.call())
    await turns()
    for name in ("second", "first", "second"):
        clock.now += 2
        watch(case.queue, name, hub=hub)
    clock.now += 2
    assert [shown(hub, side, name)[:2] for name in ("first", "second")] == [(0, 4), (1, 4)]
    case.let_go()
    await task
    assert [shown(hub, side, name)[3].sum for name in ("first", "second")] == [0, 8]
    if side == "put":
        readings = hub.snapshot().queues
        assert (readings["first"].blocked_puts, readings["second"].blocked_puts) == (1, 0)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("watched_before", [True, False], ids=["watched", "not watched before"])
async def test_who_is_woken_in_the_turn_of_a_renaming_lands_under_the_new_name(hub, clock, side, watched_before):
    """Its put or get and its wait are both there."""
    case = Case(side)
    if watched_before:
        watch(case.queue, "old", hub=hub)
    task = asyncio.create_task(case.call())
    await turns()
    watch(case.queue, "old", hub=hub)
    clock.now += 3
    case.let_go()
    watch(case.queue, "new", hub=hub)
    await task
    waiting, _seconds, count, waits = shown(hub, side, "new")
    assert (waiting, count, waits.total, waits.sum) == (0, 1, 1, 3)
    assert shown(hub, side, "old")[0] == 0


async def test_who_is_cancelled_in_the_turn_of_a_renaming_is_refused_under_the_new_name(hub, clock):
    """A put that was given up is not lost between two names."""
    case = Case("put")
    watch(case.queue, "old", hub=hub)
    task = asyncio.create_task(case.call())
    await turns()
    task.cancel()
    watch(case.queue, "new", hub=hub)
    await asyncio.wait([task])
    await turns()
    readings = hub.snapshot().queues
    assert (readings["old"].refused_puts, readings["new"].refused_puts) == ((0, 0, 0), (0, 1, 0))
    assert readings["new"].blocked_producers == 0


@pytest.mark.skipif(not KNOWN, reason="there a wait is known by its task alone")
async def test_who_is_woken_and_given_up_does_not_land(hub, clock):
    """A caller that waited before, is cancelled as it is woken and then puts in another way: one refusal, one put."""
    queue = asyncio.Queue(1)
    queue.put_nowait(0)

    async def stubborn():
        try:
            await queue.put(1)
        except asyncio.CancelledError:
            queue.put_nowait(2)

    task = asyncio.create_task(stubborn())
    await turns()
    watch(queue, "q", hub=hub)
    clock.now += 3
    queue.get_nowait()
    task.cancel()
    await task
    await turns()
    reading = hub.snapshot().queues["q"]
    assert (reading.puts, reading.refused_puts, reading.put_wait_seconds.sum) == (1, (0, 1, 0), 0)


async def test_who_loses_its_place_waits_on(hub, clock):
    """Woken, but another was faster: it is one wait over both."""
    case = Case("put")
    task = asyncio.create_task(case.call())
    await turns()
    watch(case.queue, "q", hub=hub)
    clock.now += 1
    case.let_go()
    case.queue.put_nowait(9)
    await turns()
    clock.now += 1
    assert shown(hub, "put")[0] == 1
    case.let_go()
    await task
    assert shown(hub, "put")[3].sum == 2
