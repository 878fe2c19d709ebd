"""Drains that wait already when their writer is watched, or gets another name."""

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager

import pytest

from bpexporter import Hub, unwatch, watch
from tests.support.fake_clock import Clock


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def hub(clock):
    """A hub on that clock."""
    return Hub(clock=clock)


@asynccontextmanager
async def held_up():
    """A writer whose peer reads nothing yet, that peer, and a task that waits in drain()."""
    ours, peer = socket.socketpair()
    with peer:
        _, writer = await asyncio.open_connection(sock=ours)
        try:
            writer.write(bytes(4_000_000))
            task = asyncio.create_task(writer.drain())
            await asyncio.sleep(0)
            yield writer, peer, task
        finally:
            unwatch(writer)
            writer.transport.abort()
            task.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await task


async def read_all(peer):
    """Take all that was written, so that the drain is completed."""
    peer.setblocking(False)
    left = 4_000_000
    while left:
        left -= len(await asyncio.get_running_loop().sock_recv(peer, 1 << 20))


def drains(hub, name):
    """Those that have begun to wait, that wait, the seconds held up, and the completed drains, under `name`."""
    reading = hub.snapshot().streams[name]
    return reading.blocked_drains, reading.blocked_writers, reading.stalled_seconds, reading.drain_seconds.total


async def test_a_drain_that_waits_already_is_counted_from_then_on(hub, clock):
    """It is blocked, for as long as it is seen, and completed once."""
    async with held_up() as (writer, peer, task):
        watch(writer, "w", hub=hub)
        clock.now += 3
        assert drains(hub, "w") == (1, 1, 3.0, 0)
        await read_all(peer)
        await task
        clock.now += 3
        assert drains(hub, "w") == (1, 0, 3.0, 1)


async def test_a_drain_goes_on_under_another_name(hub, clock):
    """Each name has its part of the wait; the drain is completed under the last one, once."""
    async with held_up() as (writer, peer, task):
        for name in ("first", "second", "third"):
            watch(writer, name, hub=hub)
            clock.now += 2
        names = "first", "second", "third"
        assert [drains(hub, name) for name in names] == [(1, 0, 2.0, 0), (0, 0, 2.0, 0), (0, 1, 2.0, 0)]
        await read_all(peer)
        await task
        assert [drains(hub, name)[-1] for name in names] == [0, 0, 1]


async def test_a_drain_that_is_given_up_in_the_turn_of_the_renaming_waits_nowhere(hub, clock):
    """It was cancelled before the name changed and ends after it: nobody is blocked, and nothing is completed."""
    async with held_up() as (writer, _peer, task):
        watch(writer, "first", hub=hub)
        task.cancel()
        watch(writer, "second", hub=hub)
        await asyncio.sleep(0)
        clock.now += 2
        assert [drains(hub, name) for name in ("first", "second")] == [(1, 0, 0.0, 0), (0, 0, 0.0, 0)]


async def test_a_drain_whose_connection_breaks_is_not_completed(hub, clock):
    """The peer resets the connection: the drain that had waited before fails."""
    async with held_up() as (writer, _peer, task):
        watch(writer, "w", hub=hub)
        writer._protocol.connection_lost(ConnectionResetError())
        with pytest.raises(ConnectionResetError):
            await task
        assert drains(hub, "w") == (1, 0, 0.0, 0)
