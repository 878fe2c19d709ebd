"""Threads, finalizers, forks and ends: no hang, no traceback and no wrong number, whoever reads meanwhile."""

import asyncio
import contextlib
import faulthandler
import gc
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bpexporter import Hub, start, unwatch, watch
from bpexporter.catalogue.metrics import METRICS
from bpexporter.export.text import render
from bpexporter.faults import faults
from bpexporter.hub.hub import registry_of
from bpexporter.resources.queue.metrics import QueueReading

ROOT = Path(__file__).parents[2]
COUNTERS = [metric for metric in METRICS if metric.subject == "queue" and metric.kind == "counter"]
HISTOGRAMS = [metric for metric in METRICS if metric.subject == "queue" and metric.kind == "histogram"]
PATIENCE = 60  # seconds, after which a deadlock is said to be one


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Ends the run with the stacks of all threads where one of them hangs: no exception reaches a held lock."""
    faulthandler.dump_traceback_later(2 * PATIENCE, exit=True)
    before = faults.count
    yield
    faulthandler.cancel_dump_traceback_later()
    assert faults.count == before, "an error of ours"


@pytest.fixture
def hub() -> Hub:
    """A hub of its own."""
    return Hub()


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads change at every opportunity, so that what can be seen half done is."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def collecting() -> Iterator[None]:
    """The garbage collector runs at almost every allocation."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)


def is_ours(frame: Any) -> bool:
    """Whether a frame is of the package."""
    return frame.f_code.co_filename.startswith(str(ROOT / "bpexporter"))


# Readings taken while things move ---------------------------------------------------------------


def totals(reading: QueueReading) -> dict[str, float]:
    """All that must never go back: counters, and counts, sums and buckets of histograms."""
    found: dict[str, float] = {}
    for metric in COUNTERS:
        value = getattr(reading, metric.field)
        parts = dict(zip(metric.parts, value, strict=True)) if metric.parts else {"": value}
        found |= {f"{metric.name} {part}": one for part, one in parts.items()}
    for metric in HISTOGRAMS:
        value = getattr(reading, metric.field)
        found |= {f"{metric.name} {index}": count for index, count in enumerate(value.counts)}
        found[f"{metric.name} sum"] = value.sum
    return found


def lines(page: bytes) -> dict[str, float]:
    """The same of a page."""
    found = {}
    for line in page.decode().splitlines():
        series, _, value = line.rpartition(" ")
        if series.startswith("backpressure_queue") and any(
            end in series for end in ("_total", "_count", "_sum", "_bucket")
        ):
            found[series] = float(value)
    return found


def page_agrees(page: dict[str, float], names: list[str]) -> None:
    """In a page the waits of each queue are as many as its puts and gets."""
    for name in names:
        label = f'{{queue="{name}"}}'
        for operation in ("put", "get"):
            waits = page[f"backpressure_queue_{operation}_wait_seconds_count{label}"]
            assert waits == page[f"backpressure_queue_{operation}s_total{label}"]


class Reader:
    """Reads a hub, and renders its page, again and again, and compares each reading with the one before."""

    def __init__(self, hub: Hub, *, pages: bool) -> None:
        self.hub = hub
        self.look = self._page if pages else self._reading
        self.last: dict[Any, float] = {}
        self.times = 0
        self.errors: list[BaseException] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self.done.is_set():
                self.once()
        except BaseException as error:
            self.errors.append(error)

    def once(self) -> None:
        """One reading."""
        now = self.look()
        back = {one: (was, now.get(one)) for one, was in self.last.items() if now.get(one, -1.0) < was}
        assert back == {}
        self.last = now
        self.times += 1

    def _reading(self) -> dict[Any, float]:
        found = {}
        for name, reading in self.hub.snapshot().queues.items():
            assert reading.put_wait_seconds.total == reading.puts
            assert reading.get_wait_seconds.total == reading.gets
            assert min(reading.depth_items or 0, reading.blocked_producers, reading.idle_consumers) >= 0
            found |= {(name, series): value for series, value in totals(reading).items()}
        return found

    def _page(self) -> dict[Any, float]:
        page = lines(render(self.hub))
        page_agrees(page, sorted(self.hub.snapshot().queues.keys() & {one.split('"')[1] for one in page}))
        return page

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "a reading hangs"


