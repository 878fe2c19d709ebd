"""By what a wait is known, which may be a long one: its caller is woken, and somebody else was faster."""

import asyncio

import pytest

from bpexporter import Hub, unwatch, watch
from bpexporter.resources.queue.instrument import QueueInstrument

SIDES = {"put": "producers", "get": "idle"}


def ledger_of(queue):
    """The ledger of a watched queue."""
    return QueueInstrument().ledger_of(queue)


def call(queue, side):
    """A call that has to wait."""
    return queue.put("late") if side == "put" else queue.get()


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


def tokens(queue, side):
    """The tokens of the waits of this side."""
    return set(getattr(ledger_of(queue), SIDES[side]).waiting)


def made(side):
    """A queue on which this side has to wait."""
    queue = asyncio.Queue(1)
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
    """The wait goes on, counted once, under the identity of its task."""
    queue = watch(made(side), "q", hub=Hub())
    task = asyncio.create_task(call(queue, side))
    for _ in range(3):
        await overtaken(queue, side)
        assert tokens(queue, side) == {id(task)}
    assert getattr(ledger_of(queue), SIDES[side]).begun == 1
    await ended(queue, side, task)
    assert tokens(queue, side) == set()
    unwatch(queue)


@pytest.mark.parametrize("side", SIDES)
async def test_callers_that_waited_before_are_known_by_their_task_too(side):
    """They keep apart from those that came later, however often both are overtaken."""
    queue = made(side)
    before = asyncio.create_task(call(queue, side))
    await asyncio.sleep(0)
    watch(queue, "q", hub=Hub())
    assert len(ledger_of(queue).adopted) == 1
    after = asyncio.create_task(call(queue, side))
    for _ in range(4):
        await overtaken(queue, side)
        assert tokens(queue, side) == {id(before), id(after)}
    await ended(queue, side, before, after)
    await asyncio.sleep(0)
    assert not ledger_of(queue).adopted
    assert tokens(queue, side) == set()
    unwatch(queue)


@pytest.mark.parametrize("side", SIDES)
async def test_two_waits_that_one_task_drives_by_hand_are_two(side):
    """Each counts by itself, and one may end before the other."""
    hub = Hub()
    queue = watch(made(side), "q", hub=hub)
    one, two = call(queue, side), call(queue, side)
    one.send(None)
    two.send(None)
    assert len(tokens(queue, side)) == 2
    one.close()
    assert len(tokens(queue, side)) == 1
    two.close()
    assert tokens(queue, side) == set()
    assert getattr(ledger_of(queue), SIDES[side]).begun == 2
    unwatch(queue)
