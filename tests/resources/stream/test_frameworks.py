"""Frameworks that drain by themselves, watched by their transports: each gives all that needs no `drain()`."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from fake_clock import Clock
from needs import missing
from sockets import MB, ended, run, stream_of, until

import bpexporter
from bpexporter.hub.hub import registry_of
from bpexporter.resources.stream import pauses as stream_pauses

STREAMS = Path(__file__).parents[3] / "docs" / "streams.md"
NAME = "clients"
CHUNK = b"." * 65_536
CHUNKS = 256
SIZE = len(CHUNK) * CHUNKS
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
DRAINS = (
    "blocked_writers",
    "drain_seconds",
    "blocked_drains",
    "drain_blocked_seconds",
    "stalled_seconds",
    "longest_block_seconds",
)
BYTES = ("written_bytes", "unheeded_writes", "unheeded_bytes")


@pytest.fixture
def clock():
    """Time that passes when the test says so."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub of its own, on that clock."""
    return bpexporter.Hub(clock=clock)


def unknown(reading: bpexporter.StreamReading) -> set[str]:
    """The fields of which nothing is known."""
    return {name for name, value in reading._asdict().items() if value is None}


def not_known(loop: str) -> set[str]:
    """What a transport of this loop cannot tell."""
    return {*DRAINS, *(BYTES if loop == "uvloop" else ())}


def is_stuck(reading: bpexporter.StreamReading) -> bool:
    """Whether a writer is paused, and TCP names the receiver."""
    return bool(reading.paused_writers) and reading.tcp_limited_seconds[0] > 0.1


async def shows_a_slow_peer(
    loop: str, hub: bpexporter.Hub, clock: Clock, reader: Any, *, size: int, written: int
) -> None:
    """A peer takes nothing for 5 s, then all, and what is told of the stream agrees with it."""
    await until(lambda: NAME in hub.snapshot().streams and is_stuck(stream_of(hub, NAME)), "stuck on the receiver")
    paused = stream_of(hub, NAME).paused_seconds
    clock.advance(5)
    stuck = stream_of(hub, NAME)
    assert unknown(stuck) == not_known(loop)
    assert (stuck.open_writers, stuck.paused_writers, stuck.paused_seconds - paused) == (1, 1, 5)
    assert stuck.kernel_unsent_bytes > MB
    assert stuck.buffered_bytes > stuck.buffer_limit_bytes >= 32_768
    await reader(size)
    await until(lambda: not stream_of(hub, NAME).paused_writers, "resumed")
    after = stream_of(hub, NAME)
    clock.advance(100)
    assert after.peak_utilization_ratio > 1
    assert stream_of(hub, NAME).paused_seconds == after.paused_seconds == paused + 5
    if loop == "asyncio":
        assert (after.unheeded_writes, after.unheeded_bytes) == (0, 0)  # it drains, though not by drain()
        assert written <= after.written_bytes < written + 100 * CHUNKS  # and headers, and what frames it


def taking(reader: asyncio.StreamReader) -> Any:
    """Reads at least so many bytes."""

    async def take(size: int) -> None:
        while size > 0:
            data = await reader.read(MB)
            assert data
            size -= len(data)

    return take


# aiohttp --------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def aiohttp_served(handler: Any, method: str = "GET", **options: Any) -> AsyncIterator[tuple[str, int]]:
    """The address of a server with one route."""
    app = web.Application(client_max_size=2 * SIZE, **options)
    app.router.add_route(method, "/", handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0]
    finally:
        await runner.cleanup()


@both_loops
def test_aiohttp_server(loop, hub, clock, monkeypatch):
    """The middleware of the docs shows an aiohttp server's slow client while it is slow, and who is to blame."""
    monkeypatch.setattr("bpexporter.hub.hub.default_hub", hub)
    recipe: dict[str, Any] = {}
    exec(re.search(r"<!-- recipe: slow_clients -->\n```python\n(.*?)```", STREAMS.read_text(), re.DOTALL)[1], recipe)

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(CHUNKS):
            await response.write(CHUNK)
        return response

    async def main() -> None:
        async with aiohttp_served(stream, middlewares=[recipe["watched"]]) as address:
            reader, writer = await asyncio.open_connection(*address, limit=1_024)
            writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            await shows_a_slow_peer(loop, hub, clock, taking(reader), size=SIZE, written=SIZE)
            await ended(writer.transport)
            await until(lambda: not stream_of(hub, NAME).open_writers, "closed")
        assert stream_of(hub, NAME).tcp_limited_seconds[0] > 0.1
        assert (registry_of(hub).members("stream"), stream_pauses._followers) == ([], {})

    run(loop, main)


