"""Callers that were blocked before their queue was watched: they are in the standard library's own frames.

What can be seen of them is the future that each waits for. Its identity is the token of the wait: the future itself
would hold the task, and with it the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.originals import KNOWN


def adopt(queue: Any, ledger: QueueLedger) -> None:
    """Time the callers that wait already, from now on."""
    for waiters, stall, finish in (
        (queue._putters, ledger.producers, _adopted_put),
        (queue._getters, ledger.idle, _adopted_get),
    ):
        for waiter in list(waiters):
            if not waiter.done():
                ledger.begin_wait(stall, id(waiter))
                _follow(waiter, finish, ledger)


def _follow(waiter: Any, finish: Callable[[QueueLedger, Any], None], ledger: QueueLedger) -> None:
    ledger.adopted += 1
    waiter.add_done_callback(partial(_finish, finish, ledger), context=Context())


def _finish(finish: Callable[[QueueLedger, Any], None], ledger: QueueLedger, waiter: Any) -> None:
    try:
        finish(ledger, waiter)
    except Exception as error:
        faults.swallow(error, "a caller that waited before")
    ledger.adopted -= 1


def _adopted_put(ledger: QueueLedger, waiter: Any) -> None:
    if waiter.cancelled():
        ledger.end_wait(ledger.producers, id(waiter))
        ledger.refused_cancelled += 1
    elif not _goes_on(ledger, waiter, "_putters", ledger.producers, _adopted_put):
        waited = ledger.end_wait(ledger.producers, id(waiter))
        queue = ledger.owner() if ledger.owner is not None else None
        if queue is not None and getattr(queue, "_is_shutdown", False):
            ledger.refused_shutdown += bool(queue.full())  # else put_nowait() has counted it
        elif ledger.put_waits.fed() < ledger.puts:  # else it was woken and given up in the same turn
            ledger.landed_put(waited)


def _adopted_get(ledger: QueueLedger, waiter: Any) -> None:
    if waiter.cancelled():
        ledger.end_wait(ledger.idle, id(waiter))
    elif not _goes_on(ledger, waiter, "_getters", ledger.idle, _adopted_get):
        waited = ledger.end_wait(ledger.idle, id(waiter))
        if ledger.get_waits.fed() < ledger.gets:
            ledger.landed_get(waited)


def _goes_on(ledger: QueueLedger, waiter: Any, side: str, clock: StallClock, finish: Any) -> bool:
    """Whether the caller was woken but found no place, and waits again with a future that nobody timed."""
    if not KNOWN:
        return False  # there the futures of calls that are timed are not known either
    queue = ledger.owner() if ledger.owner is not None else None
    unknown = (other for other in list(getattr(queue, side, ())) if id(other) not in clock.waiting and not other.done())
    successor = next(unknown, None)
    if successor is None:
        return False
    clock.replace(id(waiter), id(successor))
    _follow(successor, finish, ledger)
    return True
