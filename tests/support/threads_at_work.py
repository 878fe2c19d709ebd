"""Applications in threads of their own, and threads that read a hub meanwhile and compare."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from bpexporter import Hub
from bpexporter.catalogue.metrics import METRICS
from bpexporter.export.text import render
from bpexporter.resources.queue.metrics import QueueReading

ROOT = Path(__file__).parents[2]
PACKAGE = str(ROOT / "bpexporter")
COUNTERS = [metric for metric in METRICS if metric.subject == "queue" and metric.kind == "counter"]
HISTOGRAMS = [metric for metric in METRICS if metric.subject == "queue" and metric.kind == "histogram"]
PATIENCE = 60  # seconds, after which a deadlock is said to be one


def is_ours(frame: Any) -> bool:
    """Whether a frame is of the package."""
    return frame.f_code.co_filename.startswith(PACKAGE)


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
    """In a page the waits of each queue are as many as its puts and gets; puts of an unbounded one have none."""
    for name in names:
        label = f'{{queue="{name}"}}'
        for operation in ("put", "get"):
            count = page[f"backpressure_queue_{operation}s_total{label}"]
            assert page.get(f"backpressure_queue_{operation}_wait_seconds_count{label}", count) == count


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
