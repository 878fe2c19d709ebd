"""How late an application's loop runs its timers while it is scraped once a second, and while it is not."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import bpexporter

from .scale import Scale
from .tables import Figures, over
from .traffic import traffic

BUDGET = 3
TICK = 0.001

# A process of its own, as Prometheus is one; it says how many scrapes there were when its input ends.
SCRAPER = """
import select, sys, time, urllib.request
accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
request = urllib.request.Request(sys.argv[1], headers={"Accept": accept, "Accept-Encoding": "gzip"})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print("ready", flush=True)
scrapes, due = 0, time.monotonic()
while True:
    with opener.open(request, timeout=10) as answer:
        answer.read()
    scrapes, due = scrapes + 1, due + 1
    if select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
        break
print(scrapes)
"""


async def ticks(queues: list[Any], seconds: float) -> list[float]:
    """How late each tick was; those that came due while the loop was held up are late too."""
    found = []
    end = perf_counter() + seconds
    due = perf_counter() + TICK
    turn = 0
    while due < end:
        await asyncio.sleep(due - perf_counter())
        now = perf_counter()
        while due <= now:
            found.append(now - due)
            due += TICK
        turn = (turn + 1) % len(queues)
        await traffic(queues[turn : turn + 1])
    return found


@contextmanager
def scraped(url: str) -> Iterator[list[int]]:
    """Once a second, inside; afterwards the list holds how often."""
    counts: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-c", SCRAPER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as scraper:
        scraper.stdout.readline()
        yield counts
        counts.append(int(scraper.communicate()[0]))


def p99(lags: list[float]) -> float:
    """Milliseconds under which 99 of 100 are."""
    return sorted(lags)[len(lags) * 99 // 100] * 1e3


def _shown(lags: list[float]) -> str:
    return f"p99 {p99(lags):.2f} ms, worst {max(lags) * 1e3:.1f} ms"


def lagging(scale: Scale) -> Figures:
    """Two stretches without and two with scrapes, in turn."""
    quiet: list[float] = []
    busy: list[float] = []
    hub = bpexporter.Hub(max_names=scale.scraped)
    watch = bpexporter.watch
    queues = [watch(asyncio.Queue(1), f"queue-{index}", hub=hub) for index in range(scale.scraped)]
    scrapes = 0
    with asyncio.Runner() as runner, bpexporter.start(port=0, hub=hub) as exporter:
        runner.run(traffic(queues))
        runner.run(ticks(queues, scale.lag_seconds / 10))
        for _ in range(2):
            quiet += runner.run(ticks(queues, scale.lag_seconds))
            with scraped(exporter.url) as counts:
                busy += runner.run(ticks(queues, scale.lag_seconds))
            scrapes += counts[0]
    rise = p99(busy) - p99(quiet)
    what = f"rise of p99 loop lag, {len(queues):,} queues, {scrapes} scrapes in {2 * scale.lag_seconds:g} s"
    beside = f"unscraped {_shown(quiet)}; scraped {_shown(busy)}"
    yield what, over(f"{rise:.2f} ms", rise, BUDGET), beside, f"<= {BUDGET} ms"
