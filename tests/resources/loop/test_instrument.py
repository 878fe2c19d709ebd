"""The event loop's instrument: how late it runs a timer, how long it is stuck, how many tasks it has."""

import asyncio
import gc
import os
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import virtual_time
from fake_clock import Clock

import bpexporter
from bpexporter.primitives.limits import INFINITY
from bpexporter.resources.loop.instrument import LoopInstrument, count_tasks
from bpexporter.resources.loop.ledger import LONGEST, SHORTEST, LoopLedger

BUCKETS = (0.1, 1.0)


def beating(clock: Clock) -> LoopLedger:
    """A ledger that has begun to beat in the running loop; its timers come by hand."""
    ledger = LoopLedger(bounds=BUCKETS, clock=clock)
    ledger.beat()
    return ledger


def late(ledger: LoopLedger, clock: Clock, seconds: float) -> None:
    """The next timer of `ledger` runs `seconds` late."""
    clock.now = ledger.due + seconds
    ledger.beat()


@pytest.fixture
def hub() -> bpexporter.Hub:
    """A hub of this test alone."""
    return bpexporter.Hub()


async def test_lag_is_how_late_a_timer_is():
    """Each timer adds how late it was to the histogram, and what is over 2 ms to the stalled seconds."""
    clock = Clock()
    ledger = beating(clock)
    for seconds in (0.0, 0.001, 0.5, 3.0):
        late(ledger, clock, seconds)
    reading = ledger.read(clock(), tasks=1, runs=True)
    assert reading.lag_seconds.counts == (2, 1, 1)
    assert reading.lag_seconds.sum == pytest.approx(3.501)
    assert reading.stalled_seconds == pytest.approx(3.5)


async def test_stall_shows_while_it_lasts():
    """A timer that has not run yet counts from the moment it was due, and once only."""
    clock = Clock()
    ledger = beating(clock)
    clock.now = ledger.due + 5
    assert ledger.read(clock(), tasks=1, runs=True).stalled_seconds == pytest.approx(5)
    clock.now += 1
    ledger.beat()
    assert ledger.read(clock(), tasks=1, runs=True).stalled_seconds == pytest.approx(6)


async def test_a_stall_that_was_seen_stays():
    """The stalled seconds never go back, also where the loop ends in the middle of a stall."""
    clock = Clock()
    ledger = beating(clock)
    clock.now = ledger.due + 5
    assert ledger.read(clock(), tasks=1, runs=True).stalled_seconds == pytest.approx(5)
    assert ledger.read(clock(), tasks=0, runs=False).stalled_seconds == pytest.approx(5)


def test_time_between_two_runs_is_no_stall():
    """A loop that is stopped and run again later was not stuck in the meantime."""
    clock = Clock()
    ledger = LoopLedger(bounds=BUCKETS, clock=clock)

    async def begin() -> None:
        ledger.beat()

    with asyncio.Runner() as runner:
        runner.run(begin())
        clock.now += 100
        assert ledger.read(clock(), tasks=0, runs=True).stalled_seconds == 0
        runner.run(begin())
    reading = ledger.read(clock(), tasks=0, runs=False)
    assert (reading.stalled_seconds, reading.lag_seconds.total) == (0, 0)


async def test_an_idle_loop_is_asked_less_often(monkeypatch):
    """Timers come nearer to half a second where the loop does nothing, and ten times a second where it works."""
    clock, used = Clock(), [0.0]
    monkeypatch.setattr("bpexporter.resources.loop.ledger.time.thread_time", lambda: used[0])
    ledger = beating(clock)
    for _ in range(20):
        late(ledger, clock, 0)
    assert ledger.interval == LONGEST
    used[0] += 0.4
    late(ledger, clock, 0)
    assert ledger.interval == SHORTEST


async def test_a_late_timer_makes_the_next_ones_frequent(monkeypatch):
    """After a stall the loop is asked often again."""
    clock = Clock()
    monkeypatch.setattr("bpexporter.resources.loop.ledger.time.thread_time", lambda: 0.0)
    ledger = beating(clock)
    for _ in range(20):
        late(ledger, clock, 0)
    late(ledger, clock, 1)
    assert ledger.interval == SHORTEST


