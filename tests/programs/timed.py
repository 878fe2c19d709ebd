"""A queue that measures itself, as long as nobody else does; the program prints what it has seen."""

import asyncio
import time


class TimedQueue:
    """A queue that adds up how long puts take."""

    def __init__(self, maxsize: int) -> None:
        self.queue: asyncio.Queue[int] = asyncio.Queue(maxsize=maxsize)
        self.blocked = 0.0

    async def put(self, item: int) -> None:
        """Put, and time it."""
        begun = time.perf_counter()
        await self.queue.put(item)
        self.blocked += time.perf_counter() - begun


async def take(timed: TimedQueue) -> None:
    """Take slowly."""
    while True:
        await timed.queue.get()
        await asyncio.sleep(0.2)


async def main() -> None:
    """Put for ever."""
    timed = TimedQueue(maxsize=5)
    taking = asyncio.create_task(take(timed))
    while True:
        await timed.put(0)
        print(f"blocked for {timed.blocked:.1f} s")
    await taking


asyncio.run(main())
