"""Watched writers on real descriptors, of every kind and both loops; only the clock of the ledgers is a test's own."""

import asyncio
import contextlib
import gc
import weakref

import pytest
from fake_clock import Clock
from sockets import KINDS, MB, OF_TCP, Peer, opened, run, stream_of, turns, until

import bpexporter
from bpexporter.hub.hub import registry_of
from bpexporter.resources.stream import instrument as stream
from bpexporter.resources.stream import pauses as stream_pauses
from bpexporter.resources.stream.kernel import asked

CHUNK = b"." * 65_536
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def clock():
    """Time that passes when the test says so."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub of its own, on that clock."""
    return bpexporter.Hub(clock=clock)


async def fill(writer: asyncio.StreamWriter, hub: bpexporter.Hub) -> int:
    """Write, without a drain, until the writer is told to pause; how many bytes that took."""
    written = 0
    while not stream_of(hub).paused_writers:
        writer.write(CHUNK)
        written += len(CHUNK)
        await asyncio.sleep(0)  # TLS flushes in a later turn
        assert written < 64 * MB
    return written


async def blocked(writer: asyncio.StreamWriter) -> asyncio.Task[None]:
    """A drain that waits."""
    drain = asyncio.create_task(writer.drain())
    await turns()
    assert not drain.done()
    return drain


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close, and wait until that is done."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    await turns()


def drains(reading: bpexporter.StreamReading) -> tuple[int, float]:
    """How many drains are completed, and how many seconds they took."""
    assert reading.drain_seconds is not None
    return sum(reading.drain_seconds.counts), reading.drain_seconds.sum


# A peer that does not read ----------------------------------------------------------------------------------


@both_loops
@each_kind
def test_a_peer_that_stops_and_goes_on(loop, kind, hub, clock):
    """While the peer reads nothing the pause and the blocked drain are shown with their age; then all is counted."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, peer):
            upgraded = drains(stream_of(hub))[0]  # start_tls() has drained once
            written = await fill(writer, hub)
            clock.advance(2)
            drain = await blocked(writer)
            clock.advance(3)
            present = stream_of(hub)
            assert (present.open_writers, present.paused_writers, present.blocked_drains) == (1, 1, 1)
            assert (present.longest_block_seconds, present.drain_blocked_seconds, present.stalled_seconds) == (3, 3, 3)
            assert (present.paused_seconds, drains(present)) == (5, (upgraded, 0))
            assert present.buffered_bytes > present.buffer_limit_bytes == writer.transport.get_write_buffer_limits()[1]
            assert present.utilization_ratio == present.buffered_bytes / present.buffer_limit_bytes
            await peer.take(written)
            await drain
            clock.advance(100)
            after = stream_of(hub)
            assert (after.paused_writers, after.longest_block_seconds, after.buffered_bytes) == (0, 0, 0)
            assert (after.paused_seconds, after.stalled_seconds, drains(after)) == (5, 3, (upgraded + 1, 3))
            assert (after.written_bytes, after.unheeded_writes, after.unheeded_bytes) == (written, 0, 0)
            await closed(writer)
            assert stream_of(hub).open_writers == 0
            assert (stream_of(hub).written_bytes, drains(stream_of(hub))) == (written, (upgraded + 1, 3))

    run(loop, main)


@both_loops
@pytest.mark.parametrize("kind", OF_TCP)
def test_the_receiver_is_named(loop, kind, hub):
    """With a peer that never reads TCP_INFO names the receiver; the kernel holds megabytes, asyncio next to nothing."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, _):
            await fill(writer, hub)
            await until(lambda: stream_of(hub).tcp_limited_seconds[0] > 0.2, "0.2 s limited by the receiver")
            stuck = stream_of(hub)
            assert stuck.kernel_unsent_bytes > MB
            below = 0 if kind == "tcp" else 65_536 + (1 << 18)  # its mark, and the largest piece that TLS hands down
            assert stuck.buffered_bytes < stuck.buffer_limit_bytes + len(CHUNK) + below
            receiver, send_buffer = stuck.tcp_limited_seconds
            assert receiver > 0.5 * stuck.tcp_busy_seconds
            assert send_buffer < 0.1 * receiver
            if kind == "tcp":
                assert stuck.buffer_limit_bytes == 65_536

    run(loop, main)


