"""An echo server and a client that sends at a set rate: server and client are watched by one line each."""

import asyncio
import contextlib

import bpexporter

CHUNK = 1_024


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, no faster than it is taken."""
    with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            writer.write(await reader.readexactly(CHUNK))
            await writer.drain()


async def serve() -> asyncio.Server:
    """The server, on a port that is free."""
    handler = bpexporter.watched_handler(echo, "echo")  # the line that was added
    return await asyncio.start_server(handler, "127.0.0.1", 0)


async def listen(reader: asyncio.StreamReader, *, size: int, rest: float) -> None:
    """Read what comes back, with a `rest` before each look."""
    while size > 0:
        await asyncio.sleep(rest)
        size -= len(await reader.read(65_536))


async def send(address: tuple[str, int], *, size: int, pause: float, rest: float) -> None:
    """Send `size` bytes, and take them back meanwhile."""
    connecting = asyncio.open_connection(*address)
    reader, writer = await bpexporter.watched_connection(connecting, "client")  # the line that was added
    with contextlib.closing(writer):
        async with asyncio.TaskGroup() as group:
            group.create_task(listen(reader, size=size, rest=rest))
            for _ in range(size // CHUNK):
                writer.write(b"x" * CHUNK)
                await writer.drain()
                await asyncio.sleep(pause)
        writer.write_eof()
        await reader.read()  # the server has closed


async def main(*, size: int = 100 * 1_024, pause: float = 0.001, rest: float = 0) -> None:
    """Send all, and have it back."""
    server = await serve()
    async with server:
        await send(server.sockets[0].getsockname(), size=size, pause=pause, rest=rest)


if __name__ == "__main__":
    asyncio.run(main())
