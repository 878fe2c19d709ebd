"""What nobody is told is looked at: at writes, and at readings."""

import asyncio
import socket
from collections import deque

import pytest
from fake_clock import Clock
from sockets import KINDS, MB, opened, run, stream_of, turns

import bpexporter
from bpexporter.resources.stream import transports

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


def untold(transport, monkeypatch) -> None:
    """Let `transport` pause nobody, as `writelines()` of CPython up to 3.12.8 and 3.13.1 did."""
    monkeypatch.setattr(transport, "_maybe_pause_protocol", lambda: None)


def test_over_the_mark_and_never_paused(hub, clock, monkeypatch):
    """A buffer over its mark of which the protocol is not told counts as paused, and writes to it as unheeded."""

    async def main() -> None:
        async with opened("tcp", "s", hub) as (writer, peer):
            untold(writer.transport, monkeypatch)
            for _ in range(200):
                writer.writelines([CHUNK, CHUNK])
                await writer.drain()
                clock.advance(0.01)
            deep = stream_of(hub)
            assert (deep.paused_writers, deep.blocked_drains) == (1, 0)
            assert deep.utilization_ratio > 100
            assert 0 < deep.paused_seconds <= 2
            assert 100 < deep.unheeded_writes < 200
            clock.advance(3)
            assert stream_of(hub).paused_seconds == pytest.approx(deep.paused_seconds + 3)
            await peer.take(400 * len(CHUNK))
            clock.advance(50)
            after = stream_of(hub)
            assert (after.paused_writers, after.buffered_bytes) == (0, 0)
            assert after.paused_seconds == pytest.approx(deep.paused_seconds + 3)  # when it was last seen over it
            writer.write(b".")
            assert stream_of(hub).unheeded_writes == deep.unheeded_writes

    run("asyncio", main)


@both_loops
def test_a_mark_of_nothing(loop, hub, clock):
    """With a high-water mark of 0 each byte that waits is over it, and there is a ratio that says so."""

    async def main() -> None:
        async with opened("tcp", "s", hub) as (writer, peer):
            writer.transport.set_write_buffer_limits(high=0)
            assert stream_of(hub).utilization_ratio == 0
            writer.write(b"." * 8 * MB)
            await turns()
            clock.advance(2)
            over = stream_of(hub)
            assert (over.buffer_limit_bytes, over.paused_writers) == (0, 1)
            assert over.utilization_ratio == over.buffered_bytes > 1
            assert over.paused_seconds == 2
            await peer.take(8 * MB)
            await turns()
            assert stream_of(hub).utilization_ratio == 0
            assert stream_of(hub).peak_utilization_ratio > 1

    run(loop, main)


@both_loops
def test_written_past_the_writer(loop, hub, clock):
    """What is written to `writer.transport` is seen: each write on asyncio, on uvloop that the buffer has grown."""

    async def main() -> None:
        async with opened("tcp", "s", hub) as (writer, _):
            while not stream_of(hub).paused_writers:
                writer.transport.write(CHUNK)
            for _ in range(10):
                clock.advance(1)
                writer.transport.write(CHUNK)
            past = stream_of(hub)
            assert (past.paused_writers, past.blocked_drains) == (1, 0)
            assert past.unheeded_bytes == 10 * len(CHUNK)
            assert past.unheeded_writes == (10 if loop == "asyncio" else 1)

    run(loop, main)


def test_a_transport_of_uvloop_s_that_nobody_listens_to(hub):
    """Of a transport of uvloop's, whose writes nobody sees, what has come since the pause is still known."""

    async def main() -> None:
        async with KINDS["tcp"]() as (writer, _):
            bpexporter.watch(writer.transport, "s", hub=hub)
            while not stream_of(hub).paused_writers:
                writer.transport.write(CHUNK)
            assert stream_of(hub).unheeded_writes is None
            for expected in (1, 2):
                for _ in range(4):
                    writer.transport.write(CHUNK)
                assert stream_of(hub).unheeded_writes == expected
                assert stream_of(hub).unheeded_bytes == expected * 4 * len(CHUNK)

    run("uvloop", main)


def test_a_deep_buffer_is_not_added_up_at_each_write(hub, monkeypatch):
    """To add up a buffer of thousands of pieces takes longer than to write: it is done now and then."""
    added: list[int] = []
    original = transports.look

    def look(*arguments):
        added.append(1)
        return original(*arguments)

    async def main() -> None:
        async with opened("unix", "s", hub) as (writer, _):
            monkeypatch.setattr(transports, "look", look)
            writer.write(b"." * MB)
            for _ in range(15_000):
                writer.write(b"y" * 100)
            deep = stream_of(hub)
            assert deep.buffered_bytes > 15_000 * 100
            assert deep.peak_utilization_ratio >= deep.utilization_ratio
            assert len(added) < 200
            writer.transport._buffer = deque([bytes(10)] * 5_000)  # under the mark, in many pieces
            writer._protocol.resume_writing()
            del added[:]
            for _ in range(1_000):
                writer.write(b"y")
            assert len(added) < 20

    run("asyncio", main)


def test_a_pause_before_it_was_watched(hub, clock):
    """A transport that is over its mark when it is first seen is paused from then on, whoever was told."""

    async def main() -> None:
        mine, other = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=mine)
        transport.write(b"." * 4 * MB)
        bpexporter.watch(transport, "s", hub=hub)
        clock.advance(3)
        assert (stream_of(hub).paused_writers, stream_of(hub).paused_seconds) == (1, 3)
        transport.abort()
        other.close()
        await turns()

    run("asyncio", main)
