"""Hubs under several threads, under garbage collection, and in forked children."""

import asyncio
import gc
import os
import sys
import threading
import traceback

import pytest
from fake_clock import Clock

from bpexporter import Hub, unwatch, watch
from bpexporter.hub.hub import registry_of
from bpexporter.hub.process import all_registries

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")


@pytest.fixture
def often():
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def puts(hub, name="q"):
    """Items put under this name so far."""
    return hub.snapshot().queues[name].puts


def in_threads(work, count=4):
    """Run `work(number)` in so many threads at once; what they raised."""
    raised = []

    def run(number):
        try:
            work(number)
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


@pytest.mark.usefixtures("often")
def test_threads_that_watch_use_and_drop_lose_no_item():
    """Four threads with queues of their own under one name: every item is in the total, whatever was read meanwhile."""
    hub = Hub()

    def work(number):
        for turn in range(200):
            queue = watch(asyncio.Queue(), "q", hub=hub)
            queue.put_nowait(turn)
            if turn % 3 == 0:
                unwatch(queue)
            if turn % 10 == number:
                hub.snapshot()

    assert in_threads(work) == []
    gc.collect()
    reading = hub.snapshot().queues["q"]
    assert (reading.puts, reading.members, reading.put_wait_seconds.total) == (800, 0, 800)


@pytest.mark.usefixtures("often")
def test_a_total_never_goes_back_while_members_go():
    """While one thread drops members, another reads totals that only grow."""
    hub, seen = Hub(), []
    watch(asyncio.Queue(), "q", hub=hub).put_nowait(0)
    stop = threading.Event()

    def work(number):
        if number:
            while not stop.is_set():
                seen.append(puts(hub))
            return
        for turn in range(500):
            watch(asyncio.Queue(), "q", hub=hub).put_nowait(turn)
        stop.set()

    assert in_threads(work, 2) == []
    assert seen == sorted(seen)
    assert puts(hub) == 501


@pytest.mark.usefixtures("often")
def test_names_from_several_threads_are_bounded_exactly():
    """Threads that make names at once get as many as the bound allows, and the rest is counted."""
    hub, kept = Hub(max_names=10), []
    assert in_threads(lambda number: kept.extend(
        watch(asyncio.Queue(), f"{number} {turn}", hub=hub) for turn in range(20)
    )) == []  # fmt: skip
    found = hub.snapshot()
    assert len(found.queues) == 11
    assert (found.queues["__other__"].members, found.kinds["itself"][""].folded_names[("queue",)]) == (70, 70)


@pytest.mark.usefixtures("often")
def test_hubs_may_be_made_while_others_are_looked_for():
    """unwatch() looks into every hub, also while another thread makes and drops some."""
    hub, looked, made = Hub(), threading.Event(), threading.Event()

    def work(number):
        if number:
            looked.wait(30)
            for _ in range(2_000):
                assert len({Hub() for _ in range(20)}) == 20
            made.set()
            return
        try:
            while not made.is_set():
                assert registry_of(hub) in all_registries()
                looked.set()
        finally:
            looked.set()

    assert in_threads(work, 2) == []
    assert made.is_set()


def test_a_hub_is_read_while_its_lock_holder_collects_garbage():
    """A member in a cycle dies inside a reading, in the very thread that holds the hub's lock: nothing hangs."""
    hub = Hub()

    def cycle():
        queue = watch(asyncio.Queue(), "q", hub=hub)
        queue.put_nowait(0)
        queue.itself = queue

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        errors = in_threads(lambda number: [(cycle(), hub.snapshot()) for _ in range(50)], 2)
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert errors == []
    assert puts(hub) == 100


def in_child(check):
    """Run `check()` in a forked child; its traceback, empty when it passed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            check()
            os.write(writer, b"")
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    os.waitpid(pid, 0)
    return text


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_counts_from_zero_and_the_parent_goes_on():
    """Totals of the living and of the dead begin again in the child; levels and names of the living stay."""
    clock = Clock()
    hub = Hub(clock=clock)
    queue, gone = watch(asyncio.Queue(4), "q", hub=hub), watch(asyncio.Queue(4), "gone", hub=hub)
    for one in (queue, queue, gone):
        one.put_nowait(0)
    clock.now += 10
    unwatch(gone)

    def check():
        found = hub.snapshot().queues
        assert list(found) == ["q"]
        assert (found["q"].members, found["q"].depth_items, found["q"].puts) == (1, 2, 0)
        assert (sum(found["q"].occupancy_seconds), found["q"].put_wait_seconds.total) == (0, 0)
        queue.put_nowait(0)
        clock.now += 7
        found = hub.snapshot().queues["q"]
        assert (found.puts, found.depth_items, sum(found.occupancy_seconds)) == (1, 3, 7)
        assert watch(asyncio.Queue(), "new", hub=hub).empty()

    assert in_child(check) == ""
    reading = hub.snapshot().queues["q"]
    assert (reading.puts, sum(reading.occupancy_seconds), puts(hub, "gone")) == (2, 10, 1)


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_keeps_the_bound_and_not_the_count_of_names():
    """What was folded in the parent is no event of the child's; names that are folded stay so."""
    hub = Hub(max_names=1)
    kept = [watch(asyncio.Queue(), name, hub=hub) for name in ("a", "b")]

    def check():
        found = hub.snapshot()
        assert sorted(found.queues) == ["__other__", "a"]
        assert found.queues["__other__"].members == len(kept) - 1
        watch(asyncio.Queue(), "c", hub=hub)

    assert in_child(check) == ""


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_while_another_thread_holds_the_hub_does_not_hang():
    """Whatever locks threads of the parent's hold at the fork, the child reads, watches and unwatches."""
    clock = Stopping()
    hub = Hub(clock=clock)
    read, dropped = watch(asyncio.Queue(), "q", hub=hub), watch(asyncio.Queue(), "q", hub=hub)
    works = clock.stops(hub.snapshot), clock.stops(unwatch, dropped)
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
        clock.stopped.acquire(timeout=60)
    try:
        assert in_child(lambda: (watch(asyncio.Queue(), "r", hub=hub), hub.snapshot(), unwatch(read))) == ""
    finally:
        clock.goes_on.set()
        for thread in threads:
            thread.join(60)
    assert hub.snapshot().queues["q"].members == 1


class Stopping:
    """A clock that stops those who ask it in the middle of their work."""

    def __init__(self):
        self.stopped, self.goes_on, self.here = threading.Semaphore(0), threading.Event(), threading.local()

    def stops(self, work, *arguments):
        """`work`, which is stopped as soon as it asks the clock."""

        def stopping():
            self.here.stop = True
            work(*arguments)

        return stopping

    def __call__(self):
        if getattr(self.here, "stop", False):
            self.stopped.release()
            self.goes_on.wait(60)
        return 1_000.0
