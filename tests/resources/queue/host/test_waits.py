"""Callers that wait wake as ever, whenever the watching begins and ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fake_clock import Clock
from side_by_side import PRISTINE, Op, Play, play
from watched_hosts import counts

from bpexporter import unwatch, watch

CROWD: list[Op] = [("put", 0), ("turn", 1)] * 5  # one goes in, four wait
EMPTYING: list[Op] = [("get_nowait",), ("put_nowait", 1), ("turn", 1), ("cancel", 1), ("turn", 2)] * 5
HUNGRY: list[Op] = [*[("get",)] * 5, ("turn", 2), ("put_nowait", 2), ("put_nowait", 1), ("cancel", 3), ("turn", 3)]
ACTS = [CROWD, [*EMPTYING, *HUNGRY], [("put", 3), ("put", 4), ("turn", 3), *EMPTYING, ("turn", 5)]]


def crowd(module: Any, kind: str, changes: list[Callable[[asyncio.Queue], Any]]) -> Any:
    """The trace of several blocked producers and consumers, with a change before each act."""
    clock = Clock()

    async def main() -> list[Any]:
        game = Play(getattr(module, kind), 1, clock)
        for act, change in zip(ACTS, changes, strict=True):
            change(game.queue)
            await game.run(act)
        await game.settle()
        await game.end()
        return game.trace

    return play(main(), clock)


@pytest.mark.parametrize("on", range(3))
@pytest.mark.parametrize("off", range(1, 4))
@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue", "LifoQueue"])
def test_callers_wake_in_the_same_order(hub, kind, on, off):
    """With several blocked on either side, each wakes in the turn that a bare queue wakes it in.

    Whether they were blocked before watch(), between, or at unwatch().
    """

    def change(act: int) -> Callable[[asyncio.Queue], Any]:
        if act == on:
            return lambda queue: watch(queue, "q", hub=hub)
        return unwatch if act == off else lambda queue: None

    bare = crowd(PRISTINE, kind, [lambda queue: None] * 3)
    assert crowd(asyncio, kind, [change(act) for act in range(3)]) == bare
    assert len(bare[0]) > 50


async def test_callers_blocked_before_and_at_the_end_are_told_the_truth_of(hub):
    """Who is blocked already when watch() comes is counted; who is still blocked at unwatch() goes on."""
    queue = asyncio.Queue(1)
    queue.put_nowait(0)
    putters = [asyncio.create_task(queue.put(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    watch(queue, "q", hub=hub)
    assert hub.snapshot().queues["q"].blocked_producers == 2
    assert await queue.get() == 0
    await asyncio.wait([putters[0]])
    reading = hub.snapshot().queues["q"]
    assert (reading.blocked_producers, reading.puts, reading.put_wait_seconds.total) == (1, 1, 1)
    unwatch(queue)
    reading = hub.snapshot().queues["q"]
    assert (reading.members, reading.blocked_producers, reading.puts) == (0, 0, 1)
    assert [await queue.get(), await queue.get()] == [1, 2]
    await asyncio.wait([putters[1]])
    assert counts(hub) == (1, 1)
    assert not queue._putters
