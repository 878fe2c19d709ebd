"""Put and get of a watched queue in every case but the most frequent one.

Here are other orders than first in, first out, refusals, and whatever there is to time besides a band, for exactly
`Queue`, `PriorityQueue` and `LifoQueue`. For others see `hooked`.
"""

from __future__ import annotations

from asyncio import QueueEmpty, QueueFull
from heapq import heappop, heappush
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, QueueShutDown
from bpexporter.resources.queue.recording import exactly_got, exactly_put, refuse, took


def put_other(self: Any, item: Any, ledger: QueueLedger) -> None:
    """A put into a stack or a heap."""
    queue = self._queue
    depth = len(queue)
    if depth > ledger.fast_put_max or depth < ledger.band_floor or self._maxsize is not ledger.capacity:
        put_any(self, item, ledger)
        return
    if ledger.heap:
        heappush(queue, item)
    else:
        queue.append(item)
    unfinished = self._unfinished_tasks
    if not unfinished:
        self._finished.clear()
    self._unfinished_tasks = unfinished + 1
    if self._getters:
        self._wakeup_next(self._getters)
    ledger.puts += 1
    if depth == ledger.fast_put_max:
        try:
            ledger.rise(depth)
        except Exception as error:
            faults.swallow(error, "put_nowait")


def get_other(self: Any, ledger: QueueLedger) -> Any:
    """A get from a stack or a heap."""
    queue = self._queue
    depth = len(queue)
    left = ledger.countdown
    if depth < ledger.fast_get_min or depth > ledger.fast_get_max or not left:
        return get_any(self, ledger)
    item = heappop(queue) if ledger.heap else queue.pop()
    ledger.countdown = left - 1
    if ledger.starts and id(item) in ledger.starts:
        took(ledger, item, depth - 1)
    if depth == ledger.falling_depth:
        try:
            ledger.fall()
        except Exception as error:
            faults.swallow(error, "get_nowait")
    if self._putters:
        self._wakeup_next(self._putters)
    return item


def put_any(self: Any, item: Any, ledger: QueueLedger) -> None:
    if HAS_SHUTDOWN and self._is_shutdown:
        refuse(ledger, "refused_shutdown")
        raise QueueShutDown
    if 0 < self._maxsize <= len(self._queue):
        refuse(ledger, "refused_full")
        raise QueueFull
    if ledger.heap:
        heappush(self._queue, item)
    else:
        self._queue.append(item)
    unfinished = self._unfinished_tasks
    if not unfinished:
        self._finished.clear()
    self._unfinished_tasks = unfinished + 1
    if self._getters:
        self._wakeup_next(self._getters)
    try:
        exactly_put(self, item, ledger)
    except Exception as error:
        faults.swallow(error, "put_nowait")


def get_any(self: Any, ledger: QueueLedger) -> Any:
    if not self._queue:
        raise QueueShutDown if HAS_SHUTDOWN and self._is_shutdown else QueueEmpty
    if ledger.heap:
        item = heappop(self._queue)
    elif ledger.fifo:
        item = self._queue.popleft()
    else:
        item = self._queue.pop()
    if self._putters:
        self._wakeup_next(self._putters)
    try:
        exactly_got(self, item, ledger)
    except Exception as error:
        faults.swallow(error, "get_nowait")
    return item