@both_loops
@pytest.mark.parametrize("kind", ["unix", "pipe", "stdin"])
def test_no_kernel_rows_but_for_tcp(loop, kind, hub):
    """Of Unix sockets, pipes and a child's input the kernel rows are absent, open, blocked and closed."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, peer):
            await peer.take(await fill(writer, hub))
            await until(lambda: not stream_of(hub).paused_writers, "resumed")
            before = stream_of(hub)
            await closed(writer)
            for one in (before, stream_of(hub)):
                assert (one.kernel_unsent_bytes, one.tcp_busy_seconds, one.tcp_limited_seconds) == (None, None, None)
                assert one.kernel_writers == 0
            assert "kernel" not in exposition(hub)
            assert "tcp" not in exposition(hub)

    run(loop, main)


def exposition(hub: bpexporter.Hub) -> str:
    """The samples of /metrics."""
    from bpexporter.export.text import render

    lines = render(hub).decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("backpressure_stream"))


# How it ends ----------------------------------------------------------------------------------------------------


ENDS = {
    "closed": lambda writer, peer: writer.close(),
    "aborted": lambda writer, peer: writer.transport.abort(),
    "reset": lambda writer, peer: peer.reset(),
    "unwatched": lambda writer, peer: bpexporter.unwatch(writer),
}


async def lost(writer: asyncio.StreamWriter, peer: Peer, how: str, written: int) -> None:
    """End the connection this way, and wait until that is known."""
    ENDS[how](writer, peer)
    if how == "closed":
        await peer.take(written)
    if how != "unwatched":
        await until(lambda: not stream_pauses._followers, how)
    await turns()


@both_loops
@pytest.mark.parametrize("kind", OF_TCP)
@pytest.mark.parametrize("how", ENDS)
def test_kernel_totals_stay(loop, kind, how, hub):
    """What the kernel said last stays when a writer goes, even where nobody has scraped before; nothing is unsent."""
    silent = loop == "uvloop" and kind != "tcp"  # uvloop's TLS knows its socket no more once it is lost

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, peer):
            written = 0
            while not writer._protocol._paused:
                writer.write(CHUNK)
                written += len(CHUNK)
                await asyncio.sleep(0)
            sock = writer.get_extra_info("socket")
            await until(lambda: asked(sock).receiver > 0.05, "limited by the receiver, as the kernel says itself")
            if silent:
                hub.snapshot()
            await lost(writer, peer, how, written)
            gone = stream_of(hub)
            assert (gone.open_writers, gone.kernel_unsent_bytes, gone.kernel_writers) == (0, 0, 0)
            assert gone.tcp_busy_seconds >= gone.tcp_limited_seconds[0] > 0.05

    run(loop, main)


@both_loops
@each_kind
@pytest.mark.parametrize("how", ENDS)
def test_lost_in_the_middle_of_a_drain(loop, kind, how, hub, clock):
    """A connection that ends while paused ends pause and stall there, its drain counts as none, and nothing is left."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, peer):
            upgraded = drains(stream_of(hub))[0]
            written = await fill(writer, hub)
            drain = await blocked(writer)
            clock.advance(4)
            await lost(writer, peer, how, written)
            clock.advance(100)
            gone = stream_of(hub)
            assert (gone.open_writers, gone.paused_writers, gone.longest_block_seconds) == (0, 0, 0)
            assert (gone.buffered_bytes, gone.utilization_ratio) == (0, None)
            assert (gone.paused_seconds, gone.stalled_seconds, gone.drain_blocked_seconds) == (4, 4, 4)
            assert (gone.blocked_drains, gone.written_bytes) == (1, written)
            completed = (
                how != "unwatched" and drain.exception() is None
            )  # asyncio lets it return where nobody is at fault
            assert drains(gone)[0] - upgraded == completed
            drain.cancel()
            await asyncio.gather(drain, return_exceptions=True)
            assert stream_of(hub)._replace(drain_seconds=None) == gone._replace(drain_seconds=None)
            assert (registry_of(hub).members("stream"), stream_pauses._followers) == ([], {})

    run(loop, main)


