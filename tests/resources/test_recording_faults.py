"""An error of ours reaches no application, whichever line of the recording code it comes from."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bpexporter import Hub, unwatch, watch
from bpexporter.faults import faults

RECORDING = (
    *(f"primitives/{name}.py" for name in ("stall_clock", "bands", "peaks", "tracers", "histogram")),
    *(f"resources/{kind}/ledger.py" for kind in ("queue", "limiter", "stream")),
    *("resources/queue/reading.py", "resources/stream/instrument.py", "resources/stream/reading.py"),
)


class Injected(Exception):
    """What the test raises inside the recording code."""


class Hooked(asyncio.Queue):
    """A subclass with a hook of its own."""

    def _put(self, item):
        super()._put(item)


async def give_up(waiting: Any, seen: list) -> None:
    """Wait for a turn of the loop, and no longer."""
    task = asyncio.create_task(waiting)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    seen.append(task.cancelled())


async def queueing(queue: asyncio.Queue) -> list:
    """Everything that a queue does: waits on both sides, refusals, waits that are given up."""
    seen: list = []

    async def produce():
        for number in range(8):
            await queue.put(number)
            seen.append(("put", number))

    async def consume():
        for _ in range(8):
            seen.append(("got", await queue.get()))
            await asyncio.sleep(0)

    await asyncio.gather(produce(), consume())
    await give_up(queue.get(), seen)
    for number in range(5):
        try:
            queue.put_nowait(number)
        except asyncio.QueueFull:
            seen.append("full")
    await give_up(queue.put(9), seen)
    while queue.qsize():
        seen.append(queue.get_nowait())
    return seen


async def limiting(semaphore: asyncio.Semaphore) -> list:
    """Everything that a semaphore does: permits that are free, waits, waits that are given up."""
    seen: list = []

    async def work(number):
        async with semaphore:
            seen.append(("in", number))
            await asyncio.sleep(0)
        seen.append(("out", number))

    await asyncio.gather(*(work(number) for number in range(7)))
    seen += [await semaphore.acquire() for _ in range(3)]
    await give_up(semaphore.acquire(), seen)
    for _ in range(4):
        semaphore.release()
    return [*seen, semaphore.locked()]


async def streaming(writer: asyncio.StreamWriter) -> list:
    """Everything that a writer does: writes, drains that wait, that are given up, and that fail at the end."""
    seen: list = []
    peer: socket.socket = writer.peer  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()

    async def fill():
        while not writer._protocol._paused:
            writer.write(bytes(65_536))
        seen.append("paused")

    async def empty():
        while writer._protocol._paused:
            await loop.sock_recv(peer, 1 << 20)
        seen.append("resumed")

    writer.write(b"x")
    writer.writelines([b"y", bytearray(b"z")])
    await writer.drain()
    await fill()
    await give_up(writer.drain(), seen)
    await asyncio.gather(writer.drain(), empty())
    await fill()
    last = asyncio.create_task(writer.drain())
    await asyncio.sleep(0)
    writer.transport.abort()
    await asyncio.wait([last])
    return [*seen, type(last.exception()).__name__]


async def writer_of_a_pair() -> asyncio.StreamWriter:
    """A writer, and the other end of its socket as `peer`."""
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    _, writer = await asyncio.open_connection(sock=ours)
    writer.peer = peer  # type: ignore[attr-defined]
    return writer


async def made(kind: Callable[[int], Any]) -> Any:
    """A queue of three places, or a semaphore of three permits."""
    return kind(3)


APPLICATIONS: dict[str, tuple[Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[list]]]] = {
    **{
        kind.__name__: (lambda kind=kind: made(kind), queueing)
        for kind in (asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, Hooked)
    },
    **{
        kind.__name__: (lambda kind=kind: made(kind), limiting)
        for kind in (asyncio.Semaphore, type("Own", (asyncio.Semaphore,), {}))
    },
    "StreamWriter": (writer_of_a_pair, streaming),
}


class Saboteur:
    """A trace function that raises once, at the nth line executed in the recording code."""

    def __init__(self, nth: int) -> None:
        self.nth = nth
        self.lines = 0

    def calls(self, frame, event, arg):
        """Trace the lines of the recording code alone."""
        name = frame.f_code.co_filename
        return self.traced if "bpexporter" in name and name.endswith(RECORDING) else None

    def traced(self, frame, event, arg):
        """Count lines, and raise at the nth."""
        if event == "line":
            self.lines += 1
            if self.lines == self.nth:
                raise Injected(f"{frame.f_code.co_name}:{frame.f_lineno}")
        return self.traced


def run(kind: str, nth: int) -> tuple[list, int]:
    """What the application saw with an error at the nth line, and how many lines there were."""
    saboteur = Saboteur(nth)

    async def main():
        make, application = APPLICATIONS[kind]
        watched = watch(await make(), "q", hub=Hub())
        before = sys.gettrace()
        sys.settrace(saboteur.calls)
        try:
            return await application(watched)
        finally:
            sys.settrace(before)
            unwatch(watched)
            if hasattr(watched, "peer"):
                watched.peer.close()

    return asyncio.run(main()), saboteur.lines


@pytest.mark.parametrize("kind", APPLICATIONS)
def test_no_line_reaches_the_application(kind, monkeypatch):
    """The application sees the same with an error at each line that records, and each error is counted."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")
    undisturbed, lines = run(kind, -1)
    assert lines > 50
    before = faults.count
    assert [nth for nth in range(1, lines + 1) if run(kind, nth)[0] != undisturbed] == []
    assert faults.count - before >= lines * 0.9


def test_errors_raise_where_that_is_asked_for(monkeypatch):
    """With BPEXPORTER_RAISE=1 an error of ours raises."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "1")
    with pytest.raises(Injected):
        run("Queue", 1)
