"""Many queues of one name, read and added up in one go: 10,000 are no more than some 60 ms of a thread's time.

What `reading` reads of one queue is added here without a reading in between. What is rare at a queue (a wait that is
just being sorted in, levels that cannot be looked at) is left to `reading`.
"""

from __future__ import annotations

from operator import add
from typing import Any

from bpexporter.primitives.bands import BANDS
from bpexporter.primitives.histogram import Durations, HistogramReading
from bpexporter.primitives.limits import DEEP, INFINITY, NEVER
from bpexporter.primitives.numbers import share
from bpexporter.primitives.peaks import PEAK_WINDOW
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.queue.ages import known_age, note_empty, oldest_age
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import Levels
from bpexporter.resources.queue.metrics import QueueReading
from bpexporter.resources.queue.reading import landed_gets, landed_puts, left_before, residence_of

# Into so many queues at most is looked for what lies in them; of the others is said what puts and gets tell.
LOOKED_INTO = 250
# So many histograms are added in one go.
AT_ONCE = 256
NO_SECONDS = [0.0] * len(BANDS)


class HistogramSum:
    """Histograms of the same bounds, added up; of operations that did not wait the number is known, as everywhere."""

    __slots__ = ("bounds", "counts", "operations", "seconds", "settled")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the first is known by the number of operations alone
        self.settled: list[list[int]] = []  # more of the same, not yet added
        self.operations = 0
        self.seconds = 0.0

    def add_settled(self, waits: Durations, count: int | None = None) -> bool:
        """`count` operations that waited as in `waits`, or not, by default those that did.

        ``False`` where some are to be sorted in yet.
        """
        if waits.raw or waits.busy:
            return False
        counts, seconds = waits.counts, waits.sorted_seconds + waits.briefly
        if counts is not None:
            copy = counts[:]
            if waits.raw or waits.busy:
                return False
            self.settled.append(copy)
            if count is None:
                count = sum(copy)
            if len(self.settled) >= AT_ONCE:
                self._add_all()
        self.operations += count or 0
        self.seconds += seconds
        return True

    def add_reading(self, reading: HistogramReading) -> None:
        """Another histogram."""
        self.settled.append(list(reading.counts))
        self.operations += reading.total
        self.seconds += reading.sum

    def _add_all(self) -> None:
        self.counts = [sum(column) for column in zip(self.counts, *self.settled, strict=True)]
        self.settled.clear()

    def reading(self) -> HistogramReading:
        """All of them."""
        self._add_all()
        brief = self.operations - sum(self.counts[1:])
        return HistogramReading(self.bounds, (brief, *self.counts[1:]), self.seconds)


class StallSum:
    """Stall clocks, added up."""

    __slots__ = ("begun", "callers", "longest", "seconds", "stalled")

    def __init__(self) -> None:
        self.begun = self.callers = 0
        self.seconds = self.stalled = self.longest = 0.0

    def add(self, stall: StallClock, now: float) -> None:
        """Another clock."""
        if not stall.waiting:
            self.seconds += stall.seconds
            self.stalled += stall.stalled
            self.begun += stall.begun
            return
        seconds, stalled, since, begun, starts = stall.copy()
        self.begun += begun
        self.callers += len(starts)
        self.seconds += seconds
        self.stalled += stalled
        if len(starts) == 1:
            (start,) = starts.values()
            age = now - start if now > start else 0.0
            self.seconds += age
            self.stalled += now - since if now > since else 0.0
            if age > self.longest:
                self.longest = age
        elif starts:
            ages = [now - start if now > start else 0.0 for start in starts.values()]
            self.seconds += sum(ages)
            self.stalled += max(0.0, now - since)
            self.longest = max(self.longest, *ages)


