"""Slow reader, nobody drains, exhausted limiter: told apart by who has two scrapes of /metrics, and nothing else."""

import asyncio
import contextlib
import re
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sockets import MB, opened, until

import bpexporter

STREAMS = Path(__file__).parents[2] / "docs" / "streams.md"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what the kernel says of TCP is known on Linux only")
CHUNK = b"." * 65_536
HEALTHY = "healthy"

# The reader --------------------------------------------------------------------------------------------------------

# The metrics that tell.
PAUSED = "backpressure_stream_paused_seconds_total"
DRAINING = "backpressure_stream_drain_blocked_seconds_total"
UNHEEDED = "backpressure_stream_unheeded_writes_total"
BUSY = "backpressure_stream_tcp_busy_seconds_total"
LIMITED = "backpressure_stream_tcp_limited_seconds_total"
HELD = "backpressure_limiter_stalled_seconds_total"
FULLNESS = "backpressure_limiter_utilization_ratio"

Page = dict[tuple[str, str, str], float]
# A share of the time over which somebody is said to be held up.
HELD_UP = 0.2


def parsed(text: str) -> Page:
    """Metric, name of the resource, and what is left of the labels (`cause`): the value."""
    page: Page = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.labels.get("stream", sample.labels.get("limiter", ""))
            page[sample.name, name, sample.labels.get("cause", "")] = sample.value
    return page


class Scrapes(NamedTuple):
    """Two pages of one process, `seconds` apart."""

    before: Page
    after: Page
    seconds: float

    def now(self, metric: str, name: str) -> float:
        """A gauge at the second scrape."""
        return self.after[metric, name, ""]

    def rate(self, metric: str, name: str, cause: str = "") -> float:
        """Growth of a counter by the second."""
        key = metric, name, cause
        return (self.after[key] - self.before[key]) / self.seconds

    def of_stream(self, name: str) -> str:
        """What is the matter with a stream."""
        paused = self.rate(PAUSED, name)
        if paused < HELD_UP:
            return HEALTHY
        if not self.is_heeded(name, paused):
            return "nobody drains"
        if (BUSY, name, "") not in self.after:  # no TCP, so no network that could be slow
            return "slow reader"
        limited = self.rate(LIMITED, name, "receiver")
        busy = self.rate(BUSY, name)
        return "slow reader" if limited > busy / 2 else "slow network"

    def is_heeded(self, name: str, paused: float) -> bool:
        """Whether somebody waits while the stream is paused; of a transport, whether nobody writes."""
        if (DRAINING, name, "") in self.after:
            return self.rate(DRAINING, name) > paused / 2
        return self.rate(UNHEEDED, name) == 0

    def of_limiter(self, name: str) -> str:
        """What is the matter with a limiter."""
        if self.rate(HELD, name) < HELD_UP:
            return HEALTHY
        return "exhausted" if self.now(FULLNESS, name) == 1 else "in bursts"

    def told(self) -> dict[str, str]:
        """Each stream and limiter of the page, and what is the matter with it."""
        streams = {name for metric, name, _ in self.after if metric == "backpressure_stream_open_writers"}
        limiters = {name for metric, name, _ in self.after if metric == "backpressure_limiter_members"}
        return {name: self.of_stream(name) for name in streams} | {name: self.of_limiter(name) for name in limiters}


# The situations ------------------------------------------------------------------------------------------------------


async def writing(writer: asyncio.StreamWriter) -> None:
    """Writes, and waits for its peer."""
    while True:
        writer.write(CHUNK)
        await writer.drain()
        await asyncio.sleep(0.001)


async def writing_thrice(writer: asyncio.StreamWriter) -> None:
    """Writes what belongs together in three parts, as many do, and then waits."""
    while True:
        for _ in range(3):
            writer.write(CHUNK)
        await writer.drain()


async def writing_at_once(writer: asyncio.StreamWriter) -> None:
    """Writes all there is in one go, and never waits."""
    writer.write(CHUNK * 400)


async def writing_only(writer: asyncio.StreamWriter) -> None:
    """Writes, and never waits."""
    while True:
        writer.write(CHUNK)
        await asyncio.sleep(0.01)


async def calling(limiter: asyncio.Semaphore, seconds: float) -> None:
    """Holds a permit for so long, again and again."""
    while True:
        async with limiter:
            await asyncio.sleep(seconds)
        await asyncio.sleep(0.001)


