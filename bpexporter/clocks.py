"""What measures time: who waits since when, how long in which band, what was the peak.

Floor 0: no names, no asyncio. Every method takes `now`, monotonic-clock seconds, from its caller, so that one
clock reading serves all. One thread feeds an object; another may read it at any time. Therefore every change
that must be seen whole stands in straight lines without a call: there the interpreter does not change threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

INFINITY = math.inf
NEVER = 1 << 62  # a count that is not reached
# A depth that is not reached. It is the largest integer that CPython compares fast: infinity, or a longer one,
# takes three times as long on the hot path.
DEEP = (1 << 30) - 1


class Waiting(NamedTuple):
    """Callers that wait, at one moment."""

    callers: int
    """Callers waiting now."""
    caller_seconds: float
    """Seconds waited by all callers together, those still waiting included."""
    stalled_seconds: float
    """Wall seconds with at least one caller waiting, the present stretch included."""
    longest: float
    """Seconds that the oldest of those still waiting has waited; 0 when nobody waits."""
    begun: int
    """Waits begun so far."""


class StallClock:
    """Times callers that wait, as Linux PSI does: the totals run while the wait lasts."""

    __slots__ = ("begun", "seconds", "since", "stalled", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[object, float] = {}
        self.seconds = 0.0
        self.stalled = 0.0
        self.since = 0.0
        self.begun = 0

    def begin(self, token: object, now: float) -> None:
        """`token` waits from `now` on."""
        if not self.waiting:
            self.since = now
        self.waiting[token] = now
        self.begun += 1

    def end(self, token: object, now: float) -> float:
        """`token` waits no more; the seconds that it waited, 0 where it did not."""
        waiting = self.waiting
        if token not in waiting:
            return 0.0
        waited = now - waiting[token]
        del waiting[token]
        self.seconds += waited
        if not waiting:
            self.stalled += now - self.since
        return waited

    def replace(self, token: object, successor: object) -> None:
        """`successor` goes on with the wait of `token`."""
        waiting = self.waiting
        if token in waiting:
            waiting[successor] = waiting[token]
            del waiting[token]

    def read(self, now: float) -> Waiting:
        """The state at `now`; may be called from any thread."""
        seconds, stalled, since, begun, starts = self._copy()
        ages = [max(0.0, now - start) for start in starts.values()]
        if not ages:
            return Waiting(0, seconds, stalled, 0.0, begun)
        wall = stalled + max(0.0, now - since)
        return Waiting(len(ages), seconds + sum(ages), wall, max(ages), begun)

    def _copy(self) -> tuple[float, float, float, int, dict[object, float]]:
        # One expression whose only call comes last: a consistent copy without a lock.
        return self.seconds, self.stalled, self.since, self.begun, self.waiting.copy()


BANDS = ("empty", "low", "mid", "high", "full")

# Where a band begins, as a share of capacity. 0.8 is where the project calls a resource saturated.
MID, HIGH = 0.5, 0.8


class Band:
    """Depths from `lower` to under `upper`; shared by all resources of one capacity, never changed."""

    __slots__ = ("down", "index", "lower", "room", "up", "upper")

    def __init__(self, index: int, lower: int, upper: int) -> None:
        self.index = index
        self.lower = lower
        self.upper = upper
        # The depth from which a put leads out of the band. In `full` each has to be looked at: the host must have
        # changed the capacity, or there would be no room.
        self.room = -1 if index == len(BANDS) - 1 else upper - 1
        self.up = self
        self.down = self


def first_depth(capacity: float, share: float) -> int:
    """The lowest depth whose ratio to `capacity` reaches `share`, at least 1."""
    return max(1, math.ceil(capacity * share))


def band_starts(capacity: float) -> tuple[int, ...]:
    """The lowest depth of each band; a band that starts where the next one does is never entered."""
    if not 0 < capacity < INFINITY:
        return 0, 1, DEEP, DEEP, DEEP
    return 0, 1, *(first_depth(capacity, share) for share in (MID, HIGH, 1))


@lru_cache(maxsize=256)
def bands_of(capacity: float) -> Band:
    """The lowest band of `capacity`; an unlimited one (0, below, infinite) has `empty` and `low` alone."""
    starts = (*band_starts(capacity), DEEP)
    limits = pairwise(starts)
    bands = [Band(index, lower, upper) for index, (lower, upper) in enumerate(limits) if lower < upper]
    for below, above in pairwise(bands):
        below.up, above.down = above, below
    return bands[0]


def band_at(band: Band, depth: int) -> Band:
    """The band of `depth`, stepped to from `band`."""
    while depth >= band.upper:
        band = band.up
    while depth < band.lower:
        band = band.down
    return band


# The window that the metric's name promises; entries nearer to one another than a slot are one.
PEAK_WINDOW = 60.0
PEAK_SLOT = 0.25


class PeakWindow:
    """The highest level of the last 60 s, whoever reads and how often."""

    __slots__ = ("levels",)

    def __init__(self) -> None:
        # Ascending in time, descending in level: what is lower and older can never be the peak again.
        self.levels: Sequence[tuple[float, float]] = ()

    def add(self, level: float, now: float) -> None:
        """`level` was left at `now`."""
        oldest = now - PEAK_WINDOW
        levels = [entry for entry in self.levels if entry[1] > level and entry[0] >= oldest]
        if levels and levels[-1][0] // PEAK_SLOT == now // PEAK_SLOT:
            levels[-1] = (now, levels[-1][1])
        else:
            levels.append((now, level))
        self.levels = levels

    def read(self, now: float) -> float:
        """The highest level that was left in the 60 s before `now`; 0 when there is none."""
        return max((level for left, level in tuple(self.levels) if left >= now - PEAK_WINDOW), default=0)