@contextlib.contextmanager
def read_meanwhile(hub: Hub) -> Iterator[None]:
    """Readings and pages are taken, by two threads, as long as this lasts; each found at least a few."""
    readers = [Reader(hub, pages=False), Reader(hub, pages=True)]
    with readers[0], readers[1]:
        yield
        while any(reader.times < 3 and not reader.errors for reader in readers):
            time.sleep(0.001)
    for reader in readers:
        if reader.errors:
            raise reader.errors[0]


def in_threads(works: list[Callable[[], Any]]) -> None:
    """All at the same time, each in a thread of its own; the first exception of any is raised here."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "an application hangs"
    if errors:
        raise errors[0]


async def pipeline(queue: asyncio.Queue, items: int, callers: int = 3) -> None:
    """Puts and gets that wait and that do not: `items` by each of so many producers."""

    async def produce() -> None:
        for number in range(items):
            if number % 7 == 3 and not queue.full():
                queue.put_nowait(number)
            else:
                await queue.put(number)

    async def consume() -> None:
        for number in range(items):
            await queue.get()
            if number % 5 == 4:
                await asyncio.sleep(0)

    await asyncio.gather(*(produce() for _ in range(callers)), *(consume() for _ in range(callers)))


async def giving_up(queue: asyncio.Queue, times: int) -> None:
    """Refused, and given up while waiting."""
    while not queue.full():
        queue.put_nowait(0)
    for _ in range(times):
        with contextlib.suppress(asyncio.QueueFull):
            queue.put_nowait(0)
        blocked = asyncio.create_task(queue.put(0))
        await asyncio.sleep(0)
        blocked.cancel()
        await asyncio.wait([blocked])
    while not queue.empty():
        queue.get_nowait()


class Hooked(asyncio.Queue):
    """A subclass that goes the slower way."""

    def _put(self, item: Any) -> None:
        super()._put(item)


KINDS = [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, Hooked]


@pytest.mark.parametrize("names", [["shared"] * 4, ["a", "b", "c", "d"]], ids=["shared name", "own names"])
def test_readings_agree_while_threads_run(hub, hasty, names):
    """Loops in several threads: no total goes back, waits are as many as puts and gets, and none is lost."""

    def work(kind: type[asyncio.Queue], name: str) -> Callable[[], None]:
        async def main() -> None:
            queue = watch(kind(2), name, hub=hub)
            await pipeline(queue, 400)
            await giving_up(queue, 20)

        return lambda: asyncio.run(main())

    with read_meanwhile(hub):
        in_threads([work(kind, name) for kind, name in zip(KINDS, names, strict=True)])
    gc.collect()
    queues = hub.snapshot().queues
    each = 1_202 * 4 // len(queues)
    refused = 80 // len(queues)
    for name in set(names):
        assert (queues[name].puts, queues[name].gets, queues[name].members) == (each, each, 0)
        assert queues[name].refused_puts == (refused, refused, 0)
        assert queues[name].blocked_puts >= refused


def test_readings_agree_while_queues_come_and_go(hub, hasty):
    """Queues that are watched, used, unwatched or dropped by several threads leave every total with their name."""

    def work(thread: int) -> Callable[[], None]:
        async def main() -> None:
            for number in range(60):
                queue = watch(asyncio.Queue(1), ("shared", f"own {thread}")[number % 2], hub=hub)
                await pipeline(queue, 5, 2)
                if number % 3 == 0:
                    queue.itself = queue
                elif number % 3 == 1:
                    unwatch(queue)

        return lambda: asyncio.run(main())

    with read_meanwhile(hub):
        in_threads([work(thread) for thread in range(3)])
    gc.collect()
    puts = {name: (reading.puts, reading.gets, reading.members) for name, reading in hub.snapshot().queues.items()}
    assert puts == {"shared": (900, 900, 0)} | {f"own {thread}": (300, 300, 0) for thread in range(3)}


class Ticking:
    """A clock that goes on by a millisecond whenever it is asked, so that every wait is one."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.mark.parametrize("kind", KINDS)
