"""Ledgers of queues and loops, and their frozen readings: seen through a hub, under a clock that the test moves."""

import asyncio
import copy
import gc
import pickle
import tracemalloc

import pytest
import virtual_time
from fake_clock import Clock
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tally import ACTIONS, Tally

from bpexporter import Hub, unwatch, watch
from bpexporter.catalogue.metrics import READINGS
from bpexporter.hub.hub import registry_of
from bpexporter.primitives.bands import BANDS
from bpexporter.resources.loop.instrument import LoopInstrument
from bpexporter.resources.loop.ledger import LONGEST, SHORTEST, LoopLedger

KINDS = [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue]


class Hooked(asyncio.Queue):
    """A queue with a hook of its own, which takes the slower way."""

    def _put(self, item):
        super()._put(item)


LONGEST_STEP = 40
SIZES = st.sampled_from([1, 2, 3, 5, 10, 2.5, 0, -1])


def programs(*more, of=ACTIONS):
    """Sequences of what may happen, and of the seconds that pass after each."""
    return st.lists(st.tuples(st.sampled_from([*of, *more]), st.integers(0, LONGEST_STEP)), max_size=60)


def runs(kind, maxsize, program, check):
    """Run `program`, and `check` the tally whenever it reads, and at the end."""

    async def main():
        tally = Tally(kind, maxsize)
        for action, number in program:
            await tally.step(action, number)
            if action == "read":
                check(tally, tally.read())
        await tally.end()
        check(tally, tally.read())

    asyncio.run(main())


def agrees(tally, reading):
    """Every total and every level is the one of the tally."""
    assert (reading.puts, reading.gets) == (tally.puts, tally.gets)
    assert (reading.put_wait_seconds.total, reading.get_wait_seconds.total) == (tally.puts, tally.gets)
    assert (reading.blocked_producers, reading.idle_consumers) == (len(tally.putters), len(tally.getters))
    found = reading.put_blocked_seconds, reading.stalled_seconds, reading.get_idle_seconds
    assert found == tuple(tally.seconds[one] for one in ("put", "stalled", "get"))
    assert reading.refused_puts == (tally.refused["full"], tally.refused["cancelled"], 0)
    assert reading.depth_items == tally.queue.qsize()
    assert reading.occupancy_seconds == tuple(tally.bands[band] for band in BANDS)


@pytest.mark.parametrize("kind", [*KINDS, Hooked])
@given(maxsize=SIZES, program=programs())
@settings(max_examples=60)
def test_every_number_is_that_of_a_second_account(kind, maxsize, program):
    """Whatever callers do: counts, waits, stalls, refusals and bands are those of somebody who counts along."""
    runs(kind, maxsize, program, agrees)


def adds_up(tally, reading):
    """The bands hold all the time that has passed, and what waits or is in is as the queue says."""
    assert sum(reading.occupancy_seconds) == tally.clock.now - 1_000
    assert min(reading.occupancy_seconds) >= 0
    assert reading.depth_items == tally.queue.qsize()
    assert 0 <= reading.oldest_item_age_seconds <= tally.clock.now - 1_000


# A reading sees that the size has changed, and the put after it is the first to hear of it.
REREAD = [*[("put", 0)] * 3, *[("get", 0)] * 3, ("put", 0), ("resize", 0), ("read", 1), ("put", 0)]


@pytest.mark.parametrize("kind", [*KINDS, Hooked])
@given(maxsize=SIZES, program=programs("clear", "resize"))
@example(maxsize=2, program=REREAD)
@settings(max_examples=60)
def test_bands_add_up_to_the_wall_time_whatever_jumps(kind, maxsize, program):
    """Also where the host clears or resizes its queue, no second is lost, counted twice or negative."""
    runs(kind, maxsize, program, adds_up)


def misses_none(tally, reading):
    """The peak is as high as any level of the last minute."""
    if tally.capacity > 0:
        assert reading.peak_utilization_ratio >= min(1, tally.peak(60) / tally.capacity)


def invents_none(tally, reading):
    """The peak is no higher than the levels of the last minute, or of the step before it."""
    if tally.capacity > 0:
        assert reading.peak_utilization_ratio <= tally.peak(60 + LONGEST_STEP) / tally.capacity


