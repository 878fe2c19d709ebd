"""The demo's streams and limiter: a peer that reads slowly while `store` is slow, and a database with few connections.

Three connections over loopback: `upstream` waits for its peer as it should, `telemetry` writes and never
waits. The kernel's buffers are made small, so that backpressure shows within a second instead of after megabytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from bpexporter.watching.stages import stage
from bpexporter.watching.watch import watch

PERMITS, CALLERS = 4, 10
# Seconds that a call to the database takes while all is slow, and while it is well; callers give up after PATIENCE.
QUERY_SECONDS = {True: 0.8, False: 0.01}
PATIENCE = 1.0
# Bytes that the peer takes at once, and the seconds that it then rests.
PACE = {True: (2_048, 0.1), False: (65_536, 0.005)}
MESSAGE = b"." * 16_384
RECEIVE_BYTES, SEND_BYTES = 16_384, 32_768
# `telemetry` never waits, but does not eat the machine either.
ENOUGH_BYTES = 1 << 20


class Network:
    """A peer and those who write to it, a database and those who call it. `is_slow` tells how both are."""

    def __init__(self, is_slow: Callable[[], bool]) -> None:
        self.is_slow = is_slow
        self.connections: asyncio.Semaphore = watch(asyncio.Semaphore(PERMITS), "db")
        self.listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @stage("read upload")
    async def read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The peer of one connection."""
        # Python 3.11 prints a traceback for a handler that ends cancelled, as all do when the demo ends.
        with contextlib.closing(writer), contextlib.suppress(asyncio.CancelledError):
            while not reader.at_eof():
                size, rest = PACE[self.is_slow()]
                await reader.read(size)
                await asyncio.sleep(rest)

    async def serve(self) -> None:
        """The peer."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        server = await asyncio.start_server(self.read, sock=listener, limit=RECEIVE_BYTES)
        self.listening.set_result(listener.getsockname()[1])
        async with server:
            await server.serve_forever()

    @contextlib.asynccontextmanager
    async def connected(self, name: str) -> Any:
        """A watched writer to the peer."""
        _, writer = await asyncio.open_connection("127.0.0.1", await asyncio.shield(self.listening))
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        with contextlib.closing(watch(writer, name)):
            yield writer

    @stage("upload")
    async def upload(self) -> None:
        """Writes, and waits for its peer."""
        async with self.connected("upstream") as writer:
            while True:
                writer.write(MESSAGE)
                await writer.drain()
                await asyncio.sleep(0.04)

    @stage("report")
    async def report(self) -> None:
        """Writes, and never waits: backpressure ignored."""
        async with self.connected("telemetry") as writer:
            while True:
                if writer.transport.get_write_buffer_size() < ENOUGH_BYTES:
                    writer.write(MESSAGE)
                await asyncio.sleep(0.1)

    @stage("query")
    async def query(self) -> None:
        """Calls the database again and again; gives up where no connection comes free in time."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.connections.acquire()
                try:
                    await asyncio.sleep(QUERY_SECONDS[self.is_slow()])
                finally:
                    self.connections.release()
            await asyncio.sleep(0.05)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """All that runs."""
        return [self.serve(), self.upload(), self.upload(), self.report(), *(self.query() for _ in range(CALLERS))]
