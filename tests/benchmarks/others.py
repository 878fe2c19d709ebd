"""Works on semaphores and writers, and the variants of these that are compared."""

import asyncio
import importlib.util
import socket
from collections.abc import Callable
from types import ModuleType
from typing import Any

import bpexporter

# So many small writes fit into any socket's buffer; then the other end is emptied.
BATCH = 64


def pristine(name: str) -> ModuleType:
    """A copy of a module of asyncio's whose classes nobody has touched."""
    found = importlib.util.find_spec(f"asyncio.{name}")
    # A name inside of asyncio, for the sake of its relative imports.
    spec = importlib.util.spec_from_file_location(f"asyncio._pristine_{name}", found.origin)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def permits(semaphore: Any, count: int) -> None:
    """Acquire and release, with permits to spare."""
    for _ in range(count):
        await semaphore.acquire()
        semaphore.release()


class Pair:
    """A writer on one end of a real socket pair, opened in the loop that first uses it."""

    def __init__(self, streams: ModuleType, *, watched: bool) -> None:
        self.streams = streams
        self.watched = watched
        self.writer: Any = None
        self.peer: socket.socket | None = None

    async def opened(self) -> tuple[Any, socket.socket]:
        """The writer, and the other end."""
        if self.peer is None:
            ours, self.peer = socket.socketpair()
            loop, streams = asyncio.get_running_loop(), self.streams
            reader = streams.StreamReader(loop=loop)
            protocol = streams.StreamReaderProtocol(reader, loop=loop)
            transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
            self.writer = streams.StreamWriter(transport, protocol, reader, loop)
            if self.watched:
                bpexporter.watch(self.writer, "watched", hub=bpexporter.Hub())
        return self.writer, self.peer


async def writes(pair: Any, count: int) -> None:
    """Write 64 bytes and drain, never paused."""
    writer, peer = await pair.opened()
    data = b"x" * 64
    for _ in range(max(1, count // BATCH)):
        for _ in range(BATCH):
            writer.write(data)
            await writer.drain()
        peer.recv(1 << 20)


def semaphores() -> dict[str, Any]:
    """A bare, a watched and an unwatched semaphore."""
    watched = bpexporter.watch(asyncio.Semaphore(8), "watched", hub=bpexporter.Hub())
    return {"bare": pristine("locks").Semaphore(8), "watched": watched, "unwatched": asyncio.Semaphore(8)}


def writers() -> dict[str, Any]:
    """A bare, a watched and an unwatched writer."""
    return {
        "bare": Pair(pristine("streams"), watched=False),
        "watched": Pair(asyncio.streams, watched=True),
        "unwatched": Pair(asyncio.streams, watched=False),
    }


MADE: dict[str, Callable[[], dict[str, Any]]] = {"Semaphore": semaphores, "StreamWriter": writers}