@both_loops
@each_kind
def test_cancelled_drain(loop, kind, hub, clock):
    """A drain given up ends its stall, is no completed one, and the pause goes on."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, _):
            upgraded = drains(stream_of(hub))[0]
            await fill(writer, hub)
            drain = await blocked(writer)
            clock.advance(2)
            drain.cancel()
            await asyncio.gather(drain, return_exceptions=True)
            assert drain.cancelled()
            clock.advance(5)
            after = stream_of(hub)
            assert (after.blocked_drains, drains(after)[0]) == (1, upgraded)
            assert (after.longest_block_seconds, after.stalled_seconds, after.drain_blocked_seconds) == (0, 2, 2)
            assert (after.paused_writers, after.paused_seconds) == (1, 7)

    run(loop, main)


@both_loops
@each_kind
def test_two_drains_at_once(loop, kind, hub, clock):
    """Two drains of one writer are two blocked callers, and one stall."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, peer):
            written = await fill(writer, hub)
            first = await blocked(writer)
            clock.advance(1)
            second = await blocked(writer)
            clock.advance(2)
            present = stream_of(hub)
            assert (present.blocked_drains, present.drain_blocked_seconds, present.stalled_seconds) == (2, 5, 3)
            assert present.longest_block_seconds == 3
            await peer.take(written)
            await asyncio.gather(first, second)
            assert drains(stream_of(hub))[1] == 5

    run(loop, main)


@both_loops
@pytest.mark.parametrize("kind", ["tcp", "tls", "unix"])
def test_nothing_is_held(loop, kind, hub):
    """A writer that nobody holds any more is freed, and its name keeps the totals."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, peer):
            writer.write(CHUNK)
            await peer.take(len(CHUNK))
            await closed(writer)
            gone = weakref.ref(writer)
        del writer, peer
        await turns()
        gc.collect()
        assert gone() is None
        assert (registry_of(hub).members("stream"), stream_of(hub).written_bytes) == ([], len(CHUNK))

    run(loop, main)


@both_loops
@pytest.mark.parametrize("kind", ["tcp", "unix", "pipe"])
@pytest.mark.parametrize("what", ["writer", "transport"])
def test_watched_too_late(loop, kind, what, hub):
    """A connection that is lost already may be watched, as a client may go at any moment: it is not open, and freed."""

    async def main() -> None:
        async with KINDS[kind]() as (writer, _):
            writer.transport.abort()
            await turns()
            bpexporter.watch(writer if what == "writer" else writer.transport, "s", hub=hub)
            late = stream_of(hub)
            assert (late.open_writers, late.paused_writers, late.kernel_unsent_bytes) == (0, 0, None)
            assert stream_pauses._followers == {}
        del writer, _
        await turns()
        gc.collect()
        assert registry_of(hub).members("stream") == []

    run(loop, main)


def test_uvloop_s_transports_are_let_go(hub):
    """Of uvloop's transports, which hold no attribute, no ledger stays behind when they are gone."""

    async def main() -> None:
        for _ in range(3):
            async with KINDS["tcp"]() as (writer, _):
                bpexporter.watch(writer.transport, "s", hub=hub)
                assert stream_of(hub).open_writers == len(stream._ledgers) == 1
            del writer, _
            await turns()
            gc.collect()
            assert registry_of(hub).members("stream") == []
            assert len(stream._ledgers) == 0

    run("uvloop", main)


def test_uvloop_s_tls_transport(hub):
    """A transport of uvloop's TLS, to which nobody can refer weakly, is watched as well, and is let go."""

    async def main() -> None:
        async with opened("tls", "other", hub) as (writer, _):
            bpexporter.unwatch(writer)
            bpexporter.watch(writer.transport, "s", hub=hub)
            assert (stream_of(hub).open_writers, len(stream._ledgers)) == (1, 1)
        del writer, _
        await turns()
        gc.collect()
        assert stream_of(hub).open_writers == len(stream._ledgers) == 0

    run("uvloop", main)


# A peer at a set rate, and a writer that does not listen --------------------------------------------------------


