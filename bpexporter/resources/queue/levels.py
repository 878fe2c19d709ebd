"""The part of a queue's ledger on its levels: counts, capacity, and the time in each band."""

from __future__ import annotations

from operator import add
from typing import Any, NamedTuple

from bpexporter.primitives.bands import BANDS, Band, band_at, bands_of
from bpexporter.primitives.limits import INFINITY
from bpexporter.primitives.numbers import as_number
from bpexporter.primitives.peaks import PeakWindow
from bpexporter.resources.ledger import MemberLedger

FIFO, LIFO, HEAP, OTHER = range(4)
NOT_CLEARED = -1, 0.0  # the puts at which a cleared level was first seen, and when


class Levels(NamedTuple):
    """The levels that are read from the queue itself."""

    depth: Any
    """Items waiting."""
    maxsize: Any
    """As the host has set it."""
    capacity: float | None
    """The same as a number, 0 or below where nothing is limited; ``None`` where it is not known."""
    unfinished: int | None
    """Items put and not yet done; ``None`` where that is not known."""
    container: Any
    """The container of the items that wait; ``None`` where that cannot be looked at."""


class Observed(NamedTuple):
    """A stretch in which readings found the level in other bands than where the last put or get has left it."""

    band_since: float
    """The beginning of the stretch: it is over where another has begun."""
    seconds: tuple[float, ...]
    """Seconds in each band up to the last change that was found."""
    band: int
    """The one that was found last."""
    since: float
    """The moment at which it was first found."""

    def seconds_until(self, now: float) -> list[float]:
        """Seconds in each band, the present one included."""
        seconds = list(self.seconds)
        seconds[self.band] += max(0.0, now - self.since)
        return seconds


def limit_of(maxsize: Any, *, has_own_full: bool) -> float | None:
    """Returns `maxsize` as a number, 0 where nothing is limited; ``None`` where the queue bounds itself without one."""
    limit = as_number(maxsize) or 0
    return None if has_own_full and not 0 < limit < INFINITY else limit


class LevelLedger(MemberLedger):
    """The part of a queue's ledger that follows its levels."""

    __slots__ = (
        # The kind of queue: set when it is attached.
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
        "capacity",  # the maxsize that the limits below belong to, as the host has set it
        "capacity_items",  # the same as a number; None where the queue says by itself when it is full
        "has_own_full",  # its class says in its own way when it is full
        "bounds_itself",  # it does, and has no maxsize
        "cleared",  # the puts at which a level lower than the last one was first seen, and when
        # Time: written where a limit fails.
        "step_time",  # a clock reading that the same step may use again
        "band",  # the present band
        "band_since",  # when it was entered
        "band_seconds",  # seconds in each band, without the present stretch
        "observed",  # levels that readings found in the present stretch; None where they are those recorded
        "peaks",  # levels of the last minute
    )

    order: int
    exact: bool
    has_own_full: bool
    bounds_itself: bool
    puts: int
    unaccounted_items: int

    def _restart_levels(self, levels: Levels, now: float) -> None:
        self.puts = 0
        self.countdown_end = self.countdown = 0
        self.refused_full = self.refused_cancelled = self.refused_shutdown = 0
        self.cleared = NOT_CLEARED
        self.step_time: float | None = None
        self.depth = levels.depth
        self.capacity, self.capacity_items = levels.maxsize, levels.capacity
        self.band_seconds = [0.0] * len(BANDS)
        self.band_since = now
        self.observed: Observed | None = None
        band = bands_of(levels.capacity or 0)
        self.band = band_at(band, levels.depth) if levels.depth else band
        self.peaks = PeakWindow()

    @property
    def gets(self) -> int:
        """Items out. They are counted down: an `int` up to 256 is made once, a larger one at each change."""
        return self.countdown_end - self.countdown

    def left_level(self) -> int:
        """The level that the last put or get has left."""
        return self.puts - self.gets - self.unaccounted_items if self.exact else self.depth

    # On the thread of the queue's loop ----------------------------------------------------------------

    def is_off(self, depth: int, capacity: Any) -> bool:
        """Returns whether the level is in another band than the present one, or the capacity another."""
        return capacity is not self.capacity or not self.band.floor <= depth < self.band.ceiling

    def place_itself(self, depth: Any, *, is_full: bool) -> None:
        """The queue has said by itself whether it is full: nothing is known of how many items that takes."""
        band = band_at(bands_of(depth if is_full else 0), depth)
        if band is not self.band:
            self._enter(band, self.clock())

    def _place(self, depth: int, capacity: float, now: float) -> None:
        self.depth = depth
        band = self.band
        if capacity is not self.capacity:
            self.capacity = capacity
            self.capacity_items = limit_of(capacity, has_own_full=self.has_own_full)
            self.bounds_itself = self.capacity_items is None
            self._enter(band_at(bands_of(self.capacity_items or 0), depth), now)
        elif self.observed is not None or not band.floor <= depth < band.ceiling:
            self._enter(band_at(band, depth), now)

    def _enter(self, band: Band, now: float) -> None:
        observed, self.observed = self.observed, None
        if observed is not None and observed.band_since == self.band_since:
            self.band_seconds = list(map(add, self.band_seconds, observed.seconds_until(now)))
        else:
            self.band_seconds[self.band.index] += now - self.band_since
        self.band_since = now
        self.band = band

    # Read from any thread ---------------------------------------------------------------------------

    def look(self, levels: Levels, now: float) -> None:
        """Look at the levels that a reading has found; as a rule they are in the band that is known."""
        depth, maxsize, capacity, _unfinished, _container = levels
        band = self.band
        if maxsize is not self.capacity or not band.floor <= depth < band.ceiling or self.observed is not None:
            self.observe(depth, capacity, now)

    def observe(self, depth: Any, capacity: float | None, now: float) -> None:
        """The level found by a reading may be in another band than where the last put or get has left it."""
        band, since, observed = self.band, self.band_since, self.observed
        if capacity is None and depth:
            return
        if observed is not None and observed.band_since != since:
            observed = None
        found = band_at(bands_of(capacity or 0), depth).index
        if found == (band.index if observed is None else observed.band):
            return
        start = Observed(since, (0.0,) * len(BANDS), band.index, since) if observed is None else observed
        self.observed = Observed(since, tuple(start.seconds_until(now)), found, now)

    def occupancy(self, now: float) -> tuple[float, ...]:
        """Seconds in each band, the present stretch included."""
        seconds, present, since, observed = self.band_seconds[:], self.band.index, self.band_since, self.observed
        if observed is not None and observed.band_since == since:
            return tuple(map(add, seconds, observed.seconds_until(now)))
        if now > since:
            seconds[present] += now - since
        return tuple(seconds)
