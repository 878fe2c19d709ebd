"""How busy a loop is: timed in its selector, or a lower bound where nobody can."""

import asyncio
import gc
import threading
import weakref

import pytest
from fake_clock import Clock

import bpexporter
from bpexporter import Hub
from bpexporter.resources.loop.busy import SHARE_WINDOW, BusyClock
from bpexporter.resources.loop.instrument import LoopInstrument
from bpexporter.resources.loop.ledger import LoopLedger


@pytest.fixture
def clock():
    """A clock at a standstill."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub that reads that clock."""
    return Hub(clock=clock)


def app(hub):
    """The reading of the one loop."""
    return hub.snapshot().loops["app"]


async def begin(hub):
    """Watch the loop that runs."""
    bpexporter.watch(asyncio.get_running_loop(), "app", hub=hub)


async def step(clock, seconds):
    """A step of the loop that takes `seconds`."""
    clock.now += seconds


async def wait(clock, seconds):
    """The loop waits in its selector for `seconds`."""
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake() -> None:
        clock.now += seconds  # on another thread, while the loop waits
        loop.call_soon_threadsafe(woken.set)

    waking = threading.Timer(0.05, wake)
    waking.start()
    await woken.wait()
    waking.join()


async def test_steps_are_busy_and_waits_are_not(hub, clock):
    """The seconds of steps count, whether the loop goes round at once or waits afterwards; the waits do not."""
    await begin(hub)
    await step(clock, 3)
    await asyncio.sleep(0)
    await wait(clock, 50)
    await step(clock, 4)
    await wait(clock, 100)
    assert app(hub).busy_seconds == 7


async def test_the_present_step_is_included(hub, clock):
    """A step that does not end shows in a reading of another thread, while it lasts."""
    await begin(hub)
    seen = []
    for _ in range(3):
        clock.now += 2
        reader = threading.Thread(target=lambda: seen.append(app(hub).busy_seconds))
        reader.start()
        reader.join()
    assert seen == [2, 4, 6]


async def test_brief_steps_that_no_timer_meets(hub, clock):
    """A loop that is held for nearly all of the time by many short steps is busy for nearly all of it."""
    await begin(hub)
    for _ in range(20):
        await step(clock, 0.019)
        await wait(clock, 0.001)
    assert app(hub).busy_seconds == pytest.approx(0.38)


def test_time_between_two_runs_is_nobodys(hub, clock):
    """A loop that has stopped is not busy, and goes on counting in its next run at once, before any timer."""
    with asyncio.Runner() as runner:
        runner.run(begin(hub))
        for _ in range(3):
            clock.now += 100
            assert app(hub).busy_seconds == pytest.approx(runner.run(busy_now(hub)))
            runner.run(step(clock, 5))
        assert app(hub).busy_seconds == 15


async def busy_now(hub):
    """The busy seconds, read in the loop."""
    return app(hub).busy_seconds


def test_a_loop_that_was_watched_before_it_runs(hub, clock):
    """From its first beat on it is timed."""
    loop = asyncio.new_event_loop()
    bpexporter.watch(loop, "app", hub=hub)
    assert app(hub).busy_seconds == 0
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(step(clock, 3))
    loop.close()
    assert app(hub).busy_seconds == 3
    assert app(hub).members == 0


def test_the_selector_is_as_it_was(hub):
    """After `unwatch()`, and after the loop is gone, nothing of ours stands on its selector."""

    async def main():
        loop = asyncio.get_running_loop()
        bpexporter.watch(loop, "app", hub=hub)
        assert "select" in vars(loop._selector)
        bpexporter.unwatch(loop)
        assert "select" not in vars(loop._selector)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_loop_that_ended_leaves_nothing_to_collect(hub):
    """The selector of a closed loop is freed without the collector."""

    async def main():
        await begin(hub)
        return weakref.ref(asyncio.get_running_loop()._selector)

    gc.disable()
    try:
        selector = asyncio.run(main())
        assert selector() is None
    finally:
        gc.enable()


async def test_a_selector_that_the_host_has_changed(hub, clock):
    """A `select` that the host has put on its selector stays, before and after ours; what is then shown is a bound."""
    loop = asyncio.get_running_loop()
    selector = loop._selector
    original = selector.select
    selector.select = lambda timeout=None: original(timeout)
    mine = selector.select
    await begin(hub)
    await step(clock, 3)
    assert selector.select is mine
    bpexporter.unwatch(loop)
    assert selector.select is mine
    del selector.select
    await begin(hub)
    ours = selector.select
    selector.select = mine = lambda timeout=None: ours(timeout)
    bpexporter.unwatch(loop)
    await asyncio.sleep(0)
    assert selector.select is mine
    del selector.select


def bounded(clock, cpu, monkeypatch):
    """A ledger in a loop that cannot be timed, whose thread has used ``cpu[0]`` seconds."""
    monkeypatch.setattr("bpexporter.resources.loop.ledger.timing_of", lambda loop, busy, clock: None)
    monkeypatch.setattr("bpexporter.resources.loop.busy.time.thread_time", lambda: cpu[0])
    ledger = LoopLedger(bounds=(0.1, 1.0), clock=clock)
    ledger.beat()
    return ledger


@pytest.mark.parametrize(("used", "late", "busy"), [(0.5, 0.0, 0.5), (0.5, 3.0, 3.0), (4.0, 3.0, 4.0), (0.0, 0.0, 0.0)])
async def test_a_loop_that_cannot_be_timed(clock, monkeypatch, used, late, busy):
    """CPU of the thread or lateness of the timer, whichever is more, is what the loop was busy for at least."""
    cpu = [7.0]
    ledger = bounded(clock, cpu, monkeypatch)
    clock.now = ledger.due + late
    cpu[0] += used
    shown = ledger.read(clock(), tasks=0, runs=True).busy_seconds
    assert shown == late
    ledger.beat()
    assert ledger.read(clock(), tasks=0, runs=True).busy_seconds == busy


async def test_share_of_the_last_seconds(clock):
    """The share follows the last 10 s, not the whole life of the loop, and is never over 1."""
    busy = BusyClock()
    shares = []
    for pressed in (0.0, 1.0, 0.0):
        for _ in range(40):
            busy.sample(clock())
            clock.now += 1
            busy.seconds += pressed
        shares.append(busy.share(clock(), busy.read(clock())))
    assert shares == [0, 1, 0]
    assert SHARE_WINDOW == 10


async def test_the_busiest_of_a_name_is_shown(hub, clock):
    """Loops that share a name add up their seconds, and the share is that of the busiest."""
    await begin(hub)
    other = asyncio.new_event_loop()
    bpexporter.watch(other, "app", hub=hub)
    LoopInstrument().ledger_of(asyncio.get_running_loop()).busy.sample(clock())
    await step(clock, 5)
    now = app(hub)
    assert (now.members, now.busy_seconds, now.busy_ratio) == (2, 5, 1)
    other.close()
    assert app(hub).members == 1


def test_uvloop_shows_a_lower_bound(hub):
    """A loop of uvloop's that computes is busy, though nobody sees it wait."""
    uvloop = pytest.importorskip("uvloop")
    real = Hub()

    async def main():
        bpexporter.watch(asyncio.get_running_loop(), "app", hub=real)
        before = app(real).lag_seconds.total
        while app(real).lag_seconds.total < before + 3:
            sum(range(10_000))
            await asyncio.sleep(0)
        assert app(real).busy_seconds > 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
