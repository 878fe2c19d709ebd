"""Watches queues of libraries: what all of them share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from bpexporter.adapters.ledgers import drop, keep, ledger_of
from bpexporter.adapters.limiters import part_of
from bpexporter.adapters.replacing import Replacements
from bpexporter.adapters.shape import Sort
from bpexporter.resources.protocols import Instrument
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import FIFO, Levels
from bpexporter.resources.queue.metrics import QueueReading
from bpexporter.resources.queue.reading import read


class QueueInstrument(Instrument[QueueLedger, QueueReading]):
    """Watches the queues of one sort."""

    kind = "queue"
    clocks = (("put", "producers"), ("get", "idle"))

    def __init__(self, sort: Sort) -> None:
        self.sort = sort
        self.replaced = Replacements()

    @abstractmethod
    def install(self) -> None:
        """Put the methods in that record."""

    @abstractmethod
    def levels_of(self, queue: Any) -> Levels:
        """Returns the present levels of a queue; runs none of the host's code."""

    def order_of(self, queue: Any) -> int:
        """Returns the order in which it gives its items out."""
        return FIFO

    def adopt(self, queue: Any, ledger: QueueLedger) -> None:
        """Go on with the callers that wait in `queue` already."""

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        self.replaced.undo()

    def owner_of(self, queue: Any) -> Any:
        """Returns the object behind `queue`."""
        return part_of(self.sort, queue)

    def ledger_of(self, queue: Any) -> QueueLedger | None:
        """The ledger of `queue`, ``None`` where it is not watched."""
        ledger = ledger_of(self.owner_of(queue))
        return ledger if isinstance(ledger, QueueLedger) else None

    def attach(self, queue: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> QueueLedger:
        """Give `queue` a ledger, and go on with those that wait at it already."""
        if not self.replaced:
            self.install()
        behind = self.owner_of(queue)
        ledger = QueueLedger(
            order=self.order_of(behind), visible=True, bounds=bounds, clock=clock, levels=self.levels_of(behind)
        )
        keep(behind, ledger)
        self.adopt(behind, ledger)
        return ledger

    def join(self, queue: Any, ledger: QueueLedger) -> None:
        """`queue` stands for what is recorded already."""

    def detach(self, queue: Any) -> None:
        """Take the ledger from `queue`."""
        drop(self.owner_of(queue))

    def read(self, ledger: QueueLedger, now: float) -> QueueReading:
        """A reading of the queue at `now`; runs none of the host's code."""
        queue = ledger.live_owner()
        return read(ledger, None if queue is None else self.levels_of(queue), now)

    def close(self, ledger: QueueLedger, now: float) -> QueueReading:
        """The totals of a queue that is gone or no longer watched."""
        self.end_waits(ledger, now)
        return read(ledger, None, now)

    def end_waits(self, ledger: QueueLedger, now: float) -> None:
        """Nobody waits any more."""
        for stall in (ledger.producers, ledger.idle):
            stall.end_all(now)

    def peak(self, ledger: QueueLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        capacity = ledger.capacity_items
        level = max(ledger.left_level(), ledger.peaks.read(now))
        return min(1.0, level / capacity) if capacity and not math.isinf(capacity) else None

    def restart(self, ledger: QueueLedger, now: float) -> None:
        """Count from zero."""
        queue = ledger.live_owner()
        if queue is not None:
            ledger.restart(bounds=ledger.put_waits.bounds, levels=self.levels_of(queue))

    def stalled_seconds(self, ledger: QueueLedger, now: float) -> float:
        """Wall seconds with a blocked producer so far."""
        return ledger.producers.read(now).stalled_seconds


# Counting, on the thread that has put or got ------------------------------------------------------------------


def count_put(ledger: QueueLedger, item: object, depth: int, maxsize: Any) -> None:
    """A put has left so many items."""
    ledger.puts += 1
    if ledger.band_floor < depth <= ledger.fast_put_max and maxsize is ledger.capacity:
        return
    if depth - 1 == ledger.fast_put_max and depth > ledger.band_floor and maxsize is ledger.capacity:
        ledger.rise(depth - 1)
    else:
        ledger.note_put(item, depth, maxsize)


def count_get(ledger: QueueLedger, item: object, depth: int, maxsize: Any) -> None:
    """A get has left so many items."""
    ledger.countdown -= 1
    if ledger.starts and id(item) in ledger.starts:
        ledger.marked(item, depth)
    if ledger.countdown < 0 or not ledger.fast_get_min <= depth + 1 <= ledger.fast_get_max:
        ledger.note_get(depth, maxsize)
    elif depth + 1 == ledger.falling_depth:
        ledger.fall()
