"""Put and get of a watched queue that has a behaviour of its own, such as a subclass with a `_put` or `_get`.

Whatever the standard library's method would call is called, in the same order.
"""

from __future__ import annotations

from asyncio import QueueEmpty, QueueFull
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, QueueShutDown
from bpexporter.resources.queue.recording import depth_of, record_get, record_put, refuse


def put_hooked(self: Any, item: Any, ledger: QueueLedger) -> None:
    if HAS_SHUTDOWN and self._is_shutdown:
        refuse(ledger, "refused_shutdown")
        raise QueueShutDown
    if self.full():
        refuse(ledger, "refused_full")
        raise QueueFull
    self._put(item)
    unfinished = self._unfinished_tasks
    if not unfinished:
        self._finished.clear()
    self._unfinished_tasks = unfinished + 1
    if self._getters:
        self._wakeup_next(self._getters)
    try:
        depth = len(self._queue) if ledger.visible else depth_of(self)
        if ledger.bounds_itself:
            record_put(self, item, ledger)
        elif ledger.band_floor <= depth <= ledger.fast_put_max:
            ledger.puts += 1
            ledger.depth = depth
        elif ledger.band_floor < depth and ledger.depth == ledger.fast_put_max == depth - 1:
            ledger.puts += 1
            ledger.rise(depth - 1)
            ledger.depth = depth
        else:
            record_put(self, item, ledger)
    except Exception as error:
        faults.swallow(error, "put_nowait")


def get_hooked(self: Any, ledger: QueueLedger) -> Any:
    if self.empty():
        raise QueueShutDown if HAS_SHUTDOWN and self._is_shutdown else QueueEmpty
    item = self._get()
    if self._putters:
        self._wakeup_next(self._putters)
    try:
        depth = len(self._queue) if ledger.visible else depth_of(self)
        left = ledger.countdown
        if ledger.bounds_itself or not left or depth >= ledger.fast_get_max or id(item) in ledger.starts:
            record_get(self, item, ledger)
        elif depth >= ledger.band_floor:
            ledger.countdown = left - 1
            ledger.depth = depth
        elif depth + 1 == ledger.falling_depth:
            ledger.countdown = left - 1
            ledger.fall()
            ledger.depth = depth
        else:
            record_get(self, item, ledger)
    except Exception as error:
        faults.swallow(error, "get_nowait")
    return item
