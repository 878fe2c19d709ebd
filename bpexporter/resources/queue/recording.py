"""Records of a queue's replacing methods that are off the shortest way, where a call costs nothing that counts."""

from __future__ import annotations

from asyncio.events import _get_running_loop
from collections import deque
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.numbers import as_number
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.primitives.tracers import INDEXED
from bpexporter.resources.patching import own
from bpexporter.resources.queue.adopting import landing
from bpexporter.resources.queue.ends import end_waits_of_closed_loop
from bpexporter.resources.queue.ledger import QueueLedger, present


def refuse(ledger: QueueLedger | None, count: str) -> None:
    try:
        going = present(ledger)
        if going is not None:
            setattr(going, count, getattr(going, count) + 1)
    except Exception as error:
        faults.swallow(error, "a put that was refused")


def record_put(self: Any, item: Any, ledger: QueueLedger) -> None:
    if ledger.exact:
        exactly_put(self, item, ledger)
        return
    before = ledger.depth
    depth = depth_of(self)
    waited = landing(ledger, ledger.producers) if ledger.adopted else None
    ledger.puts += 1
    if waited is not None:
        ledger.landed_put(waited)
    if depth == before:
        ledger.note_dropped()
    if depth > before and not ledger.band_floor <= depth <= ledger.fast_put_max:
        ledger.note_put(item, depth, self._maxsize, kept_as=kept_as(self, item) if ledger.wants_tracer else None)
    elif depth < ledger.band_floor:
        ledger.place(depth, self._maxsize)
    levelled(self, ledger, depth)


def levelled(self: Any, ledger: QueueLedger, depth: Any) -> None:
    if ledger.bounds_itself:
        ledger.place_itself(depth, is_full=bool(self.full()))
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
    waited = landing(ledger, ledger.idle) if ledger.adopted else None
    ledger.countdown -= 1
    if waited is not None:
        ledger.landed_get(waited)
    depth = depth_of(self)
    if depth < ledger.depth:  # else it was shown, and lies there still
        took(ledger, item, depth)
    if ledger.countdown < 0 or not ledger.is_calm(depth):
        ledger.note_get(depth, self._maxsize)
    levelled(self, ledger, depth)


def forget(waiters: deque[Any], waiter: Any) -> None:
    try:
        waiters.remove(waiter)
    except ValueError:
        pass  # it was woken, and so taken out, before


def end(ledger: QueueLedger, stall: StallClock, first: Any) -> float:
    try:
        going = present(ledger)
        if going is not None and _get_running_loop() is None:  # it is thrown away, and may have ended before
            end_waits_of_closed_loop(going, going.live_owner(), going.clock(), open_loops=set())
        return 0.0 if going is None else going.end_wait(going.stall(stall.side), first)
    except Exception as error:
        faults.swallow(error, "a wait that ended")
        return 0.0


def moved(ledger: QueueLedger, stall: StallClock, token: object) -> tuple[QueueLedger | None, object, float]:
    """Returns ledger, token and beginning under which a wait that began in `ledger` goes on; else ``None`` twice."""
    try:
        going = present(ledger)
        began = None if going is None else going.stall(stall.side).waiting.get(token)
        return (None, None, 0.0) if began is None else (going, token, began)
    except Exception as error:
        faults.swallow(error, "a wait that goes on under another name")
        return None, None, 0.0


def bound(ledger: QueueLedger) -> None:
    """The queue has just been bound to the loop that runs."""
    try:
        ledger.entry.registry.bound(ledger)
    except Exception as error:
        faults.swallow(error, "finding a loop")


def shut(self: Any, ledger: QueueLedger) -> None:
    try:
        ledger.wants_tracer = True  # no put goes the shortest way any more, which does not ask
        ledger.place(depth_of(self), self._maxsize)
    except Exception as error:
        faults.swallow(error, "shutdown")


def depth_of(queue: Any) -> Any:
    """Items waiting, asked on the thread of the queue's loop, where the host's own `qsize()` may run."""
    return max(0, as_number(queue.qsize()) or 0)


def kept_as(queue: Any, item: Any) -> Any:
    """Returns what lies in the container for `item`, which has just gone in: a pair of time and item, say."""
    container = own(queue, "_queue")
    if type(container) not in INDEXED or not container:
        return item
    last, first = container[-1], container[0]
    return next((kept for kept in (last, first) if kept is item or _holds(kept, item)), item)


def _holds(kept: Any, item: Any) -> bool:
    return type(kept) in (tuple, list) and any(part is item for part in kept)


def exactly_put(self: Any, item: Any, ledger: QueueLedger) -> None:
    waited = landing(ledger, ledger.producers) if ledger.adopted else None
    ledger.puts += 1
    if waited is not None:
        ledger.landed_put(waited)
    depth = len(self._queue)
    if ledger.band_floor < depth <= ledger.fast_put_max and self._maxsize is ledger.capacity:
        return
    if depth - 1 == ledger.fast_put_max and depth > ledger.band_floor and self._maxsize is ledger.capacity:
        ledger.rise(depth - 1)
    else:
        ledger.note_put(item, depth, self._maxsize)


def exactly_got(self: Any, item: Any, ledger: QueueLedger) -> None:
    waited = landing(ledger, ledger.idle) if ledger.adopted else None
    ledger.countdown -= 1
    if waited is not None:
        ledger.landed_get(waited)
    depth = len(self._queue)
    if ledger.starts:
        took(ledger, item, depth)
    if ledger.countdown < 0 or not ledger.fast_get_min <= depth + 1 <= ledger.fast_get_max:
        ledger.note_get(depth, self._maxsize)
    elif depth + 1 == ledger.falling_depth:
        ledger.fall()