class Process:
    """Streams and limiters in trouble or not, and the endpoint that tells of them."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self.hub = bpexporter.Hub()
        self.stack = stack
        self.tasks = stack.enter_context(contextlib.closing(Tasks()))
        self.exporter = stack.enter_context(bpexporter.start(port=0, hub=self.hub))

    async def stream(self, name: str, write: Callable, *, reads_every: float | None, kind: str = "tcp") -> None:
        """A stream whose peer reads a megabyte so often, or never."""
        writer, peer = await self.stack.enter_async_context(opened(kind, name, self.hub))
        self.tasks.add(write(writer))

        async def reading() -> None:
            while True:
                await peer.read(MB)
                await asyncio.sleep(reads_every)

        if reads_every is not None:
            self.tasks.add(reading())

    def limiter(self, name: str, *, permits: int, callers: int) -> None:
        """A limiter with so many callers, each of which holds a permit most of the time."""
        limiter = bpexporter.watch(asyncio.Semaphore(permits), name, hub=self.hub)
        for _ in range(callers):
            self.tasks.add(calling(limiter, 0.02))

    async def page(self) -> Page:
        """One scrape."""
        answer = await asyncio.to_thread(lambda: urllib.request.urlopen(self.exporter.url, timeout=10).read())
        return parsed(answer.decode())

    async def scrapes(self, seconds: float = 1.0) -> Scrapes:
        """Two scrapes, so many seconds apart by the clock of the ledgers."""
        before, begun = await self.page(), self.hub.clock()
        await asyncio.sleep(seconds)
        return Scrapes(before, await self.page(), self.hub.clock() - begun)


class Tasks(set):
    """Tasks that end with the process."""

    def add(self, work) -> None:
        super().add(asyncio.ensure_future(work))

    def close(self) -> None:
        for task in self:
            task.cancel()


async def test_each_is_told_from_the_others():
    """All three at once, in one process, beside streams and a limiter that are well: each gets its own diagnosis."""
    async with contextlib.AsyncExitStack() as stack:
        process = Process(stack)
        await process.stream("stuck", writing, reads_every=None)
        await process.stream("slow", writing, reads_every=0.5)
        await process.stream("slow, no TCP", writing, reads_every=0.5, kind="unix")
        await process.stream("slow, in parts", writing_thrice, reads_every=0.5)
        await process.stream("deaf at once", writing_at_once, reads_every=None)
        await process.stream("deaf", writing_only, reads_every=None)
        await process.stream("deaf to a slow one", writing_only, reads_every=0.5)
        await process.stream("well", writing, reads_every=0)
        await process.stream("well without a drain", writing_only, reads_every=0)
        process.limiter("exhausted", permits=2, callers=8)
        process.limiter("roomy", permits=8, callers=4)
        streams = process.hub.snapshot
        await until(
            lambda: (
                streams().streams["stuck"].blocked_drains > 0
                and streams().streams["slow"].blocked_drains > 1
                and streams().streams["slow, in parts"].blocked_drains > 1
                and streams().streams["deaf to a slow one"].unheeded_writes > 0
                and streams().streams["deaf"].unheeded_writes > 0
            ),
            "in trouble",
        )
        assert (await process.scrapes()).told() == {
            "stuck": "slow reader",
            "slow": "slow reader",
            "slow, no TCP": "slow reader",
            "slow, in parts": "slow reader",
            "deaf at once": "nobody drains",
            "deaf": "nobody drains",
            "deaf to a slow one": "nobody drains",
            "well": HEALTHY,
            "well without a drain": HEALTHY,
            "exhausted": "exhausted",
            "roomy": HEALTHY,
        }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, {"s": HEALTHY, "l": HEALTHY}),
        ({PAUSED: 10}, {"s": "nobody drains", "l": HEALTHY}),
        ({PAUSED: 10, DRAINING: 10}, {"s": "slow network", "l": HEALTHY}),
        ({PAUSED: 10, DRAINING: 10, BUSY: 10, LIMITED: 10}, {"s": "slow reader", "l": HEALTHY}),
        ({PAUSED: 1, UNHEEDED: 10}, {"s": HEALTHY, "l": HEALTHY}),
        ({HELD: 10}, {"s": HEALTHY, "l": "in bursts"}),
    ],
)
def test_reader_reads_nothing_else(changed, told):
    """The diagnosis comes from the page alone: one number changed in it changes the diagnosis, and no other."""
    hub = bpexporter.Hub()
    limiter = bpexporter.watch(asyncio.Semaphore(2), "l", hub=hub)

    async def page() -> str:
        from bpexporter.export.text import render

        async with opened("tcp", "s", hub):
            return render(hub).decode()

    text = asyncio.run(page())
    before, after = parsed(text), parsed(text)
    for metric, growth in changed.items():
        for key in before:
            if key[0] == metric:
                after[key] += growth
    assert Scrapes(before, after, 10).told() == told
    bpexporter.unwatch(limiter)


def test_readme_decides_by_the_same_metrics():
    """The decision table of the docs names every metric that the reader of this test looks at."""
    section = re.search(r"## Which of the three is it\?\n(.*?)\n## ", STREAMS.read_text(), re.DOTALL)
    assert section is not None
    looked_at = {PAUSED, DRAINING, UNHEEDED, BUSY, LIMITED, HELD, FULLNESS}
    assert {metric for metric in looked_at if metric not in section[1]} == set()
