"""Callers that were blocked before their resource was watched: they are in the standard library's own frames.

What can be seen of them is the future that each waits for. Its identity is the token of the wait: the future itself
would hold the task, and with it the resource.
"""

from __future__ import annotations

import asyncio
import weakref
from asyncio.events import _get_running_loop
from collections.abc import Callable
from contextvars import Context
from typing import Any

from bpexporter.resources.patching import guarded

Ended = Callable[[Any, bool], None]


def follow(waiter: Any, ended: Ended) -> None:
    """Call `ended` with `waiter`, and whether it was given up, just before the task that awaits it goes on.

    Where it is done already, that is at once: its task has not gone on yet.
    """
    callbacks = list(getattr(waiter, "_callbacks", None) or ())
    task = _task_of(callbacks)

    def tell(waiter: Any) -> None:
        guarded(ended, waiter, _is_given_up(waiter, task))

    if waiter.done():
        tell(waiter)
        return
    loop = waiter.get_loop()
    if loop.is_running() and loop is not _get_running_loop():  # its thread may be about to wake the task
        waiter.add_done_callback(tell, context=Context())
        return
    # Ours comes first: what the task does in its next step would otherwise count as waiting.
    for function, _context in callbacks:
        waiter.remove_done_callback(function)
    waiter.add_done_callback(tell, context=Context())
    for function, context in callbacks:
        waiter.add_done_callback(function, context=context)


def _task_of(callbacks: list[Any]) -> Callable[[], Any]:
    for function, _context in callbacks:
        task = getattr(function, "__self__", None)
        if isinstance(task, asyncio.Task):
            return weakref.ref(task)
    return lambda: None


def _is_given_up(waiter: Any, task: Callable[[], Any]) -> bool:
    # A task that was cancelled after its future was done is told so in its next step.
    return bool(waiter.cancelled() or getattr(task(), "_must_cancel", False))
