"""Readings of limiters: one of a single limiter, or one of all those that share a name, added up as they are read."""

from __future__ import annotations

from typing import Any, NamedTuple

from bpexporter.primitives.histogram import Durations, HistogramReading
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.metrics import LimiterReading


class Level(NamedTuple):
    """The present state of a limiter by its own account. ``None`` is what is not known."""

    capacity: float | None
    in_use: float | None
    waiting_work: int | None = None


UNKNOWN = Level(None, None)


class Totals:
    """The sums of limiters of one name."""

    def __init__(self) -> None:
        self.members = 0
        self.capacity: float | None = None
        self.in_use: float | None = None
        self.waiting_work: int | None = None
        self.utilization: float | None = None
        self.peak: float | None = None
        self.blocked_acquires = self.waiting = self.refused = 0
        self.caller_seconds = self.stalled_seconds = self.longest = 0.0
        self.bounds: tuple[float, ...] = ()
        self.counts: list[int] | None = None
        self.brief_acquires = 0  # acquires of the first bucket, which are known by their number alone
        self.waited_seconds = 0.0

    def add_member(self, ledger: LimiterLedger, level: Level, now: float) -> None:
        """A limiter that is alive."""
        self.add_counts(ledger, now)
        self.members += 1
        self.capacity = _plus(self.capacity, level.capacity)
        self.in_use = _plus(self.in_use, level.in_use)
        self.waiting_work = _plus(self.waiting_work, level.waiting_work)
        if level.capacity and level.in_use is not None:
            ledger.seen = level.in_use, now
            self.utilization = _share(self.utilization, level.in_use, level.capacity)
            self.peak = _share(self.peak, ledger.peak_level(now), level.capacity)

    def add_counts(self, ledger: LimiterLedger, now: float) -> None:
        """Returns the counts of a limiter, alive or gone."""
        if ledger.blocked.begun or ledger.blocked.waiting or ledger.blocked.stalled:
            self._add_blocked(ledger.blocked, now)
        self.refused += ledger.refused_cancelled
        self._add_waits(ledger, ledger.waits)

    def _add_blocked(self, stall: StallClock, now: float) -> None:
        seconds, stalled, since, begun, starts = stall.copy()
        self.blocked_acquires += begun
        self.caller_seconds += seconds
        self.stalled_seconds += stalled
        if starts:
            ages = [max(0.0, now - start) for start in starts.values()]
            self.waiting += len(ages)
            self.caller_seconds += sum(ages)
            self.stalled_seconds += max(0.0, now - since)
            self.longest = max(self.longest, *ages)

    def _add_waits(self, ledger: LimiterLedger, waits: Durations) -> None:
        self.bounds = waits.bounds
        if waits.counts is None and not waits.raw and not waits.busy:  # nobody has waited for more than a moment
            self.brief_acquires += ledger.acquires
            self.waited_seconds += waits.briefly
            return
        for _ in range(100):
            waits.settle()
            seconds = waits.sorted_seconds + waits.briefly
            acquires, counts, busy, late = ledger.acquires, waits.counts and waits.counts[:], waits.busy, len(waits.raw)
            if not busy:
                break
        # What was fed after the sorting is among the acquires, and not yet in a bucket: it is no brief one.
        acquires -= late
        self.waited_seconds += seconds
        self.brief_acquires += max(0, acquires - sum(counts or ()))
        if counts:
            self.counts = counts if self.counts is None else list(map(int.__add__, self.counts, counts))

    def reading(self) -> LimiterReading:
        """All of it."""
        return LimiterReading(
            members=self.members,
            capacity_permits=self.capacity,
            in_use_permits=self.in_use,
            waiting_work=self.waiting_work,
            utilization_ratio=self.utilization,
            peak_utilization_ratio=self.peak,
            acquire_wait_seconds=self._waits(),
            blocked_acquires=self.blocked_acquires,
            acquire_blocked_seconds=self.caller_seconds,
            stalled_seconds=self.stalled_seconds,
            waiting_tasks=self.waiting,
            longest_block_seconds=self.longest,
            refused_acquires=(self.refused,),
        )

    def _waits(self) -> HistogramReading:
        counts = self.counts or [0] * (len(self.bounds) + 1)
        return HistogramReading(self.bounds, (counts[0] + self.brief_acquires, *counts[1:]), self.waited_seconds)


def _plus(total: Any, more: Any) -> Any:
    if more is None:
        return total
    return more if total is None else total + more


def _share(highest: float | None, level: float, capacity: float) -> float:
    return max(highest or 0.0, min(1.0, max(0.0, level / capacity)))