def test_a_reading_wherever_threads_may_change_agrees(kind):
    """At each call and after each one that our code makes for a queue, a reading finds counts and waits agree.

    Elsewhere the interpreter does not change threads, and after `len()` only before it is specialised.
    """
    hub = Hub(clock=Ticking())
    reader = Reader(hub, pages=False)

    def profile(frame: Any, event: str, arg: Any) -> None:
        if (
            event in ("call", "c_return")
            and arg is not len
            and frame.f_code.co_filename.startswith(str(ROOT / "bpexporter"))
        ):
            sys.setprofile(None)
            reader.once()
            sys.setprofile(profile)

    async def main() -> None:
        queue = watch(kind(2), "q", hub=hub)
        sys.setprofile(profile)
        try:
            await pipeline(queue, 40)
            await giving_up(queue, 5)
        finally:
            sys.setprofile(None)

    asyncio.run(main())
    assert reader.times > 500
    assert hub.snapshot().queues["q"].puts == 122


class HeldUp:
    """A clock at a standstill; after its nth answer the thread that asked is held up, while another reads."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.left = -1
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        answer = self.now
        self.left -= 1
        if self.left == 0:
            self.now += 1
            self.meanwhile()
        return answer


# Items and a caller that are there already, and what is then done with the queue and the caller.
STEPS: dict[str, tuple[int, str, Callable[[asyncio.Queue, asyncio.Future], Any]]] = {
    "a put into an empty queue": (0, "join", lambda queue, caller: queue.put_nowait(1)),
    "a get that empties": (1, "join", lambda queue, caller: queue.get_nowait()),
    "a put that has waited": (2, "put", lambda queue, caller: queue.get_nowait()),
    "a get that has waited": (0, "get", lambda queue, caller: queue.put_nowait(1)),
    "a put that is given up": (2, "put", lambda queue, caller: caller.cancel()),
    "a get that is given up": (0, "get", lambda queue, caller: caller.cancel()),
}


async def held_up(step: str, nth: int) -> Reader:
    """A reader that read before, at the nth answer of the clock, and after a step."""
    clock = HeldUp()
    reader = Reader(Hub(clock=clock), pages=False)
    items, waiting, act = STEPS[step]
    queue = watch(asyncio.Queue(2), "q", hub=reader.hub)
    for number in range(items):
        queue.put_nowait(number)
    caller = asyncio.ensure_future({"put": lambda: queue.put(9), "get": queue.get, "join": queue.join}[waiting]())
    await asyncio.sleep(0)
    clock.now += 10
    reader.once()
    clock.left, clock.meanwhile = nth, reader.once
    act(queue, caller)
    for _ in range(3):
        await asyncio.sleep(0)
    clock.left = -1
    reader.once()
    caller.cancel()
    return reader


@pytest.mark.parametrize("step", STEPS)
async def test_seconds_do_not_go_back_where_a_thread_is_held_up(step):
    """A thread may be held up after it has asked the clock: what is read meanwhile is not taken back."""
    for nth in range(1, 6):
        await held_up(step, nth)


def test_a_page_that_is_read_back_agrees_with_the_program(hub, hasty):
    """What prometheus_client's parser reads from the last page is what the program did."""

    async def main() -> None:
        queue = watch(asyncio.Queue(3), "q", hub=hub)
        await pipeline(queue, 200)
        with read_meanwhile(hub):
            await asyncio.to_thread(lambda: None)
            await pipeline(queue, 200)

    asyncio.run(main())
    gc.collect()
    samples = [one for family in text_string_to_metric_families(render(hub).decode()) for one in family.samples]
    value = {one.name: one.value for one in samples if one.labels == {"queue": "q"}}
    assert value["backpressure_queue_puts_total"] == value["backpressure_queue_put_wait_seconds_count"] == 1_200
    assert value["backpressure_queue_gets_total"] == value["backpressure_queue_get_wait_seconds_count"] == 1_200


