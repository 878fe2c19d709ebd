"""Processes that publish, without a process: each has a hub, a queue and a file of its own."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from bpexporter import Hub, watch
from bpexporter.publishing.own_file import PROCESSES
from bpexporter.publishing.publisher import Publisher


class Process:
    """One of them. `work` puts and gets; `end` and `kill` are the two ways to go."""

    def __init__(self, folder: Path, *, name: str = "jobs", maxsize: int = 100, **options: Any) -> None:
        self.hub = Hub(**options)
        self.queue: asyncio.Queue[int] = watch(asyncio.Queue(maxsize), name, hub=self.hub)
        self.publisher = Publisher(folder, self.hub)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.publisher._file.path

    def work(self, puts: int, gets: int = 0) -> Self:
        """Put and get, and publish."""
        for _ in range(puts):
            self.queue.put_nowait(1)
        for _ in range(gets):
            self.queue.get_nowait()
        self.publisher.publish()
        return self

    def end(self) -> None:
        """Publish for the last time, and go."""
        self.publisher.end()
        self.publisher._file.close()

    def kill(self) -> None:
        """Go without a word."""
        self.publisher._file.close()


def puts(snapshot: Any, name: str = "jobs") -> int | None:
    """How many items went into the queues of this name, as `snapshot` says."""
    found = snapshot.queues.get(name)
    return None if found is None else found.puts


def states(snapshot: Any) -> tuple[int, int, int]:
    """How many processes are alive, have ended, were killed."""
    found = snapshot.kinds["itself"][""].processes
    return found[("alive",)], found[("ended",)], found[("killed",)]


def files(folder: Path) -> list[str]:
    """The files of processes in `folder`."""
    return sorted(path.name for path in (folder / PROCESSES).iterdir())


def copied(path: Path, to: Path) -> Path:
    """A complete copy of a file, at `to`."""
    shutil.copy2(path, to)
    return to


def counters(snapshot: Any) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Every counter of a snapshot, by what it is."""
    from bpexporter.catalogue.metrics import METRICS

    for metric in METRICS:
        if metric.kind == "gauge":
            continue
        for name, reading in snapshot.kinds[metric.subject].items():
            yield from (((metric.name, name, *key), value) for key, value in _values(getattr(reading, metric.field)))


def _values(value: Any) -> Iterator[tuple[tuple[Any, ...], float]]:
    if value is None:
        return
    if hasattr(value, "counts"):
        yield from (((bound,), count) for bound, count in zip((*value.bounds, "inf"), value.counts, strict=True))
        yield ("sum",), value.sum
    elif isinstance(value, tuple):
        yield from (((place,), part) for place, part in enumerate(value))
    elif hasattr(value, "items"):
        yield from ((tuple(key), part) for key, part in value.items())
    else:
        yield (), value
