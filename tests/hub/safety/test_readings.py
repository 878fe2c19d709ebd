"""Readings taken while things move agree with themselves, and no total goes back."""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from threads_at_work import KINDS, Reader, giving_up, in_threads, is_ours, pipeline, read_meanwhile

from bpexporter import Hub, unwatch, watch
from bpexporter.export.text import render


@pytest.mark.parametrize("names", [["shared"] * 4, ["a", "b", "c", "d"]], ids=["shared name", "own names"])
def test_readings_agree_while_threads_run(hub, hasty, names):
    """Loops in several threads: no total goes back, waits are as many as puts and gets, and none is lost."""

    def work(kind: type[asyncio.Queue], name: str) -> Callable[[], None]:
        async def main() -> None:
            queue = watch(kind(2), name, hub=hub)
            await pipeline(queue, 400)
            await giving_up(queue, 20)

        return lambda: asyncio.run(main())

    with read_meanwhile(hub):
        in_threads([work(kind, name) for kind, name in zip(KINDS, names, strict=True)])
    gc.collect()
    queues = hub.snapshot().queues
    each = 1_202 * 4 // len(queues)
    refused = 80 // len(queues)
    for name in set(names):
        assert (queues[name].puts, queues[name].gets, queues[name].members) == (each, each, 0)
        assert queues[name].refused_puts == (refused, refused, 0)
        assert queues[name].blocked_puts >= refused


def test_readings_agree_while_queues_come_and_go(hub, hasty):
    """Queues that are watched, used, unwatched or dropped by several threads leave every total with their name."""

    def work(thread: int) -> Callable[[], None]:
        async def main() -> None:
            for number in range(60):
                queue = watch(asyncio.Queue(1), ("shared", f"own {thread}")[number % 2], hub=hub)
                await pipeline(queue, 5, 2)
                if number % 3 == 0:
                    queue.itself = queue
                elif number % 3 == 1:
                    unwatch(queue)

        return lambda: asyncio.run(main())

    with read_meanwhile(hub):
        in_threads([work(thread) for thread in range(3)])
    gc.collect()
    puts = {name: (reading.puts, reading.gets, reading.members) for name, reading in hub.snapshot().queues.items()}
    assert puts == {"shared": (900, 900, 0)} | {f"own {thread}": (300, 300, 0) for thread in range(3)}


class Ticking:
    """A clock that goes on by a millisecond whenever it is asked, so that every wait is one."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.mark.parametrize("kind", KINDS)
def test_a_reading_wherever_threads_may_change_agrees(kind):
    """At each call and after each one that our code makes for a queue, a reading finds counts and waits agree.

    Elsewhere the interpreter does not change threads, and after `len()` only before it is specialised.
    """
    hub = Hub(clock=Ticking())
    reader = Reader(hub, pages=False)

    def profile(frame: Any, event: str, arg: Any) -> None:
        if event in ("call", "c_return") and arg is not len and is_ours(frame):
            sys.setprofile(None)
            reader.once()
            sys.setprofile(profile)

    async def main() -> None:
        queue = watch(kind(2), "q", hub=hub)
        sys.setprofile(profile)
        try:
            await pipeline(queue, 20)
            await giving_up(queue, 5)
        finally:
            sys.setprofile(None)

    asyncio.run(main())
    assert reader.times > 500
    assert hub.snapshot().queues["q"].puts == 62


class HeldUp:
    """A clock at a standstill; after its nth answer the thread that asked is held up, while another reads."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.left = -1
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        answer = self.now
        self.left -= 1
        if self.left == 0:
            self.now += 1
            self.meanwhile()
        return answer


# Items and a caller that are there already, and what is then done with the queue and the caller.
STEPS: dict[str, tuple[int, str, Callable[[asyncio.Queue, asyncio.Future], Any]]] = {
    "a put into an empty queue": (0, "join", lambda queue, caller: queue.put_nowait(1)),
    "a get that empties": (1, "join", lambda queue, caller: queue.get_nowait()),
    "a put that has waited": (2, "put", lambda queue, caller: queue.get_nowait()),
    "a get that has waited": (0, "get", lambda queue, caller: queue.put_nowait(1)),
    "a put that is given up": (2, "put", lambda queue, caller: caller.cancel()),
    "a get that is given up": (0, "get", lambda queue, caller: caller.cancel()),
}


async def held_up(step: str, nth: int) -> Reader:
    """A reader that read before, at the nth answer of the clock, and after a step."""
    clock = HeldUp()
    reader = Reader(Hub(clock=clock), pages=False)
    items, waiting, act = STEPS[step]
    queue = watch(asyncio.Queue(2), "q", hub=reader.hub)
    for number in range(items):
        queue.put_nowait(number)
    caller = asyncio.ensure_future({"put": lambda: queue.put(9), "get": queue.get, "join": queue.join}[waiting]())
    await asyncio.sleep(0)
    clock.now += 10
    reader.once()
    clock.left, clock.meanwhile = nth, reader.once
    act(queue, caller)
    for _ in range(3):
        await asyncio.sleep(0)
    clock.left = -1
    reader.once()
    caller.cancel()
    return reader


@pytest.mark.parametrize("step", STEPS)
async def test_seconds_do_not_go_back_where_a_thread_is_held_up(step):
    """A thread may be held up after it has asked the clock: what is read meanwhile is not taken back."""
    for nth in range(1, 6):
        await held_up(step, nth)


def test_a_page_that_is_read_back_agrees_with_the_program(hub, hasty):
    """What prometheus_client's parser reads from the last page is what the program did."""

    async def main() -> None:
        queue = watch(asyncio.Queue(3), "q", hub=hub)
        await pipeline(queue, 200)
        with read_meanwhile(hub):
            await asyncio.to_thread(lambda: None)
            await pipeline(queue, 200)

    asyncio.run(main())
    gc.collect()
    samples = [one for family in text_string_to_metric_families(render(hub).decode()) for one in family.samples]
    value = {one.name: one.value for one in samples if one.labels == {"queue": "q"}}
    assert value["backpressure_queue_puts_total"] == value["backpressure_queue_put_wait_seconds_count"] == 1_200
    assert value["backpressure_queue_gets_total"] == value["backpressure_queue_get_wait_seconds_count"] == 1_200
