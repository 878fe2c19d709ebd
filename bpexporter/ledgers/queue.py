"""The ledger of a queue: what the hot path updates.

Floor 1.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from bpexporter.clocks import (
    BANDS,
    NEVER,
    Band,
    PeakWindow,
    StallClock,
    band_at,
    bands_of,
)
from bpexporter.clocks_tracer import ByIdentity, InTurn, Stacked, Tracers
from bpexporter.histogram import Durations

# The clock is read at least once in so many gets, so that a peak can be dated; a reading asks for one too.
ALARM_GETS = 1024
# So many gets are counted down at most before the count is settled: the largest of CPython's ready-made integers.
COUNTDOWN = 256
# Under this many seconds between two alarms they may be further apart, over it they come nearer.
ALARM_SECONDS = 0.05

FIFO, LIFO, HEAP, OTHER = range(4)
TRACERS: dict[int, type[Tracers]] = {FIFO: InTurn, LIFO: Stacked, HEAP: ByIdentity, OTHER: ByIdentity}
NOT_CLEARED = -1, 0.0  # the puts at which a cleared level was first seen, and when
NO_STARTS: dict[int, float] = {}  # of an order whose items are not told by their identity


class Levels(NamedTuple):
    """What is read from the queue itself."""

    depth: int
    capacity: float
    unfinished: int


class QueueLedger:
    """What is recorded of one queue.

    Before a put the hot path compares the depth with `lower` and `room`, after a get with `lower`, `ceiling` and
    `alarm`; only where one of them fails is there something to time, and `note_put` or `note_get` is called.
    """

    __slots__ = (
        *("__weakref__", "owner", "home", "index", "instrument", "asked", "retired", "loopless", "visible", "clock"),
        *("order", "exact", "fifo", "heap"),
        *("puts", "goal", "left", "refused_full", "refused_cancelled", "refused_shutdown"),
        *("depth", "capacity", "cleared"),
        *("lower", "least", "edge", "height", "room", "ceiling", "alarm", "fresh"),
        *("band", "since", "seconds", "peaks", "interval", "renewal", "alarm_at"),
        *("producers", "idle", "put_waits", "get_waits", "landing_put", "landing_get"),
        *("armed", "tracers", "starts", "lost", "residence", "nonempty_since"),
    )

    def __init__(
        self,
        *,
        order: int,
        visible: bool,
        bounds: tuple[float, ...],
        clock: Callable[[], float],
        levels: Levels,
    ) -> None:
        self.owner: weakref.ref[Any] | None = None
        self.home: Any = None
        self.index = 0  # its place among the members of its name
        self.instrument: Any = None
        self.asked = ""
        self.order = order
        self.treat(exact=order != OTHER)
        self.visible = visible
        self.retired = self.loopless = False
        self.clock = clock
        self.restart(bounds=bounds, levels=levels)

    def treat(self, *, exact: bool) -> None:
        """Whether the queue has the standard library's behaviour through and through."""
        self.exact = exact
        self.fifo = exact and self.order == FIFO
        self.heap = exact and self.order == HEAP

    def restart(self, *, bounds: tuple[float, ...], levels: Levels) -> None:
        """Count from zero, with the queue as it is now."""
        now = self.clock()
        self.puts = 0
        self.goal = self.left = 0
        self.refused_full = self.refused_cancelled = self.refused_shutdown = 0
        self.landing_put = self.landing_get = NEVER
        self.cleared = NOT_CLEARED
        self.fresh: float | None = None  # a clock reading that the same step may use again
        self.depth = levels.depth
        self.producers, self.idle = StallClock(), StallClock()
        self.capacity = levels.capacity
        self.seconds = [0.0] * len(BANDS)
        self.since = now
        self.band = band_at(bands_of(levels.capacity), levels.depth)
        self.peaks = PeakWindow()
        self.put_waits, self.get_waits = Durations(bounds), Durations(bounds)
        self.residence = Durations(bounds)
        self.nonempty_since = now
        self.interval, self.alarm, self.renewal, self.alarm_at = 1, 1, 1, now
        self.ceiling = 0
        self.retrace(levels.depth, now, seen=levels.depth)
        self.armed = True
        self._limit()

    @property
    def gets(self) -> int:
        """Items out. They are counted down: an `int` up to 256 is made once, a larger one at each change."""
        return self.goal - self.left

    def __reduce__(self) -> tuple[type[None], tuple[None, ...]]:
        # A copied or pickled queue is not watched, and unpickles where bpexporter is not installed.
        return type(None), ()

    # Recording: called by the instrument, on the thread of the queue's loop -----------------------------

    # The two that follow, and their copies in the methods of a queue, make as few calls and loads as can be.

    def rise(self, depth: int) -> None:
        """A put found `depth` items, and led one band up."""
        now = self.fresh
        if now is None:
            clock = self.clock
            now = clock()
        band = self.band
        self.seconds[band.index] += now - self.since
        self.since = now
        self.band = band = band.up
        self.lower = self.least = self.edge = band.lower
        self.room = band.room
        if not depth:
            self.nonempty_since = now

    def fall(self) -> None:
        """A get led one band down."""
        now = self.fresh
        if now is None:
            clock = self.clock
            now = clock()
        band = self.band
        self.seconds[band.index] += now - self.since
        self.since = now
        self.band = band = band.down
        self.lower = lower = band.lower
        self.edge = edge = lower or 1
        self.least = edge if edge > self.height else self.height + 1
        if not self.armed:
            self.room = band.room

    def note_put(self, item: object, depth: int, capacity: float) -> None:
        """A put left `depth` items, and there is something to time."""
        now = self.clock() if self.fresh is None else self.fresh
        if depth == 1:
            self.nonempty_since = now
        self._find_again(depth, 1, now)
        self._place(depth, capacity, now)
        self._renew_if_due(depth, now)
        if self.armed:
            self.trace(item, depth, now)
        self._limit()

    def note_get(self, depth: int, capacity: float) -> None:
        """A get left `depth` items, and there is something to time, or the countdown is at its end."""
        if self.gets < self.alarm and self.is_calm(depth):
            self._limit()
            return
        now = self.clock() if self.fresh is None else self.fresh
        self._find_again(depth, -1, now)
        if depth >= self.ceiling:
            self.ceiling = depth + 1
            self.peaks.add(depth + 1, now)
        if depth < self.tracers.height or self.gets >= self.tracers.gets:
            self._traced(self.tracers.out(self.gets, depth, now), depth, now)
        self._place(depth, capacity, now)
        self._renew_if_due(depth, now)
        self._limit()

    def is_calm(self, depth: int) -> bool:
        """Whether a get that left `depth` items led to nothing that is timed by depth."""
        return self.lower <= depth and self.least <= depth + 1 <= self.ceiling

    def place(self, depth: int, capacity: float) -> None:
        """The level may have changed by other ways than put and get."""
        now = self.clock()
        self._find_again(depth, 0, now)
        self.peaks.add(depth, now)
        self._place(depth, capacity, now)
        self._limit()

    def _limit(self) -> None:
        """What the hot path compares with, as things are now."""
        band = self.band
        self.lower = band.lower
        self.height = self.tracers.height
        self.edge = band.lower or 1
        self.least = max(self.edge, self.height + 1)
        self.room = -1 if self.armed else band.room
        gets = self.gets
        left = max(0, min(self.alarm - gets - 1, COUNTDOWN))
        self.goal, self.left = gets + left, left

    def _place(self, depth: int, capacity: float, now: float) -> None:
        self.depth = depth
        band = self.band
        if capacity is not self.capacity:
            self.capacity = finite(capacity)
            self._enter(band_at(bands_of(self.capacity), depth), now)
        elif not band.lower <= depth < band.upper:
            self._enter(band_at(band, depth), now)

    def _enter(self, band: Band, now: float) -> None:
        seconds = self.seconds
        seconds[self.band.index] += now - self.since
        self.since = now
        self.band = band

    def occupancy(self, now: float) -> tuple[float, ...]:
        """Seconds in each band, the present stretch included."""
        seconds, present, since = self.seconds[:], self.band.index, self.since
        seconds[present] += max(0.0, now - since)
        return tuple(seconds)

    def _renew_if_due(self, depth: int, now: float) -> None:
        if self.gets >= self.renewal or now - self.alarm_at >= ALARM_SECONDS:
            self._renew(depth, now)
        self.alarm = min(self.renewal, self.tracers.gets)

    def _renew(self, depth: int, now: float) -> None:
        elapsed = now - self.alarm_at
        self.interval = min(self.interval * 2, ALARM_GETS) if elapsed < ALARM_SECONDS else max(1, self.interval // 2)
        self.alarm_at = now
        self.renewal = self.gets + self.interval
        self.peaks.add(max(self.ceiling, depth), now)
        self.depth = depth
        self.ceiling = depth
        if depth and self.tracers.gets == NEVER:
            self.tracers.add(None, self.gets, depth, now, known=True)
        self.armed = True

    # Tracer items -----------------------------------------------------------------------------------

    def trace(self, item: object, depth: int, now: float) -> None:
        """Time `item`, which has just gone in."""
        self.tracers.add(item, self.gets, depth, now)
        self.alarm = min(self.alarm, self.tracers.gets)
        self.armed = False

    def left_level(self) -> int:
        """The level that the last put or get has left."""
        return self.puts - self.gets - self.lost if self.exact else self.depth

    def _find_again(self, depth: int, step: int, now: float) -> None:
        """After a put or get (`step` 1 or -1) left `depth` items: had others come or gone by other ways before?"""
        lost = self.puts - self.gets - depth
        if lost != self.lost:
            self.peaks.add(depth - step + lost - self.lost if self.exact else self.depth, now)
            self.retrace(depth, now, seen=depth - max(step, 0))

    def retrace(self, depth: int, now: float, *, seen: int) -> None:
        """Which items are still in is not known, but that `depth` are there now, `seen` of them since before."""
        self.tracers: Tracers = TRACERS[self.order]()
        self.starts = self.tracers.starts if isinstance(self.tracers, ByIdentity) else NO_STARTS
        self.lost = self.puts - self.gets - depth
        if seen > 0:
            self.tracers.add(None, self.gets, seen, now, known=True)
            self.alarm = min(self.alarm, self.tracers.gets)

    def marked(self, item: object, depth: int) -> None:
        """`item` came out, which was told by its identity."""
        now = self.clock()
        if isinstance(self.tracers, ByIdentity):
            self._traced(self.tracers.taken(item, now), depth, now)

    def _traced(self, durations: list[float], depth: int, now: float) -> None:
        if self.puts - self.gets - depth != self.lost:
            return  # items went by other ways too: who knows which this was
        for duration in durations:
            self.residence.keep(duration)

    # Waits ------------------------------------------------------------------------------------------

    def begin_put(self, token: object, queue: Any) -> None:
        """A put of this `token` waits for room."""
        self.producers.begin(token, self.clock())

    def landed_put(self, waited: float) -> None:
        """The item of a put that had waited went in."""
        self.put_waits.feed(waited)
        self.landing_put = NEVER

    def landed_get(self, waited: float) -> None:
        """A get that had waited got its item."""
        self.get_waits.feed(waited)
        self.landing_get = NEVER


def finite(capacity: object) -> float:
    """`capacity` as a number; what is none counts as unlimited."""
    if isinstance(capacity, (int, float)) and not math.isnan(capacity):
        return capacity
    return 0
