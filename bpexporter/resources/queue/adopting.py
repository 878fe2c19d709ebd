"""Callers whose wait began in another frame than one that knows this ledger.

They were blocked before their queue was watched, so they are in frames of the standard library's, or of ours that know
no ledger. The token of such a wait is the identity of its task, or where none is found of its future: the
task itself would hold the queue. Its end is seen in the step of its put or get: the coroutine that waits is the one
that runs.
"""

from __future__ import annotations

import asyncio
import weakref
from contextvars import Context
from functools import partial
from types import CoroutineType, GeneratorType
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.queue.ledger import QueueLedger, present
from bpexporter.resources.queue.waits import Adopted

WAITING_METHODS = ("put", "get")


def adopt(queue: Any, ledger: QueueLedger) -> None:
    """Time the callers that wait already, from now on; those that go on from another ledger know of it themselves."""
    for waiters, stall in ((queue._putters, ledger.producers), (queue._getters, ledger.idle)):
        for waiter in list(waiters):
            task = task_of(waiter)
            token = id(waiter if task is None else task)
            if not waiter.done() and token not in stall.waiting:
                ledger.begin_wait(stall, token)
                _follow(ledger, stall, waiter, task, token)


def _follow(ledger: QueueLedger, stall: StallClock, waiter: Any, task: Any, token: int) -> None:
    coroutine = _innermost(task)
    if coroutine is not None:
        ledger.adopted = {**ledger.adopted, id(task): Adopted(stall.side, token, weakref.ref(coroutine))}
        ledger.look_at_each()
    waiter.add_done_callback(partial(_stepped, ledger, stall.side, id(task), token), context=Context())


def task_of(waiter: Any) -> Any:
    """The task that awaits `waiter`, ``None`` where none is found."""
    callbacks = getattr(waiter, "_callbacks", None) or ()
    owners = (getattr(callback, "__self__", None) for callback, _context in callbacks)
    return next((owner for owner in owners if isinstance(owner, asyncio.Task)), None)


def _innermost(task: Any) -> Any:
    """The coroutine of `Queue.put` or `Queue.get` in which `task` waits, ``None`` where it is in none."""
    running = task.get_coro() if task is not None else None
    for _ in range(1_000):
        if isinstance(running, CoroutineType):
            inner = running.cr_await
        elif isinstance(running, GeneratorType):
            inner = running.gi_yieldfrom
        else:
            return None
        if not isinstance(inner, (CoroutineType, GeneratorType)):
            break
        running = inner
    named = isinstance(running, CoroutineType) and running.cr_code.co_name in WAITING_METHODS
    return running if named else None


def landing(ledger: QueueLedger, stall: StallClock) -> float | None:
    """Called by each put or get while there are such callers: the seconds that this one has waited, if it is one."""
    try:
        caller = id(asyncio.current_task())
        adopted = ledger.adopted.get(caller)
        coroutine = adopted.coroutine() if adopted is not None and adopted.side == stall.side else None
        if adopted is None or coroutine is None or not coroutine.cr_running:
            return None
        del ledger.adopted[caller]
        if adopted.token not in stall.waiting:
            return None
        waited = ledger.end_wait(stall, adopted.token)
        ledger.lands(stall, waited)
        return waited
    except RuntimeError:  # no loop runs
        return None
    except Exception as error:
        faults.swallow(error, "a caller that waited before")
        return None


def _stepped(ledger: QueueLedger, side: str, task: int, token: int, waiter: Any) -> None:
    """The caller that awaited `waiter` has made its step."""
    try:
        going = present(ledger)
        if going is not None and token in going.stall(side).waiting:
            _settle(going, going.stall(side), task, token, waiter)
        elif going is not None:
            going.adopted.pop(task, None)
    except Exception as error:
        faults.swallow(error, "a caller that waited before")


def _settle(ledger: QueueLedger, stall: StallClock, task: int, token: int, waiter: Any) -> None:
    """It has not landed: it was given up, or refused, or found no place and waits again with another future."""
    queue = ledger.owner() if ledger.owner is not None else None
    successor = None if waiter.cancelled() or queue is None else _successor(queue, stall, task)
    if successor is not None:
        if token == id(waiter):
            stall.replace(token, id(successor))
            token = id(successor)
        _follow(ledger, stall, successor, task_of(successor), token)
        return
    known = ledger.adopted.pop(task, None) is not None
    waited = ledger.end_wait(stall, token)
    if not known and not waiter.cancelled() and ledger.unsettled(stall):
        ledger.landed(stall, waited)  # driven by no task that could be found: its put or get was not told from others
    elif stall.side == "put":
        _refuse(ledger, queue, waiter)


def _refuse(ledger: QueueLedger, queue: Any, waiter: Any) -> None:
    if not waiter.cancelled() and getattr(queue, "_is_shutdown", False):
        ledger.refused_shutdown += bool(queue.full())  # else put_nowait() has counted it
    else:
        ledger.refused_cancelled += 1


def _successor(queue: Any, stall: StallClock, task: int) -> Any:
    waiters = queue._putters if stall.side == "put" else queue._getters
    return next((other for other in list(waiters) if not other.done() and id(task_of(other)) == task), None)
