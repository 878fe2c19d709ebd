"""What measures time: who waits since when, how long in which band, what was the peak.

Floor 0: no names, no asyncio. Every method takes `now`, monotonic-clock seconds, from its caller, so that one
clock reading serves all. One thread feeds an object; another may read it at any time. Therefore every change
that must be seen whole stands in straight lines without a call: there the interpreter does not change threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

INFINITY = math.inf
NEVER = 1 << 62  # a count that is not reached


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
    """Depths from `lower` to under `upper`, and the seconds spent there."""

    __slots__ = ("down", "lower", "seconds", "up", "upper")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.lower: float = 0
        self.upper: float = INFINITY
        self.up = self
        self.down = self


def first_depth(capacity: float, share: float) -> int:
    """The lowest depth whose ratio to `capacity` reaches `share`, at least 1."""
    depth = math.ceil(capacity * share)
    if (depth - 1) / capacity >= share:  # the product was rounded up past a whole number
        depth -= 1
    return max(1, depth)


def band_starts(capacity: float) -> tuple[float, ...]:
    """The lowest depth of each band; a band that starts where the next one does is never entered."""
    if not 0 < capacity < INFINITY:
        return -INFINITY, 1, INFINITY, INFINITY, INFINITY
    return -INFINITY, 1, *(first_depth(capacity, share) for share in (MID, HIGH, 1))


class Occupancy:
    """Seconds spent in each band of utilisation; they add up to the time since the first placing."""

    __slots__ = ("band", "bands", "capacity", "since")

    def __init__(self, capacity: float, depth: int, now: float) -> None:
        self.bands = tuple(Band() for _ in BANDS)
        self.since = now
        self.capacity = capacity
        self.limit(capacity)
        self.band = self.find(depth)

    def limit(self, capacity: float) -> None:
        """Set the limits of the bands; an unlimited capacity (0, below, infinite) has `empty` and `low` alone."""
        self.capacity = capacity
        starts = (*band_starts(capacity), INFINITY)
        for band, lower, upper in zip(self.bands, starts, starts[1:], strict=False):
            band.lower, band.upper = lower, upper
        entered = [band for band in self.bands if band.lower < band.upper]
        for below, above in zip(entered, entered[1:], strict=False):
            below.up, above.down = above, below

    def relimit(self, capacity: float, depth: int, now: float) -> None:
        """The capacity was changed by the host."""
        self.place(depth, now)
        self.limit(capacity)
        self.band = self.find(depth)

    def find(self, depth: int) -> Band:
        """The band of `depth`."""
        return next(band for band in self.bands if band.lower <= depth < band.upper)

    def place(self, depth: int, now: float) -> Band:
        """`depth` holds from `now` on; the time before goes to the band that held until now."""
        band = self.band
        while depth >= band.upper:
            band = band.up
        while depth < band.lower:
            band = band.down
        left = self.band
        left.seconds += now - self.since
        self.since = now
        self.band = band
        return band

    def read(self, now: float) -> tuple[float, ...]:
        """Seconds in each band up to `now`, in the order of `BANDS`; may be called from any thread."""
        empty, low, mid, high, full = self.bands
        seconds, band, since = self._copy(empty, low, mid, high, full)
        present = self.bands.index(band)
        rest = max(0.0, now - since)
        return tuple(value + rest if index == present else value for index, value in enumerate(seconds))

    def _copy(self, a: Band, b: Band, c: Band, d: Band, e: Band) -> tuple[tuple[float, ...], Band, float]:
        return (a.seconds, b.seconds, c.seconds, d.seconds, e.seconds), self.band, self.since


# The window that the metric's name promises; entries nearer to one another than a slot are one.
PEAK_WINDOW = 60.0
PEAK_SLOT = 0.25


class PeakWindow:
    """The highest level of the last 60 s, whoever reads and how often."""

    __slots__ = ("levels",)

    def __init__(self) -> None:
        # Ascending in time, descending in level: what is lower and older can never be the peak again.
        self.levels: list[tuple[float, float]] = []

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
