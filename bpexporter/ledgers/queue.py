"""The ledger of a queue: what the hot path updates.

Floor 1.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from bpexporter.clocks import BANDS, DEEP, INFINITY, NEVER, Band, PeakWindow, StallClock, Waiting, band_at, bands_of
from bpexporter.histogram import RAW_LIMIT, Durations, HistogramReading
from bpexporter.ledgers.readings import QueueReading

# The clock is read at least once in so many gets, so that a peak can be dated; a reading asks for one too.
ALARM_GETS = 1024
# Under this many seconds between two alarms they may be further apart, over it they come nearer.
ALARM_SECONDS = 0.05

FIFO, LIFO, HEAP, OTHER = range(4)


class Levels(NamedTuple):
    """What is read from the queue itself."""

    depth: int
    capacity: float
    unfinished: int


class QueueLedger:
    """What is recorded of one queue.

    The hot path does one comparison with `lower` and `upper` after a put, and with `lower`, `ceiling` and `alarm`
    after a get; only where one of them fails is there something to time, and `note_put` or `note_get` is called.
    """

    __slots__ = (
        *(
            "__weakref__",
            "alarm",
            "alarm_at",
            "asked",
            "band",
            "capacity",
            "ceiling",
            "clock",
            "depth",
            "exact",
            "get_waits",
            "gets",
            "heap",
            "fifo",
            "home",
        ),
        *(
            "idle",
            "instrument",
            "interval",
            "landing_get",
            "landing_put",
            "lower",
            "mark",
            "nonempty_since",
            "index",
        ),
        *("order", "owner", "peaks", "producers", "put_waits", "puts", "refused_cancelled", "refused_full"),
        *(
            "refused_shutdown",
            "renewal",
            "residence",
            "retired",
            "seconds",
            "seen_at",
            "seen_due",
            "since",
            "stacked",
            "tracer_due",
            "tracer_start",
        ),
        *("tracer_lost", "upper", "visible"),
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
        self.fifo, self.heap = order == FIFO, order == HEAP
        self.exact = order != OTHER
        self.visible = visible
        self.retired = False
        self.clock = clock
        self.restart(bounds=bounds, levels=levels)

    def restart(self, *, bounds: tuple[float, ...], levels: Levels) -> None:
        """Count from zero, with the queue as it is now."""
        now = self.clock()
        self.puts = self.gets = 0
        self.refused_full = self.refused_cancelled = self.refused_shutdown = 0
        self.landing_put = self.landing_get = NEVER
        self.depth = levels.depth
        self.producers, self.idle = StallClock(), StallClock()
        self.capacity = levels.capacity
        self.seconds = [0.0] * len(BANDS)
        self.since = now
        self.band = band_at(bands_of(levels.capacity), levels.depth)
        self.peaks = PeakWindow()
        self.put_waits, self.get_waits, self.residence = (
            Durations(bounds),
            Durations(bounds),
            Durations(bounds),
        )
        self.nonempty_since = now
        self.tracer_start = now
        self.tracer_lost = -levels.depth
        self.seen_at, self.seen_due = now, levels.depth
        self.interval, self.alarm, self.renewal, self.alarm_at = 1, 1, 1, now
        self.ceiling = 0
        self.lower = self.band.lower
        self.upper = self.band.next_put
        self.untrace()
        self.arm()

    def __reduce__(self) -> tuple[type[None], tuple[None, ...]]:
        # A copied or pickled queue is not watched, and unpickles where bpexporter is not installed.
        return type(None), ()

    # Recording: called by the instrument, on the thread of the queue's loop -----------------------------

    def note_put(self, item: object, depth: int, capacity: float) -> None:
        """A put left `depth` items, and there is something to time."""
        now = self.clock()
        if depth == 1:
            self.nonempty_since = now
        armed = self.upper < 0
        self.upper = DEEP  # disarmed: what follows sets the limit
        self._place(depth, capacity, now)
        if armed:
            self.trace(item, depth, now)

    def note_get(self, depth: int, capacity: float) -> None:
        """A get left `depth` items, and there is something to time."""
        now = self.clock()
        if depth >= self.ceiling:
            self.ceiling = depth + 1
            self.peaks.add(depth + 1, now)
        if depth < self.tracer_due if self.stacked else self.gets >= self.tracer_due:
            self._traced(now, depth)
        self._place(depth, capacity, now)
        if self.gets >= self.renewal or now - self.alarm_at >= ALARM_SECONDS:
            self._renew(depth, now)
        self.alarm = self.renewal if self.stacked else min(self.renewal, self.tracer_due)

    def place(self, depth: int, capacity: float) -> None:
        """The level may have changed by other ways than put and get."""
        now = self.clock()
        if self.puts - self.gets - depth != self.tracer_lost:
            self.untrace()
        if depth + 1 > self.ceiling:
            self.peaks.add(depth, now)
        self._place(depth, capacity, now)

    def resize(self, depth: int, capacity: float, now: float) -> None:
        """The host has set another `maxsize`."""
        self._place(depth, capacity, now)

    def _place(self, depth: int, capacity: float, now: float) -> None:
        self.depth = depth
        band = self.band
        if capacity != self.capacity:
            self.capacity = finite(capacity)
            self._enter(band_at(bands_of(self.capacity), depth), now)
        elif not band.lower <= depth < band.upper:
            self._enter(band_at(band, depth), now)
        band = self.band
        self.lower = max(band.lower, self.tracer_due) if self.stacked else band.lower
        if self.upper >= 0:
            self.upper = band.next_put

    def _enter(self, band: Band, now: float) -> None:
        seconds = self.seconds
        seconds[self.band.index] += now - self.since
        self.since = now
        self.band = band

    def _occupancy(self, now: float) -> tuple[float, ...]:
        seconds, present, since = self.seconds[:], self.band.index, self.since
        seconds[present] += max(0.0, now - since)
        return tuple(seconds)

    def _renew(self, depth: int, now: float) -> None:
        elapsed = now - self.alarm_at
        self.interval = min(self.interval * 2, ALARM_GETS) if elapsed < ALARM_SECONDS else max(1, self.interval // 2)
        self.alarm_at = now
        self.renewal = self.gets + self.interval
        self.peaks.add(max(self.ceiling, depth), now)
        self.depth = depth
        self.ceiling = depth
        if self.tracer_due == NEVER and self.mark is None:
            self.arm()

    # The tracer item --------------------------------------------------------------------------------

    def arm(self) -> None:
        """Let the next put be noted, so that its item is timed."""
        self.upper = -1

    def trace(self, item: object, depth: int, now: float) -> None:
        """Time `item`, which has just gone in."""
        self.tracer_start = now
        self.tracer_lost = self.puts - self.gets - depth
        TRACE[self.order](self, item, depth)

    def untrace(self) -> None:
        """No item is timed."""
        self.tracer_due = NEVER
        self.mark: int | None = None
        self.stacked = False

    def marked(self, now_depth: int) -> None:
        """The marked item came out."""
        self._traced(self.clock(), now_depth)

    def _traced(self, now: float, depth: int) -> None:
        if self.puts - self.gets - depth == self.tracer_lost:
            raw = self.residence.raw
            raw += [now - self.tracer_start]
            if len(raw) > RAW_LIMIT:
                self.residence.sort()
        self.untrace()

    # Waits ------------------------------------------------------------------------------------------

    def begin_put(self, token: object, queue: Any) -> None:
        """A put of this `token` waits for room."""
        now = self.clock()
        self.producers.begin(token, now)
        if self.capacity != queue._maxsize:
            self.resize(queue.qsize(), queue._maxsize, now)
        if self.seen_due <= self.gets:
            self.seen_at, self.seen_due = now, self.gets + queue.qsize()

    def landed_put(self, waited: float) -> None:
        """The item of a put that had waited went in; its put was counted since `landing_put` was set."""
        raw = self.put_waits.raw
        raw += [waited]
        self.landing_put = NEVER
        if len(raw) > RAW_LIMIT:
            self.put_waits.sort()

    def landed_get(self, waited: float) -> None:
        """A get that had waited got its item; it was counted since `landing_get` was set."""
        raw = self.get_waits.raw
        raw += [waited]
        self.landing_get = NEVER
        if len(raw) > RAW_LIMIT:
            self.get_waits.sort()

    # Reading ------------------------------------------------------------------------------------

    def read(self, levels: Levels | None, now: float) -> QueueReading:
        """A reading at `now`; `levels` is ``None`` for a queue that is gone or no longer watched."""
        self.alarm = 0  # the next get dates the peak: whatever comes after is newer than this reading
        puts, put_waits = self._landed_puts()
        gets, get_waits = self._landed_gets()
        producers, idle = self.producers.read(now), self.idle.read(now)
        refused = (self.refused_full, self.refused_cancelled, self.refused_shutdown)
        totals = {
            "occupancy_seconds": self._occupancy(now),
            "put_wait_seconds": put_waits,
            "blocked_puts": producers.begun,
            "put_blocked_seconds": producers.caller_seconds,
            "stalled_seconds": producers.stalled_seconds,
            "get_wait_seconds": get_waits,
            "get_idle_seconds": idle.caller_seconds,
            "puts": puts,
            "gets": gets,
            "refused_puts": refused,
            "residence_seconds": self._residence(),
        }
        present = GONE if levels is None else self._present(levels, producers, idle, now)
        return QueueReading(**totals, **present)  # type: ignore[arg-type]

    def _present(self, levels: Levels, producers: Waiting, idle: Waiting, now: float) -> dict[str, object]:
        depth, capacity, unfinished = levels
        bounded = 0 < capacity < INFINITY
        peak = max(depth, self.peaks.read(now))
        return {
            "members": 1,
            "unbounded_members": int(not bounded),
            "capacity_items": capacity if bounded else None,
            "depth_items": depth,
            "utilization_ratio": depth / capacity if bounded else None,
            "peak_utilization_ratio": peak / capacity if bounded else None,
            "blocked_producers": producers.callers,
            "longest_block_seconds": producers.longest,
            "idle_consumers": idle.callers,
            "oldest_item_age_seconds": self.oldest_age(depth, now),
            "unfinished_tasks": unfinished,
        }

    def oldest_age(self, depth: int | None, now: float) -> float:
        """Age in seconds of the item longest known to be waiting; 0 when none is known."""
        if not depth:
            return 0.0
        since = OLDEST[self.order](self, depth, now)
        return max(0.0, now - since)

    def since_marked(self, depth: int, now: float) -> float:
        """Since when the marked item waits; `now` when there is none."""
        return self.tracer_start if self.mark is not None else now

    def since_nonempty(self, depth: int, now: float) -> float:
        """Last in, first out: the item at the bottom waits since the queue was last empty."""
        return self.nonempty_since

    def since_due(self, depth: int, now: float) -> float:
        """First in, first out: an item that a tracer or a former reading saw is there until its turn."""
        gets, due = self.gets, self.tracer_due
        traced = self.tracer_start if gets < due <= gets + depth else now
        seen = self.seen_at if gets < self.seen_due <= gets + depth else now
        if seen == now:
            self.seen_at, self.seen_due = now, gets + depth
        return min(traced, seen)

    def _landed_puts(self) -> tuple[int, HistogramReading]:
        waits = self.put_waits
        for _ in range(100):
            waits.settle()
            counts, total = waits.counts, waits.total
            state = (self.puts, self.landing_put, counts and counts[:], total, waits.busy, len(waits.raw))
            if not state[4]:
                break
        return landed(waits, *state)

    def _landed_gets(self) -> tuple[int, HistogramReading]:
        waits = self.get_waits
        for _ in range(100):
            waits.settle()
            counts, total = waits.counts, waits.total
            state = (self.gets, self.landing_get, counts and counts[:], total, waits.busy, len(waits.raw))
            if not state[4]:
                break
        return landed(waits, *state)

    def _residence(self) -> HistogramReading:
        self.residence.settle()
        counts = self.residence.counts
        return self.residence.reading(counts and counts[:], self.residence.total, 0)


def landed(
    waits: Durations, count: int, landing: int, counts: list[int] | None, total: float, _busy: bool, late: int
) -> tuple[int, HistogramReading]:
    """The operations whose wait is in the histogram already, and that histogram with the zero waits.

    One that is counted but whose wait is not yet sorted in belongs to the next reading: so the count and the
    histogram always agree, and neither goes back.
    """
    count -= late + (count > landing)
    sorted_in = sum(counts) if counts else 0
    return count, waits.reading(counts, total, max(0, count - sorted_in))


def _trace_due(ledger: QueueLedger, item: object, depth: int) -> None:
    ledger.tracer_due = ledger.gets + depth
    ledger.alarm = min(ledger.alarm, ledger.tracer_due)


def _trace_height(ledger: QueueLedger, item: object, depth: int) -> None:
    ledger.tracer_due = depth
    ledger.stacked = True
    ledger.lower = max(ledger.lower, depth)


def _trace_mark(ledger: QueueLedger, item: object, depth: int) -> None:
    ledger.mark = id(item)


# By order: how a tracer item is known again, and since when the oldest item waits.
TRACE = {FIFO: _trace_due, LIFO: _trace_height, HEAP: _trace_mark, OTHER: _trace_mark}
OLDEST = {
    FIFO: QueueLedger.since_due,
    LIFO: QueueLedger.since_nonempty,
    HEAP: QueueLedger.since_marked,
    OTHER: QueueLedger.since_marked,
}

GONE: dict[str, object] = {
    "members": 0,
    "unbounded_members": 0,
    "capacity_items": None,
    "depth_items": 0,
    "utilization_ratio": None,
    "peak_utilization_ratio": None,
    "blocked_producers": 0,
    "longest_block_seconds": 0.0,
    "idle_consumers": 0,
    "oldest_item_age_seconds": 0.0,
    "unfinished_tasks": 0,
}


def finite(capacity: object) -> float:
    """`capacity` as a number; what is none counts as unlimited."""
    if isinstance(capacity, (int, float)) and not math.isnan(capacity):
        return capacity
    return 0
