"""Queues of hosts before, while and after they are watched, and what was counted of them."""

import asyncio
from collections.abc import Callable
from typing import Any

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.queue import instrument as queues

ATTRIBUTE = "_bpexporter_ledger"


def is_watched(queue: asyncio.Queue) -> bool:
    """Whether there is a ledger."""
    return queues.ledger_of(queue) is not None


def counts(hub: Hub, name: str = "q") -> tuple[int, int]:
    """Puts and gets under a name."""
    reading = hub.snapshot().queues[name]
    return reading.puts, reading.gets


Phase = Callable[[asyncio.Queue, Hub], asyncio.Queue]


PHASES: dict[str, Phase] = {
    "during": lambda queue, hub: watch(queue, "q", hub=hub),
    "after": lambda queue, hub: unwatch(watch(queue, "q", hub=hub)),
    "again": lambda queue, hub: watch(unwatch(watch(queue, "q", hub=hub)), "again", hub=hub),
    "moved": lambda queue, hub: watch(watch(queue, "q", hub=hub), "q", hub=Hub()),
}


def filled(kind: type[asyncio.Queue]) -> asyncio.Queue:
    """A queue with something in it and room for more."""
    queue = kind(5)
    queue.put_nowait(3)
    queue.put_nowait(1)
    return queue


async def little(queue: asyncio.Queue) -> list[Any]:
    """An item in and out, both ways."""
    await queue.put(1)
    queue.put_nowait(2)
    return [await queue.get(), queue.get_nowait(), queue.qsize()]
