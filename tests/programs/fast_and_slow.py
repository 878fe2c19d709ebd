"""A fast producer before a slow consumer, with a queue between that is a local variable."""

import asyncio


async def produce(queue: asyncio.Queue[int]) -> None:
    """Put numbers, faster than they are worked off."""
    number = 0
    while True:
        await queue.put(number)
        number += 1


async def consume(queue: asyncio.Queue[int]) -> None:
    """Work at leisure."""
    while True:
        await queue.get()
        await asyncio.sleep(0.2)
        queue.task_done()


async def main() -> None:
    """Both, until somebody ends it."""
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(produce(queue))
        group.create_task(consume(queue))


asyncio.run(main())
