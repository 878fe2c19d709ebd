"""A record is that of a connection: it lives as long, whatever becomes of the writers above it."""

import asyncio
import contextlib
import gc
import socket

import pytest
from fake_clock import Clock
from sockets import KINDS, MB, ended, listening, opened, run, stream_of, turns, until

import bpexporter
from bpexporter.hub.hub import registry_of
from bpexporter.resources.patching import held
from bpexporter.resources.stream import pauses
from bpexporter.watching.watch import ledger_of

CHUNK = b"." * 65_536
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@pytest.fixture
def clock():
    """Time that passes when the test says so."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub of its own, on that clock."""
    return bpexporter.Hub(clock=clock)


@contextlib.contextmanager
def deaf_server():
    """The address of a server that accepts and never reads."""
    with listening() as sock:
        sock.listen()
        yield sock.getsockname()


@both_loops
def test_closed_and_forgotten_by_a_client(loop, hub, clock):
    """What a client has written before it closed and forgot the writer is shown until the peer takes it, or is gone."""

    async def main() -> None:
        with deaf_server() as address:
            connecting = bpexporter.watched_connection(asyncio.open_connection(*address), "s", hub=hub)
            _, writer = await connecting
            writer.write(b"." * 20 * MB)
            writer.close()
            transport = writer.transport
            del writer, _
            gc.collect()
            await turns()
            left = stream_of(hub)
            assert left.buffered_bytes == transport.get_write_buffer_size() > 10 * MB
            assert (left.open_writers, left.paused_writers) == (0, 1)
            assert left.kernel_unsent_bytes > 0
            clock.advance(7)
            assert stream_of(hub).paused_seconds == 7
            transport.abort()
            del transport
            await until(lambda: not registry_of(hub).members("stream"), "lost")
        gone = stream_of(hub)
        assert (gone.buffered_bytes, gone.paused_writers, gone.paused_seconds) == (0, 0, 7)
        assert (gone.written_bytes, pauses._followers) == (20 * MB, {})

    run(loop, main)


@both_loops
def test_a_handler_that_returned(loop, hub, clock):
    """What a server's handler has written before it returned is shown, on whichever Python forgets its writer."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"." * 20 * MB)

    async def main() -> None:
        watched = bpexporter.watched_handler(handler, "s", hub=hub)
        server = await asyncio.start_server(watched, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            await until(lambda: "s" in hub.snapshot().streams, "connected")
            await turns()
            gc.collect()
            assert stream_of(hub).buffered_bytes > MB
            assert stream_of(hub).paused_writers == 1
        await until(lambda: not stream_of(hub).buffered_bytes, "lost")
        server.close()

    run(loop, main)


@both_loops
def test_short_connections_keep_what_tcp_says(loop, hub):
    """Of connections that come and go between two scrapes, their writers forgotten at once, TCP's time stays."""

    async def main() -> None:
        for _ in range(3):
            async with KINDS["tcp"]() as (writer, peer):
                bpexporter.watch(writer, "s", hub=hub)
                transport = writer.transport
                writer.write(b"." * 4 * MB)
                await asyncio.sleep(0.05)
                writer.close()
                del writer
                gc.collect()
                await peer.take(4 * MB)
                await until(transport.is_closing, "closing")
                del transport
                await turns()
        await until(lambda: not registry_of(hub).members("stream"), "lost")
        assert stream_of(hub).tcp_busy_seconds > 0.1
        assert stream_of(hub).written_bytes == 12 * MB

    run(loop, main)


@both_loops
@pytest.mark.parametrize("kind", ["tcp", "tls", "unix"])
def test_two_writers_over_one_connection(loop, kind, hub, clock):
    """A second writer over a connection, or its transport, is watched as what it is: the same connection."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, _):
            second = asyncio.StreamWriter(writer.transport, writer._protocol, None, asyncio.get_running_loop())
            bpexporter.watch(second, "s", hub=hub)
            bpexporter.watch(writer.transport, "s", hub=hub)
            assert ledger_of(second) is ledger_of(writer) is ledger_of(writer.transport)
            while not writer._protocol._paused:
                writer.write(CHUNK)
                second.write(CHUNK)
                await asyncio.sleep(0)
            clock.advance(3)
            both = stream_of(hub)
            assert (both.open_writers, both.paused_writers) == (1, 1)
            assert both.paused_seconds <= 3
            bpexporter.unwatch(second)
            assert ledger_of(writer) is ledger_of(writer.transport) is None
            assert (registry_of(hub).members("stream"), pauses._followers) == ([], {})

    run(loop, main)


@both_loops
def test_a_writer_over_a_watched_transport(loop, hub):
    """A writer over a transport that is watched already makes its drains known, and nothing is counted twice."""

    async def main() -> None:
        async with KINDS["tcp"]() as (writer, _):
            bpexporter.watch(writer.transport, "s", hub=hub)
            assert stream_of(hub).drain_seconds is None
            bpexporter.watch(writer, "s", hub=hub)
            writer.write(CHUNK)
            await writer.drain()
            reading = stream_of(hub)
            assert (reading.open_writers, reading.written_bytes) == (1, len(CHUNK))
            assert sum(reading.drain_seconds.counts) == 1
            bpexporter.watch(writer.transport, "other", hub=hub)
            assert (stream_of(hub).open_writers, stream_of(hub, "other").open_writers) == (0, 1)

    run(loop, main)


def test_no_attribute_stays_behind(hub):
    """When all is unwatched, neither writer nor transport has anything of ours."""

    async def main() -> None:
        async with opened("tls", "s", hub) as (writer, _):
            assert held(writer) is held(writer.transport) is not None
            bpexporter.uninstall()
            for one in (writer, writer.transport, writer.transport._ssl_protocol._transport):
                assert not [name for name in dir(one) if "bpexporter" in name]

    run("asyncio", main)


def test_a_closed_loop(hub, clock):
    """Of a loop that was closed with a pause and a blocked drain in it neither goes on: no time is made up."""
    loop = asyncio.new_event_loop()
    mine, other = socket.socketpair()

    async def main() -> tuple[asyncio.StreamWriter, asyncio.Task[None]]:
        _, writer = await asyncio.open_unix_connection(sock=mine)
        bpexporter.watch(writer, "s", hub=hub)
        writer.write(b"." * MB)
        drain = asyncio.ensure_future(writer.drain())
        await turns()
        return writer, drain

    writer, drain = loop.run_until_complete(main())
    clock.advance(5)
    assert stream_of(hub).stalled_seconds == stream_of(hub).paused_seconds == 5
    loop.call_exception_handler = lambda context: None
    loop.close()
    clock.advance(100)
    for _ in range(2):
        closed = stream_of(hub)
        assert (closed.stalled_seconds, closed.paused_seconds, closed.longest_block_seconds) == (5, 5, 0)
    other.close()
    mine.close()
    del writer, drain


@both_loops
def test_lost_without_a_word(loop, hub):
    """A connection whose transport is gone without a word is gone here as well."""

    async def main() -> None:
        async with opened("tcp", "s", hub) as (writer, _):
            await ended(writer.transport)
        del writer, _
        await turns()
        gc.collect()
        assert stream_of(hub).open_writers == 0

    run(loop, main)
