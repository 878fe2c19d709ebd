"""The demo: fetch -> parse -> store in one process, with a store that slows down and recovers.

Every queue is an ordinary `asyncio` queue, watched by one line. A cycle takes 20 s: all is well for a
moment, then `store` is slow for half of it, so its queue fills and the stall works its way upstream to `fetch`;
then it recovers.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from bpexporter.commands.demo.network import Network
from bpexporter.resources.queue.metrics import QueueReading
from bpexporter.server.endpoint import Exporter, start
from bpexporter.watching.stages import stage
from bpexporter.watching.watch import snapshot, watch

CYCLE = 20.0
# Within a cycle, `store` is slow from the first of these seconds to the second.
SLOW = (2.0, 12.0)
# Seconds a worker of `store` takes for an item while it is slow, and while it is well.
STORE_SECONDS = {True: 0.25, False: 0.004}
# Shorter than a place in a full `fetched` takes to come free, so that some retries are given up.
RETRY_TIMEOUT = 0.1
BAR = 20


class Pipeline:
    """The queues of the demo, and what its tasks do with them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, cycle: float = CYCLE) -> None:
        self.begun = clock()
        self.cycle = cycle
        self.clock = clock
        self.random = random.Random(7)
        self.fetched: asyncio.Queue[int] = watch(asyncio.Queue(maxsize=50), "fetched")
        self.parsed: asyncio.Queue[int] = watch(asyncio.Queue(maxsize=20), "parsed")
        self.retries: asyncio.PriorityQueue[tuple[int, int]] = watch(asyncio.PriorityQueue(maxsize=10), "retries")
        self.recent: asyncio.LifoQueue[int] = watch(asyncio.LifoQueue(maxsize=100), "recent")
        self.audit: asyncio.Queue[int] = watch(asyncio.Queue(maxsize=100), "audit")
        self.log: asyncio.Queue[str] = watch(asyncio.Queue(), "log")

    @property
    def is_slow(self) -> bool:
        """True where `store` is slow now."""
        begin, end = SLOW
        return begin <= (self.clock() - self.begun) % self.cycle * CYCLE / self.cycle < end

    @stage("fetch")
    async def fetch(self) -> None:
        """Bursts of items, as crawlers and message brokers give them."""
        number = 0
        while True:
            for _ in range(self.random.randint(5, 25)):
                number += 1
                await self.fetched.put(number)
                await self.audit.put(number)
            await asyncio.sleep(self.random.uniform(0.02, 0.2))

    @stage("parse")
    async def parse(self) -> None:
        """Takes what was fetched, and hands it on."""
        while True:
            item = await self.fetched.get()
            await asyncio.sleep(0.005)
            await self.parsed.put(item)
            self.fetched.task_done()

    def retry(self, item: int) -> None:
        """An item for later; where too many wait it is given up, and shows as refused."""
        with contextlib.suppress(asyncio.QueueFull):
            self.retries.put_nowait((item % 3, item))

    @stage("try again")
    async def tried_again(self) -> None:
        """Retries, most urgent first."""
        while True:
            _, item = await self.retries.get()
            await asyncio.sleep(0.3)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.fetched.put(item), RETRY_TIMEOUT)
            self.retries.task_done()

    @stage("store")
    async def store(self) -> None:
        """The stage that is to blame; while it is slow, every second item fails and is to be tried again."""
        while True:
            item = await self.parsed.get()
            slow = self.is_slow
            await asyncio.sleep(STORE_SECONDS[slow])
            self.parsed.task_done()
            self.log.put_nowait(f"stored {item}")
            if slow and item % 2:
                self.retry(item)
            else:
                self.remember(item)

    def remember(self, item: int) -> None:
        """The newest items; where there are too many, the newest makes room."""
        if self.recent.full():
            self.recent.get_nowait()
            self.recent.task_done()
        self.recent.put_nowait(item)

    @stage("read recent")
    async def read_recent(self) -> None:
        """Looks at the newest first, and so leaves the oldest lying."""
        while True:
            await self.recent.get()
            self.recent.task_done()
            await asyncio.sleep(0.05)

    @stage("write audit")
    async def write_audit(self) -> None:
        """The stage that keeps up."""
        while True:
            await self.audit.get()
            self.audit.task_done()

    @stage("write log")
    async def write_log(self) -> None:
        """All lines at once, now and then: nothing bounds this queue but the pace of `store`."""
        while True:
            await asyncio.sleep(0.5)
            while not self.log.empty():
                self.log.get_nowait()
                self.log.task_done()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """All that runs."""
        stages = [self.fetch(), self.parse(), self.parse(), self.tried_again()]
        sinks = [self.store(), self.store(), self.read_recent(), self.write_audit(), self.write_log()]
        return [*stages, *sinks]


