"""The garbage collector may end members anywhere: no total is lost or counted twice, and nothing hangs."""

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from threads_at_work import PATIENCE, in_threads, is_ours, lines, read_meanwhile

from bpexporter import Hub, unwatch, watch
from bpexporter.export.text import render
from bpexporter.hub import process
from bpexporter.hub.hub import registry_of


def drop_in_a_cycle(hub: Hub) -> weakref.ref[Any]:
    """A watched queue that has counted one put, and that only the collector can end."""
    queue = watch(asyncio.Queue(), "q", hub=hub)
    queue.put_nowait(queue)
    return weakref.ref(queue)


def finished(work: Callable[[], Any]) -> Any:
    """The result of some work that must not hang."""
    found: list[Any] = []
    in_threads([lambda: found.append(work())])
    return found[0]


READINGS = {
    "snapshot": lambda hub: hub.snapshot().queues["q"].puts,
    "render": lambda hub: int(lines(render(hub))['backpressure_queue_puts_total{queue="q"}']),
    "watch": lambda hub: unwatch(watch(asyncio.Queue(), "q", hub=hub)) and hub.snapshot().queues["q"].puts,
}


def end_at(nth: int, reading: Callable[[], int], event_at: Callable[[], Any] = gc.collect) -> tuple[int, int]:
    """What a reading gave, at whose nth line of ours something else happened, and how many lines it took."""
    lines = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal lines
        if not is_ours(frame):
            return None
        if event == "line":
            lines += 1
            if lines == nth:
                event_at()
        return trace

    sys.settrace(trace)
    try:
        return reading(), lines
    finally:
        sys.settrace(None)


def test_a_queue_that_leaves_at_any_line_of_a_reading_is_counted_once(hub):
    """Another thread that unwatches a member while its name is read neither takes a total away nor doubles it."""
    last, total = 0, 0
    locks = process.lock, registry_of(hub)._lock
    for nth in range(1, 1_000):
        members = [watch(asyncio.Queue(), "q", hub=hub) for _ in range(3)]
        for queue in members:
            queue.put_nowait(1)
        total += 3
        leaving = threading.Thread(target=unwatch, args=members[:1])

        def leave(leaving: threading.Thread = leaving) -> None:
            leaving.start()
            if not any(lock._is_owned() for lock in locks):  # else it has to wait until the reading lets it
                leaving.join(PATIENCE)

        puts, last = end_at(nth, lambda: hub.snapshot().queues["q"].puts, leave)
        assert puts == total, f"at line {nth}"
        if last < nth:
            break
        leaving.join(PATIENCE)
        for queue in members:
            unwatch(queue)
    assert last > 50


class Mortal:
    """Its end, found by the collector, watches a queue, drops it and reads the hub: in a finalizer."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.itself = self

    def __del__(self) -> None:
        drop_in_a_cycle(self.hub)
        self.hub.snapshot()


def at_all_lines(reading: Callable[[], int], prepare: Callable[[], Any]) -> int:
    """Collect what `prepare` left at each line of a reading, or at a hundred of them; how often."""
    gc.collect()
    gc.freeze()  # what is there already need not be looked at each time
    gc.disable()
    try:
        _, lines = finished(lambda: end_at(-1, reading))
        assert lines > 50
        places = range(1, lines, max(1, lines // 100))
        for nth in places:
            prepare()
            finished(lambda nth=nth: end_at(nth, reading))
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return len(places)


@pytest.mark.parametrize("reading", READINGS)
def test_a_collection_at_any_line_of_a_reading_loses_nothing(hub, reading):
    """Queues that die at a line of a scrape, in its own thread, neither hang it nor vanish from a total."""
    keep = watch(asyncio.Queue(), "q", hub=hub)
    places = at_all_lines(lambda: READINGS[reading](hub), lambda: [drop_in_a_cycle(hub) for _ in range(3)])
    now = hub.snapshot().queues["q"]
    assert (now.puts, now.members) == (3 * places, 1)
    unwatch(keep)


@pytest.mark.parametrize("reading", READINGS)
def test_a_finalizer_may_watch_and_read(hub, reading):
    """A finalizer of the host's that runs at any line of a reading may call everything of ours."""
    keep = watch(asyncio.Queue(), "q", hub=hub)
    places = at_all_lines(lambda: READINGS[reading](hub), lambda: Mortal(hub) and None)
    gc.collect()
    now = hub.snapshot().queues["q"]
    assert (now.puts, now.members) == (places, 1)
    unwatch(keep)


def test_collections_under_load_lose_nothing(hub, collecting, hasty):
    """With a collection at almost every allocation, threads that drop queues in cycles lose no total."""

    def work() -> None:
        for _ in range(150):
            drop_in_a_cycle(hub)

    with read_meanwhile(hub):
        in_threads([work] * 3)
    gc.collect()
    reading = hub.snapshot().queues["q"]
    assert (reading.puts, reading.members) == (450, 0)


def test_a_collection_callback_may_read(hub):
    """A host's own callback of the collector may take a snapshot, also while one is being taken."""
    seen: list[int] = []

    def callback(phase: str, info: dict[str, int]) -> None:
        seen.append(hub.snapshot().queues["q"].puts)

    drop_in_a_cycle(hub)
    gc.callbacks.append(callback)
    try:
        finished(lambda: [gc.collect() for _ in range(5)])
    finally:
        gc.callbacks.remove(callback)
    assert set(seen) == {1}


def test_a_finalizer_touches_no_lock_and_no_total(hub):
    """While another thread holds every lock of the hub, a queue ends at once; its totals wait for the next reading."""
    drop_in_a_cycle(hub)
    held, ended = threading.Event(), threading.Event()

    def hold() -> None:
        with registry_of(hub)._lock, registry_of(hub).reading:
            held.set()
            ended.wait(PATIENCE)

    def end() -> None:
        held.wait(PATIENCE)
        gc.collect()
        ended.set()

    in_threads([hold, end])
    assert len(registry_of(hub)._dead) == 1
    assert hub.snapshot().queues["q"].puts == 1
    assert len(registry_of(hub)._dead) == 0
