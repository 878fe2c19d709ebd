"""Packets through a class of one's own that holds a queue."""

import asyncio
from asyncio import Queue


class Flow:
    """A stream of packets with room for a few."""

    def __init__(self, room: int = 10) -> None:
        self.buffer: Queue[str] = Queue(maxsize=room)

    async def send(self, packet: str) -> None:
        """Wait for room."""
        await self.buffer.put(packet)

    async def receive(self) -> str:
        """Wait for a packet."""
        return await self.buffer.get()


async def send(flow: Flow) -> None:
    """Send without a pause."""
    while True:
        await flow.send("packet")


async def receive(flow: Flow) -> None:
    """Receive now and then."""
    while True:
        await flow.receive()
        await asyncio.sleep(0.2)


async def main() -> None:
    """Both ends."""
    flow = Flow(room=3)
    await asyncio.gather(send(flow), receive(flow))


if __name__ == "__main__":
    asyncio.run(main())
