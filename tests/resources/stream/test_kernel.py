"""The kernel's figures are of the whole life of a socket; what is shown begins at the first look, and counts once."""

import asyncio

import pytest
from sockets import KINDS, MB, run, stream_of, until

import bpexporter
from bpexporter.resources.stream.kernel import Kernel, asked

both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@pytest.fixture
def hub():
    """A hub of its own."""
    return bpexporter.Hub()


def test_since():
    """Seconds are those since the first word; what is unsent is what is unsent now; nothing is ever below 0."""
    first, last = Kernel(7, 1.0, 0.5, 2.0), Kernel(9, 4.0, 2.5, 1.0)
    assert last.since(first) == Kernel(9, 3.0, 2.0, 0.0)


async def busy(writer: asyncio.StreamWriter, seconds: float) -> float:
    """Seconds that the kernel says the connection was busy, after so many more."""
    sock = writer.get_extra_info("socket")
    begun = asked(sock).busy
    await until(lambda: asked(sock).busy > begun + seconds, "busy")
    return asked(sock).busy


@both_loops
def test_watched_late(loop, hub):
    """Of a connection that was busy before it was watched, what it was before is not shown."""

    async def main() -> None:
        async with KINDS["tcp"]() as (writer, _):
            writer.write(b"." * 8 * MB)
            before = await busy(writer, 0.3)
            bpexporter.watch(writer, "s", hub=hub)
            assert stream_of(hub).tcp_busy_seconds < 0.2
            now = await busy(writer, 0.2)
            assert 0.1 < stream_of(hub).tcp_busy_seconds <= now - before + 0.1
            assert stream_of(hub).kernel_unsent_bytes > MB

    run(loop, main)


@both_loops
@pytest.mark.parametrize("name", ["s", "t"])
def test_watched_again_and_again(loop, name, hub):
    """However often a connection is unwatched, watched or renamed, each of its seconds is shown once at most."""

    async def main() -> None:
        async with KINDS["tcp"]() as (writer, _):
            bpexporter.watch(writer, "s", hub=hub)
            writer.write(b"." * 8 * MB)
            for _ in range(6):
                await busy(writer, 0.05)
                hub.snapshot()
                if name == "s":
                    bpexporter.unwatch(writer)
                bpexporter.watch(writer, name, hub=hub)
                bpexporter.watch(writer, "s", hub=hub)
            real = asked(writer.get_extra_info("socket")).busy
            shown = sum(stream.tcp_busy_seconds or 0 for stream in hub.snapshot().streams.values())
            assert real * 0.5 < shown <= real + 0.1

    run(loop, main)