@pytest.mark.parametrize("kind", [*KINDS, Hooked])
@given(maxsize=SIZES, program=programs())
@settings(max_examples=60)
def test_no_peak_of_the_last_minute_is_missed(kind, maxsize, program):
    """Whatever callers do, the peak is at least the highest level of the last 60 s."""
    runs(kind, maxsize, program, misses_none)


@pytest.mark.parametrize("kind", [*KINDS, Hooked])
@given(maxsize=SIZES, program=programs(of=("put_nowait", "get_nowait", "read")))
@settings(max_examples=60)
def test_no_peak_is_shown_for_long(kind, maxsize, program):
    """A level that was left counts for 60 s from then, or from the next operation or reading at the latest."""
    runs(kind, maxsize, program, invents_none)


@pytest.mark.parametrize("kind", KINDS)
@given(program=programs(of=("put_nowait", "get_nowait", "read")))
@settings(max_examples=60)
def test_the_age_of_the_oldest_item_is_a_lower_bound(kind, program):
    """No item that is waiting is said to be older than the oldest is, and an empty queue has none."""

    async def main():
        tally = Tally(kind, 5)
        for action, number in program:
            if not tally.queue.qsize():
                empty_at = tally.clock.now
            await tally.step(action, number)
            oldest = tally.clock.now - empty_at if tally.queue.qsize() else 0
            if action == "read":
                assert tally.read().oldest_item_age_seconds <= oldest

    asyncio.run(main())


# One queue -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_ledger_is_not_copied(protocol):
    """A copy or a pickle of what a watched object holds has no ledger in it."""
    hub = Hub()
    queue = watch(asyncio.Queue(), "q", hub=hub)
    (ledger,) = registry_of(hub).members("queue")
    assert copy.copy(ledger) is copy.deepcopy(ledger) is pickle.loads(pickle.dumps(ledger, protocol)) is None
    assert hub.snapshot().queues["q"].members == 1 + queue.qsize()


@pytest.mark.parametrize("capacity", [float("inf"), float("nan"), -5, 0])
def test_a_limit_that_limits_nothing_is_unbounded(capacity):
    """Zero, below, infinite and what is no number: such a queue has no capacity and no utilisation."""
    hub = Hub()
    queue = watch(asyncio.Queue(capacity), "q", hub=hub)
    queue.put_nowait(0)
    reading = hub.snapshot().queues["q"]
    assert (reading.unbounded_members, reading.capacity_items, reading.utilization_ratio) == (1, None, None)
    assert reading.depth_items == 1


def test_a_queue_is_taken_over_as_it_is():
    """Items that were in before count for depth and bands, and not as puts; getting them out counts."""
    clock, queue = Clock(), asyncio.Queue(5)
    for number in range(4):
        queue.put_nowait(number)
    hub = Hub(clock=clock)
    watch(queue, "q", hub=hub)
    clock.now += 10
    queue.get_nowait()
    reading = hub.snapshot().queues["q"]
    assert (reading.puts, reading.gets, reading.depth_items, reading.unfinished_tasks) == (0, 1, 3, 4)
    assert reading.occupancy_seconds == (0, 0, 0, 10, 0)
    assert (reading.oldest_item_age_seconds, reading.peak_utilization_ratio) == (10, 0.8)
    assert reading.residence_seconds.total == 0


def test_a_level_that_is_cleared_twice_is_a_peak_twice():
    """A queue that was full until just now shows it, also where it was cleared when full a while before."""
    clock = Clock()
    hub = Hub(clock=clock)
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    peaks = []
    for _ in range(2):
        queue.put_nowait(0)
        clock.now += 61
        queue._queue.clear()
        peaks.append(hub.snapshot().queues["q"].peak_utilization_ratio)
    assert peaks == [1, 1]


def test_a_ledger_is_small():
    """What a watched queue costs, its clocks, tracers and histograms included, is at most 2 KiB."""

    def size():
        queues = [asyncio.Queue(10) for _ in range(200)]
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for queue in queues:
            watch(queue, "q", hub=hub)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    hub = Hub()
    kept = watch(asyncio.Queue(10), "q", hub=hub)
    tracemalloc.start()
    try:
        assert size() / 200 <= 2_048
    finally:
        tracemalloc.stop()
    assert kept.empty()


