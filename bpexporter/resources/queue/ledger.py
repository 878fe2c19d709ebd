"""The ledger of a queue: what the hot path updates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from bpexporter.primitives.bands import BANDS, Band, band_at, bands_of
from bpexporter.primitives.histogram import Durations
from bpexporter.primitives.limits import NEVER
from bpexporter.primitives.peaks import PeakWindow
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.primitives.tracers import ByIdentity, InTurn, Stacked, Tracers
from bpexporter.resources.ledger import MemberLedger

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


class QueueLedger(MemberLedger):
    """What is recorded of one queue.

    Before a put the hot path compares the depth with `lower` and `room`, after a get with `lower`, `ceiling` and
    `alarm`; only where one of them fails is there something to time, and `note_put` or `note_get` is called.
    """

    __slots__ = (
        # What kind of queue it is: set when it is attached.
        "order",  # FIFO, LIFO, HEAP or OTHER
        "exact",  # it has the standard library's behaviour through and through
        "fifo",  # exact, and first in, first out
        "heap",  # exact, and the lowest first
        "visible",  # its levels can be read from any thread without running its own code
        # Counts: written by every put, get and refusal.
        "puts",  # items in
        "countdown_end",  # `gets` once the countdown is at 0
        "countdown",  # gets until something is to be looked at; counted down, since small numbers are ready-made
        "refused_full",  # put_nowait() of a full queue
        "refused_cancelled",  # blocked puts that were given up
        "refused_shutdown",  # puts after shutdown()
        "unaccounted_items",  # puts less gets less depth: items that came or went by other ways
        # Levels as they were last seen.
        "depth",  # items waiting, where nothing else tells
        "capacity",  # the maxsize that the limits below belong to
        "cleared",  # the puts at which a level lower than the last one was first seen, and when
        # Limits: the hot path compares the depth with them before its work.
        "band_floor",  # a put that finds fewer has to look
        "fast_put_max",  # a put that finds this many leads one band up, one that finds more has to look
        "fast_get_min",  # a get from a stack or a heap that finds fewer has to look
        "fast_get_max",  # a get that finds more has a new peak to date
        "falling_depth",  # a get that finds this many leads one band down, one that finds fewer has to look
        "tracer_floor",  # a tracer item of a stack is out where fewer are left
        "alarm_gets",  # the gets at which a tracer item is out or the peak is to be dated
        # Time: written where a limit fails.
        "step_time",  # a clock reading that the same step may use again
        "band",  # the present band
        "band_since",  # when it was entered
        "band_seconds",  # seconds in each band, without the present stretch
        "peaks",  # levels of the last minute
        "renewal_interval",  # gets between two looks at the clock
        "renewal_gets",  # the gets at which the next is due
        "renewed_at",  # when the last was
        # Waits: written where somebody waits.
        "producers",  # puts that wait
        "idle",  # gets that wait
        "adopted",  # of both, those that waited before; while there are any, tokens are those of present futures
        "put_waits",  # seconds that items waited to get in
        "get_waits",  # seconds that gets waited
        "landing_put",  # the puts before one whose wait is not sorted in yet
        "landing_get",  # the same for gets
        # Tracer items.
        "wants_tracer",  # the next put is timed
        "tracers",  # the items that are timed
        "starts",  # of those that are told by their identity
        "residence",  # put-to-get seconds
        "nonempty_since",  # when the first of those that wait came in
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
        super().__init__(clock=clock)
        self.order = order
        self.treat(exact=order != OTHER)
        self.visible = visible
        self.adopted = 0
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
        self.countdown_end = self.countdown = 0
        self.refused_full = self.refused_cancelled = self.refused_shutdown = 0
        self.landing_put = self.landing_get = NEVER
        self.cleared = NOT_CLEARED
        self.step_time: float | None = None  # a clock reading that the same step may use again
        self.depth = levels.depth
        self.producers, self.idle = StallClock(side="put"), StallClock(side="get")
        self.capacity = levels.capacity
        self.band_seconds = [0.0] * len(BANDS)
        self.band_since = now
        self.band = band_at(bands_of(levels.capacity), levels.depth)
        self.peaks = PeakWindow()
        self.put_waits, self.get_waits = Durations(bounds), Durations(bounds)
        self.residence = Durations(bounds)
        self.nonempty_since = now
        self.renewal_interval, self.alarm_gets, self.renewal_gets, self.renewed_at = 1, 1, 1, now
        self.fast_get_max = 0
        self.retrace(levels.depth, now, seen=levels.depth)
        self.wants_tracer = True
        self._limit()

    @property
    def gets(self) -> int:
        """Items out. They are counted down: an `int` up to 256 is made once, a larger one at each change."""
        return self.countdown_end - self.countdown

    # Recording: called by the instrument, on the thread of the queue's loop -----------------------------

    # The two that follow, and their copies in the methods of a queue, make as few calls and loads as can be.

    def rise(self, depth: int) -> None:
        """A put found `depth` items, and led one band up."""
        now = self.step_time
        if now is None:
            now = self.clock()
        band = self.band
        self.band_seconds[band.index] += now - self.band_since
        self.band_since = now
        self.band = band = band.up
        self.band_floor = self.fast_get_min = self.falling_depth = band.lower
        self.fast_put_max = band.room
        if not depth:
            self.nonempty_since = now

    def fall(self) -> None:
        """A get led one band down."""
        now = self.step_time
        if now is None:
            now = self.clock()
        band = self.band
        self.band_seconds[band.index] += now - self.band_since
        self.band_since = now
        self.band = band = band.down
        self.band_floor = band.lower
        self.falling_depth = edge = band.falling
        self.fast_get_min = edge if edge > self.tracer_floor else self.tracer_floor + 1
        if not self.wants_tracer:
            self.fast_put_max = band.room

    def note_put(self, item: object, depth: int, capacity: float) -> None:
        """A put left `depth` items, and there is something to time."""
        now = self.clock() if self.step_time is None else self.step_time
        if depth == 1:
            self.nonempty_since = now
        self._recount(depth, 1, now)
        self._place(depth, capacity, now)
        self._renew_if_due(depth, now)
        if self.wants_tracer:
            self.trace(item, depth, now)
        self._limit()
        if self.listener is not None:
            self.tell_operation(self.producers, now)

    def note_get(self, depth: int, capacity: float) -> None:
        """A get left `depth` items, and there is something to time, or the countdown is at its end."""
        if self.gets < self.alarm_gets and self.is_calm(depth):
            self._limit()
            return
        now = self.clock() if self.step_time is None else self.step_time
        self._recount(depth, -1, now)
        if depth >= self.fast_get_max:
            self.fast_get_max = depth + 1
            self.peaks.add(depth + 1, now)
        if depth < self.tracers.height or self.gets >= self.tracers.gets:
            self._traced(self.tracers.out(self.gets, depth, now), depth, now)
        self._place(depth, capacity, now)
        self._renew_if_due(depth, now)
        self._limit()
        if self.listener is not None:
            self.tell_operation(self.idle, now)

    def is_calm(self, depth: int) -> bool:
        """Whether a get that left `depth` items led to nothing that is timed by depth."""
        return self.band_floor <= depth and self.tracer_floor <= depth < self.fast_get_max

    def place(self, depth: int, capacity: float) -> None:
        """The level may have changed by other ways than put and get."""
        now = self.clock()
        self._recount(depth, 0, now)
        self.peaks.add(depth, now)
        self._place(depth, capacity, now)
        self._limit()

    def _limit(self) -> None:
        """What the hot path compares with, as things are now."""
        band = self.band
        self.band_floor = band.lower
        self.tracer_floor = self.tracers.height
        self.falling_depth = band.falling
        self.fast_get_min = max(self.falling_depth, self.tracer_floor + 1)
        self.fast_put_max = -1 if self.wants_tracer else band.room
        gets = self.gets
        left = max(0, min(self.alarm_gets - gets - 1, COUNTDOWN))
        self.countdown_end, self.countdown = gets + left, left

    def _place(self, depth: int, capacity: float, now: float) -> None:
        self.depth = depth
        band = self.band
        if capacity is not self.capacity:
            self.capacity = finite(capacity)
            self._enter(band_at(bands_of(self.capacity), depth), now)
        elif not band.lower <= depth < band.upper:
            self._enter(band_at(band, depth), now)

    def _enter(self, band: Band, now: float) -> None:
        seconds = self.band_seconds
        seconds[self.band.index] += now - self.band_since
        self.band_since = now
        self.band = band

    def occupancy(self, now: float) -> tuple[float, ...]:
        """Seconds in each band, the present stretch included."""
        seconds, present, since = self.band_seconds[:], self.band.index, self.band_since
        seconds[present] += max(0.0, now - since)
        return tuple(seconds)

    def _renew_if_due(self, depth: int, now: float) -> None:
        if self.gets >= self.renewal_gets or now - self.renewed_at >= ALARM_SECONDS:
            self._renew(depth, now)
        self.alarm_gets = min(self.renewal_gets, self.tracers.gets)

    def _renew(self, depth: int, now: float) -> None:
        elapsed = now - self.renewed_at
        self.renewal_interval = (
            min(self.renewal_interval * 2, ALARM_GETS)
            if elapsed < ALARM_SECONDS
            else max(1, self.renewal_interval // 2)
        )
        self.renewed_at = now
        self.renewal_gets = self.gets + self.renewal_interval
        self.peaks.add(max(self.fast_get_max, depth), now)
        self.depth = depth
        self.fast_get_max = depth
        if depth and self.tracers.gets == NEVER:
            self.tracers.add(None, self.gets, depth, now, known=True)
        self.wants_tracer = True

    # Tracer items -----------------------------------------------------------------------------------

    def trace(self, item: object, depth: int, now: float) -> None:
        """Time `item`, which has just gone in."""
        self.tracers.add(item, self.gets, depth, now)
        self.alarm_gets = min(self.alarm_gets, self.tracers.gets)
        self.wants_tracer = False

    def left_level(self) -> int:
        """The level that the last put or get has left."""
        return self.puts - self.gets - self.unaccounted_items if self.exact else self.depth

    def _recount(self, depth: int, step: int, now: float) -> None:
        """After a put or get (`step` 1 or -1) left `depth` items: had others come or gone by other ways before?"""
        lost = self.puts - self.gets - depth
        if lost != self.unaccounted_items:
            self.peaks.add(depth - step + lost - self.unaccounted_items if self.exact else self.depth, now)
            self.retrace(depth, now, seen=depth - max(step, 0))

    def retrace(self, depth: int, now: float, *, seen: int) -> None:
        """Which items are still in is not known, but that `depth` are there now, `seen` of them since before."""
        self.tracers: Tracers = TRACERS[self.order]()
        self.starts = self.tracers.starts if isinstance(self.tracers, ByIdentity) else NO_STARTS
        self.unaccounted_items = self.puts - self.gets - depth
        if seen > 0:
            self.tracers.add(None, self.gets, seen, now, known=True)
            self.alarm_gets = min(self.alarm_gets, self.tracers.gets)

    def marked(self, item: object, depth: int) -> None:
        """`item` came out, which was told by its identity."""
        now = self.clock()
        if isinstance(self.tracers, ByIdentity):
            self._traced(self.tracers.taken(item, now), depth, now)

    def _traced(self, durations: list[float], depth: int, now: float) -> None:
        if self.puts - self.gets - depth != self.unaccounted_items:
            return  # items went by other ways too: who knows which this was
        for duration in durations:
            self.residence.keep(duration)

    # Waits ------------------------------------------------------------------------------------------

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
