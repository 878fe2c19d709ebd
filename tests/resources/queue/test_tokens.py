"""By what a wait is known that begins anew: its caller was woken, and somebody else was faster."""

import asyncio
from collections import deque

import pytest

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.queue.instrument import QueueInstrument
from bpexporter.resources.queue.originals import KNOWN

pytestmark = pytest.mark.skipif(not KNOWN, reason="the originals wait by themselves")
SIDES = {"put": ("producers", "_putters"), "get": ("idle", "_getters")}


class Told:
    """A listener that takes notice of nothing."""

    def waited(self, *what):
        pass

    def operated(self, *what):
        pass


def ledger_of(queue):
    """The ledger of a watched queue."""
    return QueueInstrument().ledger_of(queue)


def waits(queue, side):
    """A call that has to wait."""
    return asyncio.create_task(queue.put("late") if side == "put" else queue.get())


async def overtaken(queue, side):
    """Whoever waits on this side is woken, finds that somebody else was faster, and waits again."""
    for _ in range(3):
        await asyncio.sleep(0)
    if side == "put":
        queue.get_nowait()
        queue.put_nowait("early")
    else:
        queue.put_nowait("early")
        queue.get_nowait()
    for _ in range(3):
        await asyncio.sleep(0)


def known(queue, side):
    """The tokens of the waits of this side, and the identities of the futures that they wait for."""
    stall, waiters = SIDES[side]
    futures: deque = getattr(queue, waiters)
    return set(getattr(ledger_of(queue), stall).waiting), {id(future) for future in futures}


async def made(side, hub):
    """A watched queue on which this side has to wait."""
    queue = watch(asyncio.Queue(1), "q", hub=hub)
    if side == "put":
        queue.put_nowait("first")
    return queue


async def ended(queue, side, *tasks):
    """All get what they waited for."""
    for _ in tasks:
        await (queue.get() if side == "put" else queue.put("item"))
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("side", SIDES)
async def test_it_is_one_wait_with_one_token(side):
    """The wait goes on, counted once, under the token that it had."""
    queue = await made(side, Hub())
    task = waits(queue, side)
    await asyncio.sleep(0)
    before, _ = known(queue, side)
    await overtaken(queue, side)
    after, futures = known(queue, side)
    assert before == after
    assert len(futures) == 1
    stall = getattr(ledger_of(queue), SIDES[side][0])
    assert stall.begun == 1
    await ended(queue, side, task)
    assert not stall.waiting
    unwatch(queue)


@pytest.mark.parametrize("side", SIDES)
async def test_where_somebody_listens_the_token_is_that_of_the_present_future(side):
    """A listener finds the task by what it waits for now."""
    queue = await made(side, Hub())
    ledger_of(queue).listener = Told()
    task = waits(queue, side)
    await overtaken(queue, side)
    tokens, futures = known(queue, side)
    assert tokens == futures == {id(task._fut_waiter)}
    await ended(queue, side, task)
    unwatch(queue)


@pytest.mark.parametrize("side", SIDES)
async def test_beside_callers_that_waited_before_it_is_that_of_the_present_future_too(side):
    """They are told from those that are timed by their futures, until the last of them has ended."""
    queue = asyncio.Queue(1)
    if side == "put":
        queue.put_nowait("first")
    before = waits(queue, side)
    await asyncio.sleep(0)
    watch(queue, "q", hub=Hub())
    assert len(ledger_of(queue).adopted) == 1
    after = waits(queue, side)
    for _ in range(4):
        await overtaken(queue, side)
        tokens, futures = known(queue, side)
        assert tokens == futures == {id(before._fut_waiter), id(after._fut_waiter)}
    await ended(queue, side, before, after)
    await asyncio.sleep(0)
    assert not ledger_of(queue).adopted
    assert known(queue, side) == (set(), set())
    unwatch(queue)