def stuck(hub: bpexporter.Hub) -> list[float]:
    """What a thread reads of the loop, which is stuck as long as the thread reads."""
    seen: list[float] = []

    def read() -> None:
        while not seen or seen[-1] < 0.3:
            seen.append(hub.snapshot().loops["app"].stalled_seconds)

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(20)
    return seen


async def test_a_stuck_loop_shows_in_a_reading_of_another_thread(hub):
    """While a callback holds the loop, another thread reads more and more stalled seconds."""
    bpexporter.watch(asyncio.get_running_loop(), "app", hub=hub)
    await asyncio.sleep(0)
    seen = stuck(hub)
    assert seen[0] < seen[-1]
    assert seen == sorted(seen)


async def test_tasks_are_counted(hub):
    """The tasks that are not done are counted, those of other loops and those that are done are not."""
    bpexporter.watch(asyncio.get_running_loop(), "app", hub=hub)
    before = hub.snapshot().loops["app"].tasks
    waiting = [asyncio.create_task(asyncio.sleep(60)) for _ in range(3)]
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    assert hub.snapshot().loops["app"].tasks == before + 3
    other = asyncio.new_event_loop()
    assert count_tasks(other) == 0
    other.close()
    for task in waiting:
        task.cancel()


async def test_counting_tasks_runs_no_code_of_the_host():
    """A task class of the application's with a `done()` of its own is counted without calling it."""
    if hasattr(asyncio.tasks, "_py_all_tasks"):
        pytest.skip("from 3.14 on the interpreter counts")

    asked = []

    class Mine(asyncio.tasks._PyTask):
        def done(self) -> bool:
            asked.append(self)
            return super().done()

    loop = asyncio.get_running_loop()
    before = count_tasks(loop)
    task = Mine(asyncio.sleep(0), loop=loop)
    asked.clear()
    assert count_tasks(loop) == before + 1
    assert asked == []
    await task


def test_every_loop_that_owns_something_is_watched(hub):
    """Watching a queue in a running loop watches the loop, under the name of its thread."""

    async def main() -> None:
        bpexporter.watch(asyncio.Queue(), "q", hub=hub)
        assert list(hub.snapshot().loops) == ["main"]

    asyncio.run(main())


def test_a_queue_made_outside_every_loop(hub):
    """The loop of a queue that was made outside is found as soon as somebody has waited in the queue."""
    queue = bpexporter.watch(asyncio.Queue(), "q", hub=hub)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(queue.get(), 0.001)
        assert list(hub.snapshot().loops) == ["main"]

    asyncio.run(main())


def test_loops_in_threads_have_the_names_of_their_threads(hub):
    """Each loop is named after its thread, without the number that makes the names of threads unique."""

    async def main() -> None:
        bpexporter.watch(asyncio.Queue(), "q", hub=hub)

    for name in ("worker-1", "worker-2"):
        thread = threading.Thread(target=lambda: asyncio.run(main()), name=name)
        thread.start()
        thread.join()
    assert list(hub.snapshot().loops) == ["worker"]


def test_closed_loops_are_dropped(hub):
    """A loop that has closed is a member no more; what it has counted stays."""

    async def main() -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        bpexporter.watch(loop, "app", hub=hub)
        return loop

    loop = asyncio.run(main())
    hub.snapshot()
    assert hub.snapshot().kinds["itself"][""].watched_objects[("loop",)] == 0
    assert hub.snapshot().loops["app"].tasks == 0
    assert loop.is_closed()


def test_no_loop_is_kept_alive(hub):
    """A loop that nobody holds any more is freed, and folded into its name."""

    async def main() -> weakref.ref:
        bpexporter.watch(asyncio.Queue(), "q", hub=hub)
        return weakref.ref(asyncio.get_running_loop())

    gone = asyncio.run(main())
    gc.collect()
    assert gone() is None
    assert hub.snapshot().loops["main"].tasks == 0


@pytest.mark.parametrize("debug", [False, True])
def test_a_loop_ends_without_a_warning(hub, debug):
    """`asyncio.run()` ends with the timer pending, and nothing is said about it, in debug mode either."""

    async def main() -> None:
        bpexporter.watch(asyncio.Queue(), "q", hub=hub)
        await asyncio.sleep(0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main(), debug=debug)
        gc.collect()


