"""Whatever writers, peers and owners do, in any order and read at any moment: bounds are bounds, and nothing falls."""

import asyncio
import contextlib
import gc
import socket

from fake_clock import Clock
from hypothesis import given, settings
from hypothesis import strategies as st
from sockets import run, turns

import bpexporter
from bpexporter.resources.stream import pauses
from bpexporter.watching.watch import ledger_of

COUNTERS = (
    "blocked_drains", "drain_blocked_seconds", "stalled_seconds", "paused_seconds", "written_bytes", "unheeded_writes",
    "unheeded_bytes",
)  # fmt: skip
SIZES = st.sampled_from([0, 1, 100, 65_536, 70_000, 400_000])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["write", "past", "lines"]), SIZES),
    st.tuples(st.just("take"), st.sampled_from([1, 65_536, 1_000_000])),
    st.tuples(st.just("pass"), st.sampled_from([0.01, 0.2, 5.0])),
    st.tuples(st.just("high"), st.sampled_from([0, 10, 65_536, 1_000_000])),
    st.tuples(st.sampled_from(["drain", "cancel", "unwatch", "second", "turn", "fill"]), st.just(0)),
    st.tuples(st.just("watch"), st.sampled_from(["a", "b"])),
)


class Connection:
    """One connection, what is done to it, and what is known to be true of it."""

    def __init__(self, hub: bpexporter.Hub, clock: Clock, writer: asyncio.StreamWriter, peer: socket.socket) -> None:
        self.hub, self.clock, self.writer, self.peer = hub, clock, writer, peer
        self.drains: list[asyncio.Task[None]] = []
        self.begun = clock()
        self.written = 0
        self.seen: dict[tuple[str, str], float] = {}
        self.kept: list[asyncio.StreamWriter] = []  # one that is forgotten closes its transport

    async def do(self, step: str, value: object) -> None:
        """One step."""
        await getattr(self, f"do_{step}")(value)

    async def do_write(self, size: int) -> None:
        self.written += size
        self.writer.write(b"." * size)

    async def do_past(self, size: int) -> None:
        self.written += size
        self.writer.transport.write(b"." * size)

    async def do_lines(self, size: int) -> None:
        self.written += 2 * size
        self.writer.writelines([b"." * size, b"." * size])

    async def do_fill(self, _: object) -> None:
        for _ in range(200):
            self.writer.write(b"." * 10)
        self.written += 2_000

    async def do_take(self, size: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.peer.recv(size)
        await turns()

    async def do_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def do_high(self, mark: int) -> None:
        self.writer.transport.set_write_buffer_limits(high=mark)

    async def do_drain(self, _: object) -> None:
        self.drains.append(asyncio.ensure_future(self.writer.drain()))
        await turns()

    async def do_cancel(self, _: object) -> None:
        if self.drains:
            self.drains.pop().cancel()
            await turns()

    async def do_unwatch(self, _: object) -> None:
        bpexporter.unwatch(self.writer)

    async def do_watch(self, name: str) -> None:
        bpexporter.watch(self.writer, name, hub=self.hub)

    async def do_second(self, _: object) -> None:
        second = asyncio.StreamWriter(self.writer.transport, self.writer._protocol, None, asyncio.get_running_loop())
        bpexporter.watch(second, "a", hub=self.hub)
        self.kept.append(second)

    async def do_turn(self, _: object) -> None:
        await turns()

    def check(self) -> None:
        """All that must hold, whatever was done."""
        elapsed = self.clock() - self.begun
        streams = self.hub.snapshot().streams
        is_watched = ledger_of(self.writer) is not None
        assert sum(one.open_writers for one in streams.values()) == is_watched
        assert sum(one.buffered_bytes for one in streams.values()) == is_watched * self.size()
        assert sum(one.paused_seconds for one in streams.values()) <= elapsed + 1e-6
        assert sum(one.written_bytes for one in streams.values()) <= self.written
        for name, one in streams.items():
            self.check_one(name, one)

    def check_one(self, name: str, one: bpexporter.StreamReading) -> None:
        """What must hold for one name."""
        assert (one.stalled_seconds or 0) <= one.paused_seconds + 1e-6
        assert 0 <= one.unheeded_bytes <= one.written_bytes
        if one.utilization_ratio is not None:
            mark = self.writer.transport.get_write_buffer_limits()[1]
            assert one.utilization_ratio == self.size() / (mark or 1)
            assert one.peak_utilization_ratio >= one.utilization_ratio
            if self.size() > mark:
                assert one.paused_writers == 1
        for counter in COUNTERS:
            value = getattr(one, counter)
            if value is not None:
                assert value >= self.seen.get((name, counter), 0) - 1e-9, counter
                self.seen[name, counter] = value

    def size(self) -> int:
        """Bytes in asyncio's buffer."""
        return self.writer.transport.get_write_buffer_size()


@settings(max_examples=60)
@given(st.lists(st.tuples(STEPS, st.booleans()), max_size=40))
def test_whatever_is_done_to_a_connection(steps):
    """Levels are the transport's own, times are at most what has passed, and no counter falls."""
    clock = Clock()
    hub = bpexporter.Hub(clock=clock)

    async def main() -> None:
        mine, peer = socket.socketpair()
        peer.setblocking(False)
        _, writer = await asyncio.open_unix_connection(sock=mine)
        connection = Connection(hub, clock, bpexporter.watch(writer, "a", hub=hub), peer)
        for (step, value), is_read in steps:
            await connection.do(step, value)
            if is_read:
                connection.check()
        connection.check()
        for drain in connection.drains:
            drain.cancel()
        writer.transport.abort()
        await turns()
        peer.close()
        gone = hub.snapshot().streams
        assert sum(one.open_writers + one.buffered_bytes + one.paused_writers for one in gone.values()) == 0

    try:
        run("asyncio", main)
        gc.collect()
        hub.snapshot()
        assert pauses._followers == {}
    finally:
        bpexporter.uninstall()
        pauses._followers.clear()
