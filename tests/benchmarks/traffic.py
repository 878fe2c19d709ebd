"""Traffic that leaves something in every field of a reading."""

import asyncio
from typing import Any


async def _one(queue: Any) -> None:
    queue.put_nowait(1)
    producer = asyncio.ensure_future(queue.put(1))
    await asyncio.sleep(0)
    queue.get_nowait()
    await producer
    queue.get_nowait()
    consumer = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(1)
    await consumer


async def traffic(queues: list[Any]) -> None:
    """Each queue, empty and of maxsize 1, holds up a producer and a consumer for a moment."""
    for queue in queues:
        await _one(queue)
