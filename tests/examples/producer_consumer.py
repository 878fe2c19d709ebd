"""A fast producer and a slow consumer, with room for three items between them."""

import asyncio

import bpexporter


async def produce(orders: asyncio.Queue[int], *, count: int, pause: float) -> None:
    """Put `count` orders, far faster than they are worked off."""
    for number in range(count):
        await orders.put(number)
        await asyncio.sleep(pause)


async def consume(orders: asyncio.Queue[int], *, work: float) -> None:
    """Spend `work` seconds on each order, for ever."""
    while True:
        await orders.get()
        await asyncio.sleep(work)
        orders.task_done()


async def main(*, count: int = 20, pause: float = 0.01, work: float = 0.5) -> None:
    """Run until the last order is done."""
    orders: asyncio.Queue[int] = asyncio.Queue(maxsize=3)
    bpexporter.watch(orders, "orders")  # the line that was added
    consumer = asyncio.create_task(consume(orders, work=work))
    await produce(orders, count=count, pause=pause)
    await orders.join()
    consumer.cancel()


if __name__ == "__main__":
    asyncio.run(main())