async def test_unwatching_the_last_object_leaves_the_loop_alone(hub):
    """With the last watched object the loop, which nobody had asked for, is watched no more."""
    loop = asyncio.get_running_loop()
    queue = bpexporter.watch(asyncio.Queue(), "q", hub=hub)
    assert LoopInstrument().ledger_of(loop) is not None
    bpexporter.unwatch(queue)
    assert LoopInstrument().ledger_of(loop) is None


async def test_a_name_that_is_asked_for_takes_the_place_of_the_automatic_one(hub):
    """`watch(loop, name)` renames a loop that is watched already, and nothing of the old name is left."""
    bpexporter.watch(asyncio.Queue(), "q", hub=hub)
    bpexporter.watch(asyncio.get_running_loop(), "app", hub=hub)
    assert list(hub.snapshot().loops) == ["app"]


async def test_a_loop_that_is_renamed_while_it_is_stuck():
    """The old name keeps the present stall, and the new one goes on with it."""
    clock = Clock()
    hub = bpexporter.Hub(clock=clock)
    loop = asyncio.get_running_loop()
    bpexporter.watch(loop, "old", hub=hub)
    clock.now = LoopInstrument().ledger_of(loop).due + 5
    renaming = threading.Thread(target=bpexporter.watch, args=(loop, "new"), kwargs={"hub": hub})
    renaming.start()
    renaming.join()
    assert hub.snapshot().loops["old"].stalled_seconds == pytest.approx(5)
    clock.now += 3
    loops = hub.snapshot().loops
    assert [loops[name].stalled_seconds for name in ("old", "new")] == pytest.approx([5, 3])
    assert [loops[name].busy_seconds for name in ("old", "new")] == pytest.approx([5.1, 3])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_not_the_loop_of_its_parent(hub):
    """A child that was forked out of a running loop shows neither that nor copies of what is of it, but all else."""

    async def main() -> None:
        inner = bpexporter.watch(asyncio.Queue(1), "inner", hub=hub)
        workers = bpexporter.watch(ThreadPoolExecutor(1), "workers", hub=hub)
        child = os.fork()
        if not child:
            left = hub.snapshot().kinds["itself"][""].watched_objects
            os._exit(40 + 10 * left[("queue",)] + left[("loop",)] + left[("limiter",)])
        children.append(child)
        assert inner.empty()
        workers.shutdown()

    outer = bpexporter.watch(asyncio.Queue(1), "outer", hub=hub)
    children: list[int] = []
    asyncio.run(main())
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 50
    assert outer.empty()


def test_a_loop_of_simulated_time_gets_no_timer(monkeypatch):
    """In a loop whose time passes when nothing is left to do, a timer of ours would let it pass for ever."""

    async def main() -> None:
        bpexporter.watch(asyncio.Queue(), "q")
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is scheduled any more"):
        virtual_time.run(main(), monkeypatch)


def test_a_loop_that_does_not_run_yet(hub):
    """A loop may be watched before it runs; until then nothing is late."""
    loop = asyncio.new_event_loop()
    bpexporter.watch(loop, "app", hub=hub)
    assert LoopInstrument().ledger_of(loop).due == INFINITY
    assert hub.snapshot().loops["app"].stalled_seconds == 0
    loop.run_until_complete(asyncio.sleep(0))
    assert LoopInstrument().ledger_of(loop).due < INFINITY
    loop.close()


def test_uvloop(hub):
    """A loop of uvloop's is watched as asyncio's are."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        bpexporter.watch(asyncio.Queue(), "q", hub=hub)
        await asyncio.sleep(0.25)
        reading = hub.snapshot().loops["main"]
        assert (reading.tasks, reading.lag_seconds.total > 0) == (1, True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def test_tasks_are_counted_while_other_threads_make_them(hub):
    """Counting never fails, whatever other threads do with their tasks at that time."""
    over = time.monotonic() + 0.3

    async def churn() -> None:
        while time.monotonic() < over:
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(50)))

    threads = [threading.Thread(target=lambda: asyncio.run(churn())) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        count_tasks(asyncio.get_running_loop())
    assert count_tasks(asyncio.get_running_loop()) >= 1
