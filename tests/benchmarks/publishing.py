"""CPU that publishing takes of a program, and merging what many have published of a sidecar."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import bpexporter
from bpexporter.publishing.folder import Folder
from bpexporter.publishing.publisher import Publisher

from .scale import Scale
from .tables import Figures, over

RESOURCES = 100
READING, PUBLISHING, MERGING = 1.0, 0.25, 200.0
BETWEEN = 0.05


def busy(count: int) -> tuple[Any, list[Any]]:
    """A hub with so many queues, each under a name of its own and used."""
    hub = bpexporter.Hub()
    queues = [bpexporter.watch(asyncio.Queue(100), f"queue {number}", hub=hub) for number in range(count)]
    for queue in queues:
        use(queue)
    return hub, queues


def use(queue: Any) -> None:
    """Twenty items in, ten of them out."""
    for number in range(20):
        queue.put_nowait(number)
    for _ in range(10):
        queue.get_nowait()
    while queue.qsize() > 50:
        queue.get_nowait()


def snapshots(hub: Any, queues: list[Any], count: int) -> float:
    """Milliseconds of CPU for a snapshot some time after the last one; the median of `count`."""
    found = []
    for _ in range(count):
        time.sleep(BETWEEN)
        use(queues[0])
        begun = time.thread_time()
        hub.snapshot()
        found.append((time.thread_time() - begun) * 1e3)
    return median(found)


@contextmanager
def publishing(hub: Any, folder: Path) -> Iterator[Publisher]:
    """Publish as a program does, on a thread."""
    publisher = Publisher(folder, hub)
    publisher.begin()
    try:
        yield publisher
    finally:
        publisher.stop()


def share(seconds: float) -> float:
    """CPU of the process, which sleeps, as a share of a core in percent."""
    begun = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - begun) / seconds * 100


def publish(scale: Scale) -> Figures:
    """A reading, and the share of a core that publishing it takes."""
    hub, queues = busy(RESOURCES)
    took = snapshots(hub, queues, 10 * scale.scrapes)
    yield f"snapshot() of {RESOURCES} queues", over(f"{took:.2f} ms", took, READING), "", f"<= {READING:g} ms"
    bare = share(scale.idle / 4)
    with tempfile.TemporaryDirectory() as folder, publishing(hub, Path(folder)):
        time.sleep(min(1.5, scale.idle / 4))
        cost = share(scale.idle) - bare
    what = f"publishing {RESOURCES} resources, of a core"
    yield what, over(f"{cost:.3f} %", cost, PUBLISHING), f"bare {bare:.3f} %", f"<= {PUBLISHING} %"


def merge(scale: Scale) -> Figures:
    """What a sidecar takes to read, merge and render the publications of many processes."""
    from bpexporter.export.text import render

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        publishers = [Publisher(Path(name), busy(RESOURCES)[0]) for _ in range(scale.processes)]
        for publisher in publishers:
            stack.callback(publisher.stop)
        folder = stack.enter_context(closing(Folder(Path(name))))
        found = []
        for _ in range(scale.scrapes):
            for publisher in publishers:
                publisher.publish()
            begun = time.process_time()
            page = render(folder, openmetrics=False)
            found.append((time.process_time() - begun) * 1e3)
    took = median(found)
    what = f"{scale.processes} processes of {RESOURCES} resources, merged and rendered"
    yield what, over(f"{took:.0f} ms", took, MERGING), f"{len(page.splitlines()):,} lines", f"<= {MERGING:g} ms"
