"""Durations: kept raw on the hot path, sorted into buckets at the reading.

A histogram here is cheap to feed (one ``list.append``) and exact to read. Where nobody reads, the
feeding path sorts now and then, so that memory stays bounded.

Readers run on another thread. They rely on this: between two bytecodes that neither call nor jump back the
interpreter does not change threads, so a swap of two attributes is seen whole or not at all.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

# 100 microseconds to 60 s: below lies the cost of one turn of the loop, above nobody waits any more.
# 1-2.5-5 steps are the ones of prometheus_client's own default.
DEFAULT_BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)

# Sorting costs about 60 ns a duration whatever the batch; 512 floats are 16 KiB at most.
RAW_LIMIT = 512
# So few are looked up one by one sooner than they are sorted.
FEW = 16


class HistogramReading(NamedTuple):
    """Durations sorted into buckets."""

    bounds: tuple[float, ...]
    """Upper bounds in seconds, inclusive, ascending, without the infinite one."""
    counts: tuple[int, ...]
    """Durations in each bucket, not cumulative; one more than `bounds`."""
    sum: float
    """Seconds, all durations together."""

    @property
    def total(self) -> int:
        """The number of durations."""
        return sum(self.counts)

    def plus(self, other: HistogramReading) -> HistogramReading:
        """Both together; the bounds must be the same."""
        counts = tuple(map(int.__add__, self.counts, other.counts))
        return HistogramReading(self.bounds, counts, self.sum + other.sum)


def checked_buckets(buckets: Iterable[float]) -> tuple[float, ...]:
    """`buckets` as ascending floats in seconds, without the infinite one.

    Raises ``TypeError`` for what is not numbers and ``ValueError`` for bounds that do not ascend, are not
    above zero or are none.
    """
    if isinstance(buckets, (str, bytes)):
        raise TypeError(f"buckets must be numbers, not {type(buckets).__name__}")
    bounds = tuple(map(_seconds, buckets))
    if bounds and bounds[-1] == math.inf:
        bounds = bounds[:-1]
    if not bounds:
        raise ValueError("buckets: at least one finite bound is needed")
    if not all(math.isfinite(bound) and bound > 0 for bound in bounds):
        raise ValueError(f"buckets must be finite seconds above zero, not {bounds!r}")
    if any(low >= high for low, high in pairwise(bounds)):
        raise ValueError(f"buckets must ascend, not {bounds!r}")
    return bounds


def _seconds(bound: Any) -> float:
    if isinstance(bound, (str, bytes)):
        raise TypeError(f"buckets must be numbers, not {bound!r}")
    try:
        return float(bound)
    except OverflowError:
        raise ValueError("buckets: a bound is too large for a float") from None


class Durations:
    """The durations of one ledger; those of the first bucket are not kept but known by their number."""

    __slots__ = (
        "bounds",  # of the buckets
        "brief",  # the longest duration that falls into the first bucket, as zero does
        "briefly",  # seconds of those, which the feeding path adds up; how many there were is known by their number
        "raw",  # the others, as they came
        "counts",  # of each bucket, from those that were raw; None before the first
        "sorted_seconds",  # of those that were raw and are in the buckets
        "busy",  # a thread is sorting
    )

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.brief = bounds[0]
        self.briefly = 0.0
        self.raw: list[float] | tuple[()] = ()
        self.counts: list[int] | None = None
        self.sorted_seconds = 0.0
        self.busy = False

    def sort(self) -> bool:
        """Sort what is raw into the buckets; ``False`` while another thread does."""
        if self.busy:
            return False
        self.busy = True
        batch, self.raw = self.raw, ()
        try:
            self._add(batch)
        finally:
            self.busy = False
        return True

    def _add(self, raw: list[float] | tuple[()]) -> None:
        if self.counts is None:
            self.counts = [0] * (len(self.bounds) + 1)
        if len(raw) <= FEW:
            for duration in raw:
                self.counts[bisect_left(self.bounds, duration)] += 1
            self.sorted_seconds += sum(raw)
            return
        batch, below = sorted(raw), 0
        for index, bound in enumerate(self.bounds):
            upto = bisect_right(batch, bound)
            self.counts[index] += upto - below
            below = upto
            if upto == len(batch):
                break
        self.counts[-1] += len(batch) - below
        self.sorted_seconds += sum(batch)

    def feed(self, duration: float) -> None:
        """A duration more. What the caller does next, if that is no call, is seen together with it."""
        if duration <= self.brief:
            self.briefly += duration
        else:
            self.keep(duration)

    def keep(self, duration: float) -> None:
        """A duration more that is to be sorted, however brief."""
        if len(self.raw) >= RAW_LIMIT:
            self.sort()
        # From here on without a call: a reader takes away what is raw at any other moment.
        if self.raw:
            self.raw += [duration]
        else:
            self.raw = [duration]

    def fed(self) -> int:
        """The number of durations over the first bucket so far."""
        return sum(self.counts or ()) + len(self.raw)

    def settle(self) -> None:
        """Called by a reader: sort what is raw, after any sorting on the feeding path has ended."""
        for _ in range(100):
            if not self.busy and (not self.raw or self.sort()):
                break
            time.sleep(0)  # the feeding thread is sorting: that takes microseconds

    def reading(self, counts: list[int] | None, total: float, zeros: int) -> HistogramReading:
        """A reading of `counts` and `total`, taken before, and `zeros` durations of the first bucket."""
        if counts is None:
            return HistogramReading(self.bounds, (zeros, *(0,) * len(self.bounds)), total)
        counts[0] += zeros
        return HistogramReading(self.bounds, tuple(counts), total)
