"""The ledger of a queue: what the hot path updates, and the items that are timed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from bpexporter.primitives.histogram import Durations
from bpexporter.primitives.limits import NEVER
from bpexporter.primitives.sightings import Counted, Sightings
from bpexporter.primitives.tracers import ByIdentity, InTurn, Stacked, Tracers
from bpexporter.resources.queue.levels import FIFO, HEAP, LIFO, OTHER, Levels
from bpexporter.resources.queue.waits import WaitLedger

# The clock is read at least once in so many gets, so that a peak can be dated; a reading asks for one too.
ALARM_GETS = 1024
# The most gets that are counted down before the count is settled: the largest of CPython's ready-made integers.
COUNTDOWN = 256
# Under this many seconds between two alarms they may be further apart, over it they come nearer.
ALARM_SECONDS = 0.05

TRACERS: dict[int, type[Tracers]] = {FIFO: InTurn, LIFO: Stacked, HEAP: ByIdentity, OTHER: ByIdentity}
UNKNOWN = -NEVER  # a count of puts that there never was


class QueueLedger(WaitLedger):
    """The ledger of one queue.

    Before a put the hot path compares the depth with `band_floor` and `fast_put_max`, before a get with
    `falling_depth` and `fast_get_max`, and counts `countdown` down; only where one of them fails is there something to
    time, and `note_put` or `note_get` is called.
    """

    __slots__ = (
        # Limits: the hot path compares the depth with them before its work.
        "band_floor",  # a put that finds fewer has to look
        "fast_put_max",  # a put that finds this many leads one band up, one that finds more has to look
        "fast_get_min",  # a get from a stack or a heap that finds fewer has to look
        "fast_get_max",  # a get that finds more has a new peak to date
        "falling_depth",  # a get that finds this many leads one band down, one that finds fewer has to look
        "tracer_floor",  # a tracer item of a stack is out where fewer are left
        "alarm_gets",  # the gets at which a tracer item is out or the peak is to be dated
        # Time: written where a limit fails.
        "renewal_interval",  # gets between two looks at the clock
        "renewal_gets",  # the gets at which the next is due
        "renewed_at",  # when the last was
        # Tracer items.
        "wants_tracer",  # the next put is timed
        "tracers",  # the items that are timed
        "starts",  # of those that are told by their identity
        "residence",  # put-to-get seconds; None before the first
        "nonempty_since",  # when it was last empty, and an item came in
        "nonempty_puts",  # the puts with that item; UNKNOWN where items have come or gone by other ways since
        "empty_at",  # when a reading last found nothing in it
        "sightings",  # items seen waiting at readings, which alone touch it; None until something was
    )

    def __init__(
        self,
        *,
        order: int,
        exact: bool = True,
        visible: bool,
        bounds: tuple[float, ...],
        clock: Callable[[], float],
        levels: Levels,
    ) -> None:
        super().__init__(clock=clock)
        self.order, self.visible = order, visible
        self.exact = exact = exact and order != OTHER
        self.fifo, self.heap = exact and order == FIFO, exact and order == HEAP
        self.has_own_full, self.bounds_itself = False, levels.capacity is None
        self.successor = None
        self.restart(bounds=bounds, levels=levels)

    def restart(self, *, bounds: tuple[float, ...], levels: Levels) -> None:
        """Count from zero, with the queue as it is now."""
        now = self.clock()
        self._restart_levels(levels, now)
        self._restart_waits(bounds, now)
        self.residence: Durations | None = None
        self.nonempty_since, self.nonempty_puts = now, 0
        self.empty_at = -math.inf
        self.sightings: Sightings | Counted | None = None
        self.renewal_interval, self.alarm_gets, self.renewal_gets, self.renewed_at = 1, 1, 1, now
        self.fast_get_max = 0
        self.tracers: Tracers = TRACERS[self.order]()
        self.starts = self.tracers.starts
        self.unaccounted_items = 0
        if levels.depth:
            self.retrace(levels.depth, now, seen=levels.depth)
            self.nonempty_puts = 0  # all that wait are known from now on
        self.wants_tracer = True
        self._mark()  # the countdown is at its end

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
        self.band_floor = self.fast_get_min = self.falling_depth = band.floor
        self.fast_put_max = band.rising_depth
        if not depth:
            self.nonempty_since = now
            self.nonempty_puts = self.puts

    def fall(self) -> None:
        """A get led one band down."""
        now = self.step_time
        if now is None:
            now = self.clock()
        band = self.band
        self.band_seconds[band.index] += now - self.band_since
        self.band_since = now
        self.band = band = band.down
        self.band_floor = band.floor
        self.falling_depth = falling_depth = band.falling_depth
        self.fast_get_min = falling_depth if falling_depth > self.tracer_floor else self.tracer_floor + 1
        if not self.wants_tracer:
            self.fast_put_max = band.rising_depth

    def note_put(self, item: object, depth: int, capacity: Any, *, kept_as: object = None) -> None:
        """A put left `depth` items, and there is something to time."""
        now = self.clock() if self.step_time is None else self.step_time
        self._recount(depth, 1, now)
        if depth == 1:
            self.nonempty_since = now
            self.nonempty_puts = self.puts
        self._place(depth, capacity, now)
        self._renew_if_due(depth, now)
        if self.wants_tracer:
            self.trace(item, depth, now, kept_as=kept_as)
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
        if depth < self.tracers.floor or self.gets >= self.tracers.gets:
            self._traced(self.tracers.out(self.gets, depth, now), depth, now)
        self._place(depth, capacity, now)
        self._renew_if_due(depth, now)
        self._limit()
        if self.listener is not None:
            self.tell_operation(self.idle, now)

    def is_calm(self, depth: int) -> bool:
        """Returns whether a get that left `depth` items led to nothing that is timed by depth."""
        return self.band_floor <= depth and self.tracer_floor <= depth < self.fast_get_max

    def place(self, depth: int, capacity: float) -> None:
        """The level may have changed by other ways than put and get."""
        now = self.clock()
        self._recount(depth, 0, now)
        self.peaks.add(depth, now)
        self._place(depth, capacity, now)
        self._limit()

    def _limit(self) -> None:
        """Sets the marks and the countdown that the hot path looks at, as things are now."""
        self._mark()
        gets = self.countdown_end - self.countdown
        left = self.alarm_gets - gets - 1
        if left < 0 or self.adopted:
            left = 0
        elif left > COUNTDOWN:
            left = COUNTDOWN
        self.countdown_end, self.countdown = gets + left, left

    def _mark(self) -> None:
        band = self.band
        self.band_floor = band.floor
        self.falling_depth = falling_depth = band.falling_depth
        self.tracer_floor = tracer_floor = self.tracers.floor
        self.fast_get_min = falling_depth if falling_depth > tracer_floor else tracer_floor + 1
        self.fast_put_max = -1 if self.wants_tracer else band.rising_depth

    def nonempty(self) -> float | None:
        """Returns since when an item waits that came into the empty queue; ``None`` where it may be out by now."""
        puts, since = self.nonempty_puts, self.nonempty_since
        is_in = self.order == LIFO or self.gets < puts - self.unaccounted_items
        return since if puts != UNKNOWN and is_in else None

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

    def trace(self, item: object, depth: int, now: float, *, kept_as: object = None) -> None:
        """Time `item`, which has just gone in, and lies there as `kept_as`."""
        self.tracers.add(item, self.gets, depth, now, kept_as=kept_as)
        self.alarm_gets = min(self.alarm_gets, self.tracers.gets)
        self.wants_tracer = bool(self.adopted)  # while there are such callers each put has to look

    def _recount(self, depth: int, step: int, now: float) -> None:
        """After a put or get (`step` 1 or -1) left `depth` items: had others come or gone by other ways before?"""
        lost = self.puts - self.gets - depth
        if lost != self.unaccounted_items:
            self.peaks.add(depth - step + lost - self.unaccounted_items if self.exact else self.depth, now)
            self.retrace(depth, now, seen=depth - max(step, 0))

    def retrace(self, depth: int, now: float, *, seen: int) -> None:
        """Records that `depth` items are in, `seen` of them since before, where it is not known which ones."""
        self.tracers.doubt(depth, self.puts)
        self.unaccounted_items = self.puts - self.gets - depth
        self.nonempty_puts = UNKNOWN
        if seen > 0:
            self.tracers.add(None, self.gets, seen, now, known=True)
            self.alarm_gets = min(self.alarm_gets, self.tracers.gets)

    def note_dropped(self) -> None:
        """A put left as many items as it found: the queue has dropped it as a duplicate, or its oldest for it."""
        self.unaccounted_items += 1
        self.tracers.note_dropped()

    def marked(self, item: object, depth: int) -> None:
        """`item` came out, which was told by its identity."""
        now = self.clock()
        self._traced(self.tracers.taken(item, now), depth, now)

    def _traced(self, durations: list[float], depth: int, now: float) -> None:
        if self.puts - self.gets - depth != self.unaccounted_items:
            return  # items went by other ways too: who knows which this was
        for duration in durations:
            if self.residence is None:
                self.residence = Durations(self.put_waits.bounds)
            self.residence.keep(duration)

    def look_at_each(self) -> None:
        """Let each put and get go the long way, where it is seen whether its caller had waited before."""
        self.wants_tracer = True
        self._limit()

    def go_on_from(self, ledger: WaitLedger, now: float) -> None:
        """The callers that wait in the queue's former `ledger` wait here from now on."""
        self.take_over(ledger, now)
        if self.adopted:
            self.look_at_each()


def present(ledger: QueueLedger | None) -> QueueLedger | None:
    """The ledger in which what began in `ledger` goes on; ``None`` where the queue is watched no more."""
    while ledger is not None and ledger.retired:
        ledger = ledger.successor
    return ledger
