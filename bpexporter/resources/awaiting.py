"""The frames that wait for one at hand, also where they wait in another task, as in ``wait_for()`` of Python 3.11.

What a future calls when it is done leads to the task that waits for it. asyncio keeps that to itself: where
it looks different from what is known here, the way ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from types import CoroutineType, FrameType, FunctionType
from typing import Any, NamedTuple

CO_COROUTINE, CO_ASYNC_GENERATOR = 0x80, 0x200
# A task waits for a task: further up nobody knows what it is about.
MOST_TASKS = 4
# Names in asyncio's functions for the future that a callback of theirs is to set.
FUTURES = ("outer", "waiter")


class Awaiting(NamedTuple):
    """A frame that waits."""

    frame: FrameType
    alone: bool
    """True where the wait is for this alone, and not for one of several."""


class Waiter(NamedTuple):
    """A task that waits."""

    task: Any
    alone: bool


def awaiting(frame: FrameType) -> Iterator[Awaiting]:
    """The frames of the coroutines that wait for `frame`, which runs, the nearest first."""
    caller = frame.f_back
    while caller is not None and caller.f_code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR):
        yield Awaiting(caller, alone=True)
        caller = caller.f_back
    waiter: Waiter | None = Waiter(asyncio.current_task(), alone=True)
    for _ in range(MOST_TASKS):
        waiter = waiter_for(waiter.task, alone=waiter.alone) if waiter is not None else None
        if waiter is not None:
            frames = reversed(list(suspended_frames(waiter.task.get_coro())))
            yield from (Awaiting(one, waiter.alone) for one in frames)


def suspended_frames(coroutine: object) -> Iterator[FrameType]:
    """The frames of `coroutine` and of those in which it waits."""
    while type(coroutine) is CoroutineType:
        if coroutine.cr_frame is not None:
            yield coroutine.cr_frame
        coroutine = coroutine.cr_await


def waiter_for(future: object, *, alone: bool) -> Waiter | None:
    """The task that waits for `future`, directly or through one more future; ``None`` where none is found."""
    for callback, *_ in getattr(future, "_callbacks", None) or ():
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.TaskGroup):
            parent = vars(owner).get("_parent_task")
            return None if parent is None else Waiter(parent, alone=False)
        if isinstance(owner, asyncio.Task):
            return Waiter(owner, alone)
        for further in held_by(callback):
            if asyncio.isfuture(further) and further is not future:
                passed_on = type(callback) is partial or callback.__qualname__.startswith("shield.")
                return waiter_for(further, alone=alone and passed_on)
    return None


def held_by(callback: object) -> tuple[Any, ...]:
    """Returns the future that `wait_for()`, `shield()`, `gather()` and `wait()` give a callback to go on with."""
    if type(callback) is partial:
        return callback.args
    if type(callback) is FunctionType and callback.__module__ == "asyncio.tasks":
        cells = zip(callback.__code__.co_freevars, callback.__closure__ or (), strict=False)
        return tuple(cell.cell_contents for name, cell in cells if name in FUTURES)
    return ()
