"""TLS over TCP, and whatever else a connection becomes, is counted together."""

import asyncio
import contextlib
import socket
import tempfile

import pytest
from fake_clock import Clock
from sockets import KINDS, MB, certificates, listening, opened, run, stream_of, turns, until

import bpexporter
from bpexporter.resources.stream import layers

CHUNK = b"." * 65_536
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@pytest.fixture
def hub():
    """A hub of its own, on a clock of its own."""
    return bpexporter.Hub(clock=Clock())


@pytest.mark.parametrize("kind", ["tls", "starttls"])
@pytest.mark.parametrize("what", ["writer", "transport"])
def test_one_large_write(kind, what, hub):
    """What TLS hands to the transport below at once waits there, and is seen: over the mark, though nobody is told."""

    async def main() -> None:
        async with KINDS[kind]() as (writer, peer):
            bpexporter.watch(writer if what == "writer" else writer.transport, "s", hub=hub)
            writer.write(b"." * 20 * MB)
            await turns()
            below = layers.lowest(writer.transport)
            assert below is not writer.transport
            reading = stream_of(hub)
            real = writer.transport.get_write_buffer_size() + below.get_write_buffer_size()
            assert reading.buffered_bytes == real > 10 * MB
            assert (reading.paused_writers, reading.written_bytes) == (1, 20 * MB)
            assert reading.utilization_ratio == real / writer.transport.get_write_buffer_limits()[1] > 20
            await peer.take(20 * MB)
            await until(lambda: not stream_of(hub).buffered_bytes, "taken")
            after = stream_of(hub)
            assert (after.paused_writers, after.written_bytes) == (0, 20 * MB)
            assert after.peak_utilization_ratio > 20

    run("asyncio", main)


@both_loops
def test_an_upgrade_of_what_is_watched(loop, hub):
    """A connection that is upgraded to TLS stays one, and what is written to either layer is counted once."""

    async def main() -> None:
        async with opened("starttls", "s", hub) as (writer, _):
            for _ in range(16):
                writer.write(CHUNK)
                await asyncio.sleep(0)
            reading = stream_of(hub)
            assert (reading.open_writers, reading.written_bytes) == (1, 16 * len(CHUNK))
            assert reading.buffer_limit_bytes == writer.transport.get_write_buffer_limits()[1]
            assert reading.buffered_bytes >= writer.transport.get_write_buffer_size()
            assert bpexporter.watch(writer, "s", hub=hub) is writer
            assert stream_of(hub).open_writers == 1

    run(loop, main)


class Echoless(asyncio.Protocol):
    """A protocol that takes nothing to heart."""

    paused = 0

    def pause_writing(self) -> None:
        self.paused += 1


async def tls_pair(hub: bpexporter.Hub) -> tuple[asyncio.Transport, asyncio.Server, socket.socket]:
    """A watched transport that is upgraded to TLS by `loop.start_tls()`, its server and a socket of it."""
    ours, theirs = certificates()
    loop = asyncio.get_running_loop()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(ours)
        writer.transport.pause_reading()
        await asyncio.sleep(60)

    server = await asyncio.start_server(accept, sock=listening())
    plain, protocol = await loop.create_connection(Echoless, *server.sockets[0].getsockname())
    bpexporter.watch(plain, "s", hub=hub)
    upgraded = await loop.start_tls(plain, protocol, theirs, server_hostname="localhost")
    return upgraded, server, protocol


def test_a_transport_that_is_upgraded(hub):
    """A transport that was watched before `loop.start_tls()` is known above and below from then on."""

    async def main() -> None:
        transport, server, protocol = await tls_pair(hub)
        before = stream_of(hub).written_bytes
        transport.write(b"." * 20 * MB)
        reading = stream_of(hub)
        assert reading.written_bytes - before == 20 * MB  # what TLS adds is not the application's
        assert reading.buffered_bytes > 10 * MB
        assert reading.buffer_limit_bytes == transport.get_write_buffer_limits()[1]
        for _ in range(20):
            transport.write(CHUNK)
        assert protocol.paused == 1
        assert stream_of(hub).paused_writers == 1
        transport.abort()
        await until(lambda: not stream_of(hub).open_writers, "lost")
        server.close()

    run("asyncio", main)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("fallback", [False, True])
def test_a_file_that_is_sent(kind, fallback, hub):
    """While `sendfile()` has the protocol's place, pauses and levels are seen; then the protocol's own are again."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with opened(kind, "s", hub) as (writer, peer):
            if fallback:
                writer.transport._sendfile_compatible = asyncio.constants._SendfileMode.FALLBACK
            with tempfile.TemporaryFile() as file:
                file.truncate(8 * MB)
                sending = asyncio.create_task(loop.sendfile(writer.transport, file))
                if kind == "tls" or fallback:
                    await until(lambda: stream_of(hub).paused_writers, "paused")
                    assert stream_of(hub).buffered_bytes > 0
                await peer.take(8 * MB)
                assert await sending == 8 * MB
            await until(lambda: not stream_of(hub).paused_writers, "sent")
            while not writer._protocol._paused:
                writer.write(CHUNK)
                await asyncio.sleep(0)
            drain = asyncio.create_task(writer.drain())
            await turns()
            assert (stream_of(hub).paused_writers, stream_of(hub).blocked_drains) == (1, 1)
            drain.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drain
            assert stream_of(hub).open_writers == 1

    run("asyncio", main)


@both_loops
def test_what_is_not_known_of_others(loop, hub):
    """A transport of somebody else's making is never asked by a reader: no mark, no level, and no ratio."""

    class Strange(asyncio.Transport):
        def get_protocol(self) -> asyncio.Protocol:
            return protocol

        def get_write_buffer_size(self) -> int:
            raise AssertionError("asked")

    protocol = Echoless()

    async def main() -> None:
        transport = Strange()
        bpexporter.watch(transport, "s", hub=hub)
        reading = stream_of(hub)
        assert (reading.open_writers, reading.utilization_ratio, reading.buffer_limit_bytes) == (1, None, 0)
        protocol.pause_writing()
        assert stream_of(hub).paused_writers == 1
        bpexporter.unwatch(transport)

    run(loop, main)