# The garbage collector --------------------------------------------------------------------------


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
    for nth in range(1, 1_000):
        members = [watch(asyncio.Queue(), "q", hub=hub) for _ in range(3)]
        for queue in members:
            queue.put_nowait(1)
        total += 3
        leaving = threading.Thread(target=unwatch, args=members[:1])

        def leave(leaving: threading.Thread = leaving) -> None:
            leaving.start()
            leaving.join(0.02)  # it may have to wait until the reading lets it

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


# A stuck loop -----------------------------------------------------------------------------------


def series(url: str) -> dict[str, float]:
    """The samples of a scrape over HTTP."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        page = answer.read().decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in page.splitlines() if line[:1] != "#"}


@pytest.mark.parametrize("way", ["event", "sleep"])
def test_a_stuck_loop_shows_its_stall_over_http(hub, way):
    """While the loop runs no callback, a scrape answers, and the stall goes on in it from reading to reading."""
    stuck, freed = threading.Event(), threading.Event()

    def block() -> None:
        stuck.set()
        if way == "event":
            freed.wait(PATIENCE)
        while not freed.is_set():
            time.sleep(0.01)

    async def main() -> None:
        queue = watch(asyncio.Queue(1), "q", hub=hub)
        putters = [asyncio.create_task(queue.put(number)) for number in range(3)]
        await asyncio.sleep(0)
        block()
        assert [await queue.get() for _ in range(3)] == [0, 1, 2]
        await asyncio.wait(putters)

    application = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    with start(port=0, hub=hub) as exporter:
        application.start()
        assert stuck.wait(PATIENCE)
        first, second = series(exporter.url), series(exporter.url)
        freed.set()
        application.join(PATIENCE)
        after = series(exporter.url)
    name = 'backpressure_queue_{}{{queue="q"}}'.format
    for reading in (first, second):
        assert reading[name("blocked_producers")] == reading[name("blocked_puts_total")] == 2
        assert reading[name("depth_items")] == reading[name("utilization_ratio")] == 1
        assert reading[name("puts_total")] == 1
    for running in ("stalled_seconds_total", "put_blocked_seconds_total", "longest_block_seconds"):
        assert 0 < first[name(running)] < second[name(running)]
    assert second[name("put_blocked_seconds_total")] <= after[name("put_blocked_seconds_total")]
    assert (after[name("blocked_producers")], after[name("puts_total")], after[name("gets_total")]) == (0, 3, 3)


# Programs of their own --------------------------------------------------------------------------

PRELUDE = """
import asyncio, gc, os, signal, sys, threading, time, urllib.request
import bpexporter
from bpexporter import Hub, snapshot, start, unwatch, watch

def scrape(exporter):
    with urllib.request.urlopen(exporter.url, timeout=20) as answer:
        return answer.read().decode()

def scraped(exporter):
    '''By threads, until the end.'''
    def forever():
        try:
            while True: scrape(exporter)
        except OSError:
            pass
    for _ in range(3): threading.Thread(target=forever, daemon=True).start()
    scrape(exporter)

def value(page, name, queue="q"):
    start = f'backpressure_queue_{name}{{queue="{queue}"}} '
    return [float(line[len(start):]) for line in page.splitlines() if line.startswith(start)][0]
"""


def run(program: str, *options: str) -> tuple[str, str, int]:
    """Run a program of its own: what it wrote, what it complained of, its code."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, *options, "-c", PRELUDE + program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout, done.stderr, done.returncode