@both_loops
@each_kind
def test_a_peer_at_a_set_rate(loop, kind, hub, clock):
    """Drain and pause agree with what the peer takes: within one of its steps, at 1 MB/s in steps of 1/16 s."""
    step, rate, size = 1 / 16, MB, 12 * MB

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, peer):
            upgraded = drains(stream_of(hub))[0]
            waited = 0.0
            sent = taken = 0
            while sent < size:
                writer.write(CHUNK)
                sent += len(CHUNK)
                drain = asyncio.create_task(writer.drain())
                await asyncio.sleep(0.001)  # for the kernel to move what it can
                while not drain.done():
                    clock.advance(step)
                    waited += step
                    part = min(int(rate * step), sent - taken)
                    await peer.take(part)
                    taken += part
                    await asyncio.sleep(0.001)
                await drain
            after = stream_of(hub)
            assert (after.written_bytes, after.unheeded_writes) == (size, 0)
            assert drains(after) == (upgraded + size // len(CHUNK), pytest.approx(waited))
            assert after.drain_blocked_seconds == after.stalled_seconds == pytest.approx(waited)
            assert waited == pytest.approx(taken / rate, abs=step)
            assert waited > 2  # megabytes in kernel and buffers are taken without a wait, not more
            # It drains after each write, so all of the pause is heeded.
            assert after.paused_seconds == pytest.approx(waited, abs=step)

    run(loop, main)


@both_loops
@each_kind
def test_a_writer_that_never_drains(loop, kind, hub, clock):
    """Who writes on while paused is told by unheeded writes and by seconds paused that nobody has waited."""

    async def main() -> None:
        async with opened(kind, "s", hub) as (writer, _):
            upgraded = drains(stream_of(hub))[0]
            await fill(writer, hub)
            limit = stream_of(hub).buffer_limit_bytes
            for _ in range(32):
                clock.advance(1)
                writer.writelines([CHUNK, CHUNK])
            ignored = stream_of(hub)
            assert (ignored.unheeded_writes, ignored.unheeded_bytes) == (32, 64 * len(CHUNK))
            assert (ignored.paused_seconds, ignored.drain_blocked_seconds, ignored.blocked_drains) == (32, 0, 0)
            assert drains(ignored)[0] == upgraded
            assert ignored.buffered_bytes > limit + 60 * len(CHUNK)
            assert ignored.peak_utilization_ratio >= ignored.utilization_ratio > 1

    run(loop, main)


# Many -----------------------------------------------------------------------------------------------------------


def test_kernel_is_asked_of_some(hub, monkeypatch):
    """The kernel is asked of a fixed number of writers in each reading, which says how many; in turn it is all."""
    monkeypatch.setattr("bpexporter.resources.stream.members.ASKED", 2)

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            pairs = [await stack.enter_async_context(opened("tcp", "s", hub)) for _ in range(5)]
            others = [await stack.enter_async_context(opened("tcp", "t", hub)) for _ in range(4)]
            for writer, _ in (*pairs, *others):
                while not writer._protocol._paused:
                    writer.write(CHUNK)
            assert (stream_of(hub).kernel_writers, stream_of(hub, "t").kernel_writers) == (2, 2)
            for _ in range(2):
                hub.snapshot()
            told = [ledger.kernel is not None for ledger in registry_of(hub).members("stream")]
            assert told == [True] * 9
            assert stream_of(hub).kernel_unsent_bytes > 5 * MB
            assert stream_of(hub).open_writers == 5

    run("asyncio", main)


@both_loops
def test_churn_leaves_totals_only(loop, hub):
    """Hundreds of connections that come and go leave one name, no ledger, and all that they have written."""

    async def main() -> None:
        done = asyncio.Event()
        gone = 0

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal gone
            writer.write(await reader.readexactly(10))
            await writer.drain()
            await closed(writer)
            gone += 1
            if gone == 300:
                done.set()

        server = await asyncio.start_server(bpexporter.watched_handler(handler, "s", hub=hub), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()

        async def client() -> None:
            connecting = asyncio.open_connection(*address)
            reader, writer = await bpexporter.watched_connection(connecting, "t", hub=hub)
            writer.write(b"0123456789")
            assert await reader.read() == b"0123456789"
            await closed(writer)

        for _ in range(10):
            await asyncio.gather(*(client() for _ in range(30)))
        await done.wait()
        server.close()
        assert stream_of(hub).written_bytes == stream_of(hub, "t").written_bytes == 3_000
        assert (registry_of(hub).members("stream"), stream_pauses._followers) == ([], {})
        assert drains(stream_of(hub))[0] == 300
        assert stream_of(hub).tcp_busy_seconds is not None

    run(loop, main)