# Loops ------------------------------------------------------------------------------------------------------


async def test_a_beat_that_is_on_time_costs_nothing():
    """A loop that runs its timers in time has lags of 0 and no stall."""
    clock = Clock()
    ledger = LoopLedger(bounds=(0.1, 1.0), clock=clock)
    ledger.beat()
    for _ in range(3):
        clock.now = ledger.due
        ledger.beat()
    reading = ledger.read(clock.now, tasks=2, runs=True)
    assert (reading.lag_seconds.counts, reading.lag_seconds.sum, reading.stalled_seconds) == ((3, 0, 0), 0, 0)
    assert reading.tasks == 2


async def test_a_beat_after_the_end_is_none():
    """A ledger that is retired, and one outside every loop, sets no timer and counts nothing."""
    clock = Clock()
    ledger = LoopLedger(bounds=(0.1,), clock=clock)
    ledger.beat()
    ledger.retired, clock.now = True, ledger.due + 5
    due = ledger.due
    ledger.beat()
    assert (ledger.due, ledger.read(clock.now, tasks=0, runs=False).lag_seconds.total) == (due, 0)
    outside = LoopLedger(bounds=(0.1,), clock=clock)
    await asyncio.to_thread(outside.beat)
    assert outside.read(clock.now + 99, tasks=0, runs=True).stalled_seconds == 0


@given(st.lists(st.floats(0, 20), max_size=30))
def test_every_second_that_a_loop_was_late_is_counted(delays):
    """Each beat is one lag; the stalled seconds are those over 2 ms, and never go back from reading to reading."""

    async def main():
        clock = Clock()
        ledger, shown = LoopLedger(bounds=(0.1, 1.0), clock=clock), 0
        ledger.beat()
        for delay in delays:
            assert SHORTEST - 1e-9 <= ledger.due - clock.now <= LONGEST + 1e-9
            clock.now = ledger.due + delay
            during = ledger.read(clock.now, tasks=1, runs=True).stalled_seconds
            ledger.beat()
            after = ledger.read(clock.now, tasks=1, runs=True)
            assert shown <= during <= after.stalled_seconds
            assert during == pytest.approx(after.stalled_seconds)
            shown = after.stalled_seconds
        assert after_all(ledger, clock) == (len(delays), pytest.approx(sum(delays), abs=1e-6))
        assert shown == pytest.approx(sum(one for one in delays if one > 0.002), abs=0.002 * len(delays) + 1e-6)

    asyncio.run(main())


def after_all(ledger, clock):
    """How many lags there were, and their seconds."""
    reading = ledger.read(clock.now, tasks=0, runs=False).lag_seconds
    return reading.total, reading.sum


def test_a_loop_of_simulated_time_has_no_timer():
    """In a loop whose time passes only when nothing is left to do nothing of ours is scheduled."""
    loop = virtual_time.VirtualLoop()
    try:
        assert LoopInstrument().keeps_time(loop) is False
    finally:
        loop.close()


# Readings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", READINGS)
def test_a_reading_cannot_be_changed(subject):
    """A reading is a tuple with names."""
    reading = READINGS[subject](*range(len(READINGS[subject]._fields)))
    with pytest.raises(AttributeError):
        setattr(reading, reading._fields[0], 1)
    assert reading == tuple(range(len(reading)))


async def test_every_reading_of_something_watched_is_complete():
    """Each field of a new queue, limiter and loop is known, but for early ratios and what executors alone have."""
    hub = Hub()
    kept = [watch(asyncio.Queue(), "q", hub=hub), watch(asyncio.Semaphore(2), "s", hub=hub)]
    found = hub.snapshot()
    for readings in (found.queues, found.limiters, found.loops):
        (reading,) = readings.values()
        unknown = {name for name, value in reading._asdict().items() if value is None}
        ratios = {"utilization_ratio", "peak_utilization_ratio", "busy_ratio"}
        assert unknown <= {"capacity_items", "waiting_work", *ratios}
    assert [unwatch(one) for one in kept] == kept
