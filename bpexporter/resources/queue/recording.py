"""What the replacing methods of a queue record where a call costs nothing that counts: off the shortest way."""

from __future__ import annotations

from collections import deque
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.queue.ledger import QueueLedger


def refuse(ledger: QueueLedger | None, count: str) -> None:
    if ledger is not None:
        setattr(ledger, count, getattr(ledger, count) + 1)


def record_put(self: Any, item: Any, ledger: QueueLedger) -> None:
    if ledger.exact:
        exactly_put(self, item, ledger)
        return
    before = ledger.depth
    depth = depth_of(self)
    ledger.puts += 1
    if depth > before and not ledger.band_floor <= depth <= ledger.fast_put_max:
        ledger.note_put(item, depth, self._maxsize)
    elif depth < ledger.band_floor:
        ledger.place(depth, self._maxsize)
    ledger.depth = depth


def took(ledger: QueueLedger, item: Any, depth: int) -> None:
    try:
        if id(item) in ledger.starts:
            ledger.marked(item, depth)
    except Exception as error:
        faults.swallow(error, "an item that was timed")


def record_get(self: Any, item: Any, ledger: QueueLedger) -> None:
    if ledger.exact:
        exactly_got(self, item, ledger)
        return
    ledger.countdown -= 1
    depth = depth_of(self)
    took(ledger, item, depth)
    if ledger.countdown < 0 or not ledger.is_calm(depth):
        ledger.note_get(depth, self._maxsize)
    ledger.depth = depth


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


def end(ledger: QueueLedger, clock: StallClock, first: Any) -> float:
    try:
        return ledger.end_wait(clock, first)
    except Exception as error:
        faults.swallow(error, "a wait that ended")
        return 0.0


def shut(self: Any, ledger: QueueLedger) -> None:
    try:
        ledger.wants_tracer = True  # no put goes the shortest way any more, which does not ask
        ledger.place(depth_of(self), self._maxsize)
    except Exception as error:
        faults.swallow(error, "shutdown")


def depth_of(queue: Any) -> int:
    """Items waiting, asked on the thread of the queue's loop, where the host's own `qsize()` may run."""
    depth = queue.qsize()
    return max(0, depth) if isinstance(depth, int) else 0


def exactly_put(self: Any, item: Any, ledger: QueueLedger) -> None:
    ledger.puts += 1
    depth = len(self._queue)
    if ledger.band_floor < depth <= ledger.fast_put_max and self._maxsize is ledger.capacity:
        return
    if depth - 1 == ledger.fast_put_max and depth > ledger.band_floor and self._maxsize is ledger.capacity:
        ledger.rise(depth - 1)
    else:
        ledger.note_put(item, depth, self._maxsize)


def exactly_got(self: Any, item: Any, ledger: QueueLedger) -> None:
    ledger.countdown -= 1
    depth = len(self._queue)
    if ledger.starts:
        took(ledger, item, depth)
    if ledger.countdown < 0 or not ledger.fast_get_min <= depth + 1 <= ledger.fast_get_max:
        ledger.note_get(depth, self._maxsize)
    elif depth + 1 == ledger.falling_depth:
        ledger.fall()
