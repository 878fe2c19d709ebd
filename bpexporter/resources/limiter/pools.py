"""Watches queues that hand out what is given back, such as connections: limiters.

A queue of things to use reads as the opposite of a queue of work: who waits for a thing is held up, and full is idle.
What is counted is what is counted of any queue; it is read the other way round.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from bpexporter.resources.kinds import QUEUE, instrument_of
from bpexporter.resources.limiter.metrics import LimiterReading
from bpexporter.resources.protocols import Instrument


class PoolInstrument(Instrument[Any, LimiterReading]):
    """Watches `asyncio.Queue` and its subclasses as limiters: a permit is what the queue hands out."""

    kind = "limiter"
    clocks = (("acquire", "idle"),)
    directions = MappingProxyType({"get": "acquire", "put": ""})  # who gives back waits for nothing

    def __init__(self) -> None:
        self._queues = instrument_of(QUEUE)
        # The most that each pool had to hand out, by its ledger: the capacity of one that has no maxsize.
        self._most: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def ledger_of(self, pool: Any) -> Any:
        """The ledger of `pool`, ``None`` where it is not watched."""
        return self._queues.ledger_of(pool)

    def attach(self, pool: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> Any:
        """Give `pool` a ledger and go on with the callers that wait in it already."""
        return self._queues.attach(pool, bounds=bounds, clock=clock)

    def replace(self, pool: Any, former: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> Any:
        """Give `pool`, whose `former` ledger is retired, another one that begins at zero."""
        return self._queues.replace(pool, former, bounds=bounds, clock=clock)

    def detach(self, pool: Any) -> None:
        """Take the ledger from `pool`."""
        self._queues.detach(pool)

    def read(self, ledger: Any, now: float) -> LimiterReading:
        """A reading of the pool at `now`; runs none of the host's code."""
        queue = self._queues.read(ledger, now)
        depth = queue.depth_items or 0
        most = self._most[ledger] = max(depth, self._most.get(ledger, 0))
        return _turned(queue, ledger, now, capacity=queue.capacity_items or most or None)

    def close(self, ledger: Any, now: float) -> LimiterReading:
        """The totals of a pool that is gone or no longer watched."""
        return _turned(self._queues.close(ledger, now), ledger, now, capacity=None)

    def stalled_seconds(self, ledger: Any, now: float) -> float:
        """Wall seconds in which somebody waited for a thing of the pool."""
        seconds: float = ledger.idle.read(now).stalled_seconds
        return seconds

    def peak(self, ledger: Any, now: float) -> float | None:
        """Not known: what is dated of a queue are its highest levels, which are the lowest of a pool."""
        return None

    def attend(self, ledger: Any, loop: Any) -> bool:
        """Look at a pool of `loop`, on its thread."""
        return bool(self._queues.attend(ledger, loop))

    def end_waits(self, ledger: Any, now: float) -> None:
        """The loop in which the callers wait has closed: nobody waits any more."""
        self._queues.end_waits(ledger, now)

    def restart(self, ledger: Any, now: float) -> None:
        """Count from zero."""
        self._queues.restart(ledger, now)


def _turned(queue: Any, ledger: Any, now: float, *, capacity: float | None) -> LimiterReading:
    """The reading of a queue, as that of a pool."""
    waiting = ledger.idle.read(now)
    in_use = None if capacity is None or queue.depth_items is None else max(0, capacity - queue.depth_items)
    utilization = None if not capacity or in_use is None else min(1.0, in_use / capacity)
    return LimiterReading(
        members=queue.members,
        capacity_permits=capacity,
        in_use_permits=in_use,
        waiting_work=None,
        utilization_ratio=utilization,
        peak_utilization_ratio=utilization,
        acquire_wait_seconds=queue.get_wait_seconds,
        blocked_acquires=waiting.begun,
        acquire_blocked_seconds=waiting.caller_seconds,
        stalled_seconds=waiting.stalled_seconds,
        waiting_tasks=waiting.callers,
        longest_block_seconds=waiting.longest,
        refused_acquires=None,
    )
