"""CPU of one scrape, beside what prometheus_client takes for the same page from our collector."""

import asyncio
import gc
import gzip
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

import bpexporter

from .scale import Scale
from .tables import Figures, over
from .traffic import traffic
from .variants import HAS_PROMETHEUS_CLIENT

BUDGET = 80
FORMATS = {"text": False, "OpenMetrics": True}

Page = Callable[[], bytes]


def ours(hub: Any, *, openmetrics: bool) -> Page:
    """Renders the page as the server does."""
    from bpexporter.export.text import render

    return lambda: render(hub, openmetrics=openmetrics)


def theirs(hub: Any, *, openmetrics: bool) -> Page:
    """Renders the page as prometheus_client does."""
    import prometheus_client.exposition
    import prometheus_client.openmetrics.exposition

    registry = prometheus_client.CollectorRegistry()
    registry.register(bpexporter.Collector(hub))
    module = prometheus_client.openmetrics.exposition if openmetrics else prometheus_client.exposition
    return lambda: module.generate_latest(registry)


def zipped(page: Page) -> Page:
    """The page, compressed as the server does it."""
    return lambda: gzip.compress(page(), 1)


def milliseconds(page: Page, between: Callable[[], None], count: int) -> float:
    """CPU, of all threads; the median of `count` pages with activity before each."""
    found = []
    for _ in range(count):
        between()
        gc.collect()
        begun = process_time()
        page()
        found.append((process_time() - begun) * 1e3)
    return median(found)


def scraping(scale: Scale) -> Figures:
    """Text and OpenMetrics, plain and compressed."""
    hub = bpexporter.Hub(max_names=scale.scraped)
    watch = bpexporter.watch
    queues = [watch(asyncio.Queue(1), f"queue-{index}", hub=hub) for index in range(scale.scraped)]
    with asyncio.Runner() as runner:

        def cpu(page: Page) -> float:
            return milliseconds(page, lambda: runner.run(traffic(queues)), scale.scrapes)

        for name, openmetrics in FORMATS.items():
            page = ours(hub, openmetrics=openmetrics)
            page()
            lines = page().count(b"\n")
            beside = _beside(hub, openmetrics=openmetrics, cpu=cpu)
            what = f"scrape of {scale.scraped:,} queues, {name}, {lines:,} lines"
            yield what, _shown(cpu(page)), beside, f"<= {BUDGET} ms"
            yield f"{what}, gzip", _shown(cpu(zipped(page))), f"{len(zipped(page)()):,} bytes", ""
    yield _of_one_name(scale)


def _of_one_name(scale: Scale) -> tuple[str, ...]:
    """As many queues as there are connections, under one name, each with a consumer that waits."""
    hub = bpexporter.Hub()
    queues = [bpexporter.watch(asyncio.Queue(10), "connection", hub=hub) for _ in range(scale.remembered)]
    with asyncio.Runner() as runner:
        waiting = [runner.get_loop().create_task(queue.get()) for queue in queues]
        cpu = milliseconds(ours(hub, openmetrics=False), lambda: runner.run(asyncio.sleep(0)), scale.scrapes)
    return f"scrape of {len(waiting):,} queues of one name", _shown(cpu), "", f"<= {BUDGET} ms"


def _beside(hub: Any, *, openmetrics: bool, cpu: Callable[[Page], float]) -> str:
    if not HAS_PROMETHEUS_CLIENT:
        return "prometheus_client n/a"
    return f"prometheus_client {cpu(theirs(hub, openmetrics=openmetrics)):.0f} ms"


def _shown(cpu: float) -> str:
    return over(f"{cpu:.0f} ms of CPU", cpu, BUDGET)