class QueueSum:
    """Queues, added up as the catalogue says: sums, and the highest of ratios and ages."""

    __slots__ = (
        *("capacity", "depth", "gets", "get_waits", "idle", "looks", "members", "oldest", "open_loops"),
        *("peak", "producers", "put_waits", "puts", "ratio", "refused", "residence", "seconds", "unbounded"),
        *("unfinished",),
    )

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.put_waits, self.get_waits, self.residence = (HistogramSum(bounds) for _ in range(3))
        self.producers, self.idle = StallSum(), StallSum()
        self.seconds = NO_SECONDS[:]
        self.refused = [0, 0, 0]
        self.members = self.unbounded = self.puts = self.gets = self.looks = 0
        self.capacity: float | None = None
        self.depth: Any = 0
        self.ratio: float | None = None
        self.peak: float | None = None
        self.oldest = 0.0
        self.unfinished: int | None = None
        self.open_loops: set[int] = set()  # the identities of those in which somebody was found waiting

    def add(self, ledger: QueueLedger, levels: Levels, now: float) -> None:
        """Another queue, whose `levels` are these."""
        ledger.band_floor = ledger.fast_get_min = ledger.falling_depth = DEEP
        self._add_levels(ledger, levels, now)
        self._add_bands(ledger, now)
        self._add_operations(ledger)
        for total, stall in ((self.producers, ledger.producers), (self.idle, ledger.idle)):
            if stall.begun or stall.waiting:
                total.add(stall, now)
        if ledger.residence is not None and not self.residence.add_settled(ledger.residence):
            self.residence.add_reading(residence_of(ledger))
        if ledger.refused_full or ledger.refused_cancelled or ledger.refused_shutdown:
            refused = ledger.refused_full, ledger.refused_cancelled, ledger.refused_shutdown
            self.refused = list(map(add, self.refused, refused))

    def _add_levels(self, ledger: QueueLedger, levels: Levels, now: float) -> None:
        depth, _maxsize, capacity, unfinished, _container = levels
        ledger.look(levels, now)
        self.members += 1
        if unfinished is not None:
            self.unfinished = (self.unfinished or 0) + unfinished
        if capacity is not None and 0 < capacity < INFINITY:
            self.capacity = capacity if self.capacity is None else self.capacity + capacity
            self._add_ratios(ledger, depth, capacity, now)
        elif capacity is not None:
            self.unbounded += 1
        if depth:
            self.depth += depth
            self._add_age(ledger, levels, now)
        else:
            note_empty(ledger, now)

    def _add_ratios(self, ledger: QueueLedger, depth: Any, capacity: float, now: float) -> None:
        peak = depth
        peaks = ledger.peaks.levels
        if peaks:
            left, level = peaks[0]
            if left < now - PEAK_WINDOW:
                level = ledger.peaks.read(now)
            if level > peak:
                peak = level
        if not ledger.exact or ledger.puts - ledger.gets - ledger.unaccounted_items > depth:
            peak = max(peak, left_before(ledger, depth, now))
        if self.ratio is None or self.peak is None:
            self.ratio = self.peak = 0.0
        if depth > self.ratio * capacity:
            self.ratio = share(depth, capacity)
        if peak > self.peak * capacity:
            self.peak = share(peak, capacity)

    def _add_age(self, ledger: QueueLedger, levels: Levels, now: float) -> None:
        if self.looks < LOOKED_INTO:
            self.looks += 1
            self.oldest = max(self.oldest, oldest_age(ledger, levels, now))
        elif now - ledger.nonempty_since > self.oldest:
            self.oldest = max(self.oldest, known_age(ledger, levels, now))

    def _add_bands(self, ledger: QueueLedger, now: float) -> None:
        totals = self.seconds
        if ledger.observed is not None:
            self.seconds = list(map(add, totals, ledger.occupancy(now)))
            return
        seconds, present, since = ledger.band_seconds[:], ledger.band.index, ledger.band_since
        if now > since:
            totals[present] += now - since
        if seconds != NO_SECONDS:
            self.seconds = list(map(add, totals, seconds))

    def _add_operations(self, ledger: QueueLedger) -> None:
        """Adds up what went in and came out, with the time that it had waited."""
        puts, landing, waits = ledger.puts, ledger.landing_put, ledger.put_waits
        if landing != NEVER or not self.put_waits.add_settled(waits, puts):
            puts, reading = landed_puts(ledger)
            self.put_waits.add_reading(reading)
        gets, landing, waits = ledger.countdown_end - ledger.countdown, ledger.landing_get, ledger.get_waits
        if landing != NEVER or not self.get_waits.add_settled(waits, gets):
            gets, reading = landed_gets(ledger)
            self.get_waits.add_reading(reading)
        self.puts += puts
        self.gets += gets

    def reading(self) -> QueueReading:
        """All of them."""
        producers, idle = self.producers, self.idle
        return QueueReading(
            members=self.members,
            unbounded_members=self.unbounded,
            capacity_items=self.capacity,
            depth_items=self.depth,
            utilization_ratio=self.ratio,
            peak_utilization_ratio=self.peak,
            occupancy_seconds=tuple(self.seconds),
            put_wait_seconds=self.put_waits.reading(),
            blocked_puts=producers.begun,
            put_blocked_seconds=producers.seconds,
            stalled_seconds=producers.stalled,
            blocked_producers=producers.callers,
            longest_block_seconds=producers.longest,
            get_wait_seconds=self.get_waits.reading(),
            get_idle_seconds=idle.seconds,
            idle_consumers=idle.callers,
            puts=self.puts,
            gets=self.gets,
            refused_puts=(self.refused[0], self.refused[1], self.refused[2]),
            residence_seconds=self.residence.reading(),
            oldest_item_age_seconds=self.oldest,
            unfinished_tasks=self.unfinished,
        )
