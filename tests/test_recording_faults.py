"""An error of ours reaches no application, whichever line of the recording code it comes from."""

import asyncio
import sys

import pytest

from bpexporter import Hub, unwatch, watch
from bpexporter.faults import faults

RECORDING = ("ledgers/queue.py", "clocks.py", "histogram.py")


class Injected(Exception):
    """What the test raises inside the recording code."""


class Hooked(asyncio.Queue):
    """A subclass with a hook of its own."""

    def _put(self, item):
        super()._put(item)


async def application(queue: asyncio.Queue) -> list:
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

    async def give_up(waiting):
        task = asyncio.create_task(waiting)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        seen.append(task.cancelled())

    await asyncio.gather(produce(), consume())
    await give_up(queue.get())
    for number in range(5):
        try:
            queue.put_nowait(number)
        except asyncio.QueueFull:
            seen.append("full")
    await give_up(queue.put(9))
    while queue.qsize():
        seen.append(queue.get_nowait())
    return seen


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


def run(kind: type[asyncio.Queue], nth: int) -> tuple[list, int]:
    """What the application saw with an error at the nth line, and how many lines there were."""
    saboteur = Saboteur(nth)

    async def main():
        queue = watch(kind(3), "q", hub=Hub())
        before = sys.gettrace()
        sys.settrace(saboteur.calls)
        try:
            return await application(queue)
        finally:
            sys.settrace(before)
            unwatch(queue)

    return asyncio.run(main()), saboteur.lines


@pytest.mark.parametrize("kind", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, Hooked])
def test_no_line_reaches_the_application(kind, monkeypatch):
    """The application sees the same with an error at each line that records, and each error is counted."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "0")
    undisturbed, lines = run(kind, -1)
    assert lines > 100
    before = faults.count
    assert [nth for nth in range(1, lines + 1) if run(kind, nth)[0] != undisturbed] == []
    assert faults.count - before >= lines * 0.9


def test_errors_raise_where_that_is_asked_for(monkeypatch):
    """With BPEXPORTER_RAISE=1 an error of ours raises."""
    monkeypatch.setenv("BPEXPORTER_RAISE", "1")
    with pytest.raises(Injected):
        run(asyncio.Queue, 1)
