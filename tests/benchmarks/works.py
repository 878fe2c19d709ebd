"""The works that are compared with the bare object.

One operation is one put and one get, one acquire and one release, or one write and one drain.

What a work calls in its loop is defined inside of it, so that `fresh` copies it too.
"""

import asyncio
from typing import Any, NamedTuple

from .others import permits, writes
from .variants import Work

# What an unwatched queue may cost in a process that watches another.
NOWAIT, AWAIT = 1.00, 1.05
# The same, and what a watched one may cost, where the interpreter's source is not known.
UNKNOWN_UNWATCHED, UNKNOWN = 1.10, 2.00


class Row(NamedTuple):
    """One line of the table of works."""

    name: str
    kind: str
    work: Work
    maxsize: int
    fill: int
    target: float
    unwatched_target: float | None = None
    environment: dict[str, str] = {}

    @property
    def title(self) -> str:
        """What the line is called."""
        return f"{self.kind}: {self.name}"


async def nowait(queue: Any, count: int) -> None:
    """Put and get, neither of which waits."""
    for _ in range(count):
        queue.put_nowait(1)
        queue.get_nowait()


async def awaited(queue: Any, count: int) -> None:
    """Awaited put and get that find room and work."""
    for _ in range(count):
        await queue.put(1)
        await queue.get()


async def pair(queue: Any, count: int) -> None:
    """One producer and one consumer."""

    async def produce() -> None:
        for _ in range(count):
            await queue.put(1)

    async def consume() -> None:
        for _ in range(count):
            await queue.get()

    await asyncio.gather(produce(), consume())


async def crowd(queue: Any, count: int) -> None:
    """Eight producers and eight consumers."""

    async def produce() -> None:
        for _ in range(count // 8):
            await queue.put(1)

    async def consume() -> None:
        for _ in range(count // 8):
            await queue.get()

    await asyncio.gather(*(produce() for _ in range(8)), *(consume() for _ in range(8)))


FULL_SET = (
    ("nowait, room to spare, unbounded", nowait, 0, 10, 1.00, NOWAIT),
    ("nowait, room to spare, maxsize 100", nowait, 100, 10, 1.00, NOWAIT),
    ("await, room to spare, unbounded", awaited, 0, 10, 1.05, AWAIT),
    ("await, room to spare, maxsize 100", awaited, 100, 10, 1.05, AWAIT),
    ("1 producer, 1 consumer, maxsize 100", pair, 100, 0, 1.15),
    ("1 producer, 1 consumer, maxsize 10", pair, 10, 0, 1.25),
    ("1 producer, 1 consumer, maxsize 1", pair, 1, 0, 1.25),
    ("8 producers, 8 consumers, maxsize 10", crowd, 10, 0, 1.22),
    ("nowait, crossing a band, 79 <-> 80 of 100", nowait, 100, 79, 1.90),
    ("nowait, crossing a band, maxsize 1", nowait, 1, 0, 1.90),
)


def set_of(*targets: float) -> tuple[Any, ...]:
    """Three lines that tell most, with a target for each."""
    lines = (FULL_SET[1], FULL_SET[3], FULL_SET[5])
    return tuple((*line[:4], target) for line, target in zip(lines, targets, strict=True))


SETS = {
    "Queue": FULL_SET,
    "PriorityQueue": set_of(1.15, 1.15, 1.35),
    "LifoQueue": set_of(1.15, 1.15, 1.35),
    "Queue with a _put and a _get of its own": set_of(1.60, 1.60, 1.60),
}
UNKNOWN_SET = tuple(
    (f"{name}, source not known", *rest[:3], UNKNOWN, UNKNOWN_UNWATCHED, {"BPEXPORTER_UNKNOWN_SOURCES": "1"})
    for name, *rest in FULL_SET
)

OTHERS = (
    Row("acquire and release, free", "Semaphore", permits, 0, 0, 1.10),
    Row("write and drain, not paused", "StreamWriter", writes, 0, 0, 1.05),
)

ROWS = (
    *(Row(name, kind, *rest) for kind, lines in SETS.items() for name, *rest in lines),
    *(Row(name, "Queue", *rest) for name, *rest in UNKNOWN_SET),
    *OTHERS,
)