class Watched(aiohttp.TCPConnector):
    """A connector that watches what it opens."""

    hub: bpexporter.Hub

    async def _wrap_create_connection(self, *arguments: Any, **options: Any) -> Any:
        transport, protocol = await super()._wrap_create_connection(*arguments, **options)
        bpexporter.watch(transport, NAME, hub=self.hub)
        return transport, protocol


@both_loops
def test_aiohttp_client(loop, hub, clock):
    """A connector that watches its transports shows a server that takes an upload slowly."""
    reads = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await reads.wait()
        return web.Response(text=str(len(await request.read())))

    async def body() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK

    async def main() -> None:
        Watched.hub = hub
        async with aiohttp_served(slow, "POST") as address, aiohttp.ClientSession(connector=Watched()) as session:
            asked = asyncio.create_task(session.post(f"http://{address[0]}:{address[1]}/", data=body()))

            async def take(size: int) -> None:
                reads.set()
                assert await (await asked).text() == str(size)

            await shows_a_slow_peer(loop, hub, clock, take, size=SIZE, written=SIZE)
        assert stream_of(hub, NAME).open_writers == 0

    run(loop, main)


# uvicorn, websockets --------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def uvicorn_served(app: Any, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """The address of uvicorn with this application."""
    try:
        import uvicorn
    except ImportError:
        missing("uvicorn is not installed: pip install uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1, **options)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        await until(lambda: server.started, "started")
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            await serving


def watching(base: type, hub: bpexporter.Hub) -> type:
    """`base`, a protocol of uvicorn's, with each of its connections watched."""

    class Protocol(base):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            bpexporter.watch(transport, NAME, hub=hub)

    return Protocol


@both_loops
def test_uvicorn(loop, hub, clock):
    """A protocol class of uvicorn's that watches its connections shows a slow client of an ASGI application."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(CHUNKS):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def main() -> None:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        async with uvicorn_served(app, http=watching(H11Protocol, hub)) as address:
            reader, writer = await asyncio.open_connection(*address, limit=1_024)
            writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            await shows_a_slow_peer(loop, hub, clock, taking(reader), size=SIZE, written=SIZE)
            await ended(writer.transport)
            await until(lambda: not stream_of(hub, NAME).open_writers, "closed")

    run(loop, main)


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@both_loops
def test_uvicorn_upgraded_to_websocket(loop, hub, clock):
    """A connection watched as HTTP goes on to be watched when uvicorn gives it to another protocol."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        hub.snapshot()  # of uvloop's transports a new protocol is found at a reading
        with contextlib.suppress(Exception):
            for _ in range(CHUNKS):
                await send({"type": "websocket.send", "bytes": CHUNK})

    async def main() -> None:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        async with uvicorn_served(app, http=watching(H11Protocol, hub), ws="websockets-sansio") as address:
            reader, writer = await asyncio.open_connection(*address, limit=1_024)
            writer.write(UPGRADE)
            await shows_a_slow_peer(loop, hub, clock, taking(reader), size=SIZE, written=SIZE)
            await ended(writer.transport)
            await until(lambda: not stream_of(hub, NAME).open_writers, "closed")
        assert stream_pauses._followers == {}

    run(loop, main)


@both_loops
def test_websockets(loop, hub, clock):
    """`watch(connection.transport, name)` shows a slow client of a server of the websockets library."""
    try:
        from websockets.asyncio.server import ServerConnection, serve
    except ImportError:
        missing("websockets is not installed: pip install websockets")

    async def handler(connection: ServerConnection) -> None:
        bpexporter.watch(connection.transport, NAME, hub=hub)
        with contextlib.suppress(Exception):
            for _ in range(CHUNKS):
                await connection.send(CHUNK)

    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=1) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1_024)
            writer.write(UPGRADE)
            await shows_a_slow_peer(loop, hub, clock, taking(reader), size=SIZE, written=SIZE)
            await ended(writer.transport)
            await until(lambda: not stream_of(hub, NAME).open_writers, "closed")

    run(loop, main)


def test_another_protocol_in_the_same_place(hub):
    """What is told to a protocol that a transport has no more does not count for the transport."""

    async def main() -> None:
        mine, other = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, old = await loop.create_connection(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), sock=mine
        )
        bpexporter.watch(transport, NAME, hub=hub)
        new = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport.set_protocol(new)
        old.pause_writing()
        assert stream_of(hub, NAME).paused_writers == 0
        new.pause_writing()
        assert stream_of(hub, NAME).paused_writers == 1
        await ended(transport)
        other.close()

    run("asyncio", main)