BLOCKED = {
    "cancelled by asyncio.run": """
async def main():
    queue = watch(asyncio.Queue(1), "q")
    callers = [asyncio.create_task(queue.put(number)) for number in range(4)]
    callers.append(asyncio.create_task(watch(asyncio.Queue(), "idle").get()))
    await asyncio.sleep(0)
    assert snapshot().queues["q"].blocked_producers == 3
    globals().update(queue=queue)
asyncio.run(main())
reading = snapshot().queues["q"]
print(reading.blocked_producers, reading.blocked_puts, reading.refused_puts, reading.puts)
""",
    "left behind in a closed loop": """
import logging
logging.disable()  # asyncio says of each task that it was destroyed
loop = asyncio.new_event_loop()
queue = watch(asyncio.Queue(1), "q")
callers = [loop.create_task(queue.put(number)) for number in range(4)]
loop.run_until_complete(asyncio.sleep(0))
loop.close()
reading = snapshot().queues["q"]
print(reading.blocked_producers, reading.blocked_puts, reading.refused_puts, reading.puts)
""",
    "left behind in a loop that is never closed": """
import logging
logging.disable()
queue = watch(asyncio.Queue(1), "q")
loop = asyncio.new_event_loop()
callers = [loop.create_task(queue.put(number)) for number in range(4)]
loop.run_until_complete(asyncio.sleep(0))
reading = snapshot().queues["q"]
print(reading.blocked_producers, reading.blocked_puts, reading.refused_puts, reading.puts)
""",
}
EXPECTED = {
    "cancelled by asyncio.run": "0 3 (0, 3, 0) 1\n",
    "left behind in a closed loop": "0 3 (0, 0, 0) 1\n",
    "left behind in a loop that is never closed": "3 3 (0, 0, 0) 1\n",
}


def complaints(errors: str) -> Counter[str]:
    """What an interpreter complains of at its end, whatever the frames and addresses."""
    lines = (re.sub("0x[0-9a-f]+", "", line) for line in errors.splitlines() if not line.startswith(" "))
    return Counter(line for line in lines if not line.startswith("sys:1"))


@pytest.mark.parametrize("serving", ["", "scraped(start(port=0))"], ids=["alone", "scraped"])
@pytest.mark.parametrize("how", BLOCKED)
def test_an_end_with_blocked_callers_is_clean(how, serving):
    """The process ends at once, complains of nothing that bare queues spare it, and told the truth before."""
    out, errors, code = run(serving + BLOCKED[how])
    assert (out, code) == (EXPECTED[how], 0)
    ours = ("reading", "print", "    assert")
    bare = "\n".join(line for line in BLOCKED[how].splitlines() if not line.startswith(ours))
    _, alone, code = run("def watch(queue, name): return queue\n" + bare)
    assert (complaints(errors) <= complaints(alone), code) == (True, 0), errors


def test_an_end_in_another_thread_with_a_blocked_put_is_clean():
    """A daemon thread whose loop still has a blocked put does not hold the interpreter up."""
    program = """
exporter = start(port=0)
blocked = threading.Event()
async def main():
    queue = watch(asyncio.Queue(1), "q")
    await queue.put(1)
    asyncio.get_running_loop().call_soon(blocked.set)
    await queue.put(2)
threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
blocked.wait()
scraped(exporter)
page = scrape(exporter)
print(value(page, "blocked_producers"), value(page, "stalled_seconds_total") > 0)
"""
    assert run(program) == ("1.0 True\n", "", 0)


def test_a_queue_of_a_closed_loop_is_read_and_used_on():
    """After its loop is closed a queue is still read, counts puts that need no loop, and can be unwatched."""
    program = """
queue = watch(asyncio.Queue(3), "q")
asyncio.run(queue.put(1))
exporter = start(port=0)
queue.put_nowait(2)
print(value(scrape(exporter), "puts_total"), value(scrape(exporter), "depth_items"))
asyncio.run(queue.get())
unwatch(queue)
del queue
print(value(scrape(exporter), "gets_total"), value(scrape(exporter), "members"))
exporter.stop()
"""
    assert run(program, "-X", "dev") == ("2.0 2.0\n1.0 0.0\n", "", 0)


