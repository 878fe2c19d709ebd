"""What the replacing methods of a queue record where a call costs nothing that counts: off the shortest way."""

from __future__ import annotations

from collections import deque
from typing import Any

from bpexporter.clocks import StallClock
from bpexporter.faults import faults
from bpexporter.ledgers.queue import QueueLedger


def refuse(ledger: QueueLedger | None, count: str) -> None:
    if ledger is not None:
        setattr(ledger, count, getattr(ledger, count) + 1)


def record_put(self: Any, item: Any, ledger: QueueLedger) -> None:
    before = ledger.depth
    depth = depth_of(self)
    ledger.puts += 1
    ledger.depth = depth
    if depth > before and not ledger.lower <= depth < ledger.upper:
        ledger.note_put(item, depth, self._maxsize)
    elif not ledger.lower <= depth:
        ledger.place(depth, self._maxsize)


def record_get(self: Any, item: Any, ledger: QueueLedger) -> None:
    ledger.gets += 1
    depth = depth_of(self)
    ledger.depth = depth
    if not depth:
        ledger.mark = ledger.mark if ledger.mark == id(item) else None
    if ledger.mark == id(item):
        ledger.marked(depth)
    if ledger.gets >= ledger.alarm or not ledger.lower <= depth < ledger.ceiling:
        ledger.note_get(depth, self._maxsize)


def forget(waiters: deque[Any], waiter: Any) -> None:
    try:
        waiters.remove(waiter)
    except ValueError:
        pass  # it was woken, and so taken out, before


def wait_on(clock: StallClock, before: Any, now: Any) -> Any:
    try:
        clock.replace(before, now)
    except Exception as error:
        faults.swallow(error, "a wait that goes on")
    return now


def end(ledger: QueueLedger, clock: StallClock, first: Any) -> None:
    try:
        clock.end(first, ledger.clock())
    except Exception as error:
        faults.swallow(error, "a wait that was given up")


def place_again(self: Any, ledger: QueueLedger) -> None:
    try:
        ledger.place(depth_of(self), self._maxsize)
    except Exception as error:
        faults.swallow(error, "shutdown")


def depth_of(queue: Any) -> int:
    """Items waiting, asked on the thread of the queue's loop, where the host's own `qsize()` may run."""
    depth = queue.qsize()
    return depth if isinstance(depth, int) else 0
