"""A stream of packets whose sender waits while too many of them are under way."""

import asyncio

import bpexporter


class FlowControlledStream:
    """Packets in order; `send()` waits while `limit` of them are not yet received."""

    def __init__(self, limit: int) -> None:
        self.buffer: asyncio.Queue[str] = asyncio.Queue(maxsize=limit)
        bpexporter.watch(self.buffer, "packets")  # the line that was added
        self.sent = self.received = 0

    async def send(self, packet: str) -> None:
        """Hand over `packet`, once there is room."""
        await self.buffer.put(packet)
        self.sent += 1

    async def receive(self) -> str:
        """The next packet, once there is one."""
        packet = await self.buffer.get()
        self.received += 1
        return packet

    def done(self) -> None:
        """The packet received last is worked off."""
        self.buffer.task_done()

    async def drain(self) -> None:
        """Wait until all that was sent is worked off."""
        await self.buffer.join()


async def send_all(stream: FlowControlledStream, *, count: int, pause: float) -> None:
    """Send quickly, and wait for the end."""
    for number in range(count):
        await stream.send(f"packet {number}")
        await asyncio.sleep(pause)
    await stream.drain()


async def receive_all(stream: FlowControlledStream, *, count: int, work: float) -> None:
    """Receive at leisure."""
    for _ in range(count):
        await stream.receive()
        await asyncio.sleep(work)
        stream.done()


async def main(*, count: int = 20, pause: float = 0.05, work: float = 0.2) -> None:
    """Send and receive until all is through."""
    stream = FlowControlledStream(limit=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(send_all(stream, count=count, pause=pause))
        group.create_task(receive_all(stream, count=count, work=work))


if __name__ == "__main__":
    asyncio.run(main())