def test_queues_and_hubs_may_end_with_the_interpreter():
    """Queues in globals, in cycles, in thread locals and in a finalizer that runs last: not a word."""
    program = """
class Last:
    def __init__(self): self.queue = watch(asyncio.Queue(), "q"); self.itself = self
    def __del__(self): self.queue.put_nowait(1)
last, local, hub = Last(), threading.local(), Hub()
local.queue = watch(asyncio.Queue(), "q", hub=hub)
sys.queue = watch(asyncio.Queue(), "q")
sys.modules["kept"] = last
scraped(start(port=0))
"""
    assert run(program) == ("", "", 0)


FORK = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)

def child(action):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        code = 1
        try:
            action()
            code = 0
        except BaseException as error:
            print("child:", repr(error))
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def test_a_forked_child_counts_from_zero():
    """Totals begin again in the child, levels are as they are, and the parent's numbers stay its own."""
    program = (
        FORK
        + """
queue = watch(asyncio.Queue(4), "q")
for number in range(3): queue.put_nowait(number)
queue.get_nowait()
exporter = start(port=0)
before = scrape(exporter)
def action():
    reading = snapshot().queues["q"]
    assert (reading.puts, reading.gets, reading.depth_items, reading.members) == (0, 0, 2, 1), reading
    assert (reading.put_wait_seconds.total, reading.residence_seconds.total, sum(reading.refused_puts)) == (0, 0, 0)
    assert sum(reading.occupancy_seconds) < 10
    queue.put_nowait(9)
    assert queue.get_nowait() == 1
    with start(port=0) as own:
        page = scrape(own)
        assert own.port != exporter.port
    assert (value(page, "puts_total"), value(page, "gets_total"), value(page, "depth_items")) == (1, 1, 2)
    unwatch(queue)
    assert "bpexporter" not in vars(asyncio.Queue)["put"].__code__.co_filename
print(child(action))
after = scrape(exporter)
print(value(before, "puts_total"), value(after, "puts_total"), value(after, "gets_total"))
"""
    )
    assert run(program) == ("0\n3.0 3.0 1.0\n", "", 0)


def test_a_child_of_a_process_that_is_being_read_is_free():
    """Forked while other threads read, watch and drop, a child holds no lock of theirs."""
    program = (
        FORK
        + """
hub = Hub()
queue = watch(asyncio.Queue(), "kept", hub=hub)
done = threading.Event()
def churn():
    while not done.is_set():
        watch(asyncio.Queue(), "q", hub=hub).put_nowait(1)
        hub.snapshot()
threads = [threading.Thread(target=churn) for _ in range(3)]
for thread in threads: thread.start()
def action():
    queue.put_nowait(1)
    watch(asyncio.Queue(), "new", hub=hub).put_nowait(1)
    assert hub.snapshot().queues["kept"].puts == 1
    unwatch(queue)
print({child(action) for _ in range(30)})
done.set()
for thread in threads: thread.join()
"""
    )
    assert run(program) == ("{0}\n", "", 0)


def test_a_child_forked_with_blocked_callers_shows_none_of_their_past():
    """Callers that are blocked in the parent's loop do not run in the child; its stall begins at the fork."""
    program = (
        FORK
        + """
async def main():
    queue = watch(asyncio.Queue(1), "q")
    callers = [asyncio.create_task(queue.put(number)) for number in range(3)]
    await asyncio.sleep(0)
    def action():
        reading = snapshot().queues["q"]
        assert (reading.puts, reading.blocked_puts, reading.put_blocked_seconds) == (0, 0, 0), reading
        assert (reading.longest_block_seconds, reading.stalled_seconds) == (0, 0), reading
    print(child(action), snapshot().queues["q"].blocked_producers)
    print([await queue.get() for _ in range(3)], snapshot().queues["q"].blocked_producers)
asyncio.run(main())
"""
    )
    assert run(program) == ("0 2\n[0, 1, 2] 0\n", "", 0)