# What the terminal shows ---------------------------------------------------------------------------------


def bar(ratio: float | None) -> str:
    """`ratio` drawn; an unbounded queue has none."""
    if ratio is None:
        return "unbounded".ljust(BAR)
    filled = round(min(ratio, 1.0) * BAR)
    return "#" * filled + "." * (BAR - filled)


def row(name: str, reading: QueueReading) -> str:
    """One queue in one line."""
    held = f"{reading.blocked_producers} blocked for {reading.longest_block_seconds:4.1f} s"
    state = held if reading.blocked_producers else ""
    return f"{name:<10} {bar(reading.utilization_ratio)} {reading.depth_items or 0:>5} items  {state}"


def progress(queues: dict[str, QueueReading]) -> str:
    """All queues in one line, for a log."""
    levels = (f"{name} {reading.depth_items or 0}" for name, reading in queues.items())
    held = [name for name, reading in queues.items() if reading.blocked_producers]
    return ", ".join(levels) + (f" | producers blocked at: {', '.join(held)}" if held else "")


def introduction(exporter: Exporter, cycle: float = CYCLE) -> str:
    """Returns the lines at the beginning, which say what to open."""
    page = exporter.url.removesuffix("/metrics") + "/"
    return (
        f"bpexporter demo: fetch -> parse -> store; store is slow for {(SLOW[1] - SLOW[0]) * cycle / CYCLE:g} s "
        f"in every {cycle:g} s.\n  page      {page}\n  metrics   {exporter.url}\n"
        f"  try       curl -s {exporter.url} | grep stalled_seconds\n  Ctrl-C ends it.\n"
    )


def table(pipeline: Pipeline) -> list[str]:
    """Returns the frame of a terminal: a line for each queue, and how `store` is."""
    rows = [row(name, reading) for name, reading in snapshot().queues.items()]
    return [*rows, f"store is {'slow' if pipeline.is_slow else 'well'}"]


async def repaint(pipeline: Pipeline) -> None:
    """Draw the table again and again in the same place."""
    back = ""
    while True:
        lines = table(pipeline)
        print(back + "\n".join(f"\x1b[2K{line}" for line in lines), flush=True)
        back = f"\x1b[{len(lines)}A"
        await asyncio.sleep(0.25)


async def report(pipeline: Pipeline) -> None:
    """Print a line a second."""
    while True:
        print(progress(dict(snapshot().queues)), flush=True)
        await asyncio.sleep(1)


def summary() -> str:
    """Returns the summary at the end, queue by queue."""
    lines = (
        f"  {name:<10} {reading.puts:>7,} in, {reading.gets:>7,} out, stalled {reading.stalled_seconds:6.1f} s, "
        f"refused {sum(reading.refused_puts)}"
        for name, reading in snapshot().queues.items()
    )
    return "\n".join(["bpexporter demo ended:", *lines])


def end_by_signal(ended: asyncio.Event) -> None:
    """Ctrl-C and SIGTERM set `ended`, where the platform and the thread allow it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, ended.set)


async def check(pipeline: Pipeline, workers: Executor) -> None:
    """Check sums of items in a thread, as work is done that would hold the loop."""
    loop = asyncio.get_running_loop()
    while True:
        await loop.run_in_executor(workers, hash, tuple(range(pipeline.fetched.qsize())))
        await asyncio.sleep(0.2)


async def live(seconds: float, cycle: float = CYCLE) -> None:
    """Run the pipeline for `seconds`, or until Ctrl-C; raises what a stage of it raises."""
    pipeline, ended = Pipeline(cycle=cycle), asyncio.Event()
    end_by_signal(ended)
    show = repaint if sys.stdout.isatty() else report
    network = Network(lambda: pipeline.is_slow)
    workers = watch(ThreadPoolExecutor(2), "workers")
    running = [*pipeline.tasks(), *network.tasks(), check(pipeline, workers), show(pipeline), ended.wait()]
    tasks = [asyncio.ensure_future(task) for task in running]
    done, _ = await asyncio.wait(
        tasks, timeout=seconds if math.isfinite(seconds) else None, return_when=asyncio.FIRST_COMPLETED
    )
    closing = summary()  # before the tasks go: their cancelled puts are not the pipeline's
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    workers.shutdown(wait=False)
    print(closing, flush=True)


def run(*, host: str, port: int, seconds: float, cycle: float = CYCLE) -> int:
    """Serve the demo's metrics at `host`:`port` for `seconds` (infinite: until Ctrl-C); the exit code, 0.

    `cycle` is the length in seconds of a cycle; `store` is slow for half of it.

    Raises ``OSError`` where the address cannot be served.
    """
    with start(host, port) as exporter:
        print(introduction(exporter, cycle), flush=True)
        asyncio.run(live(seconds, cycle))
    return 0
