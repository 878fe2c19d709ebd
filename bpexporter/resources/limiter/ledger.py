"""The ledger of a limiter: what those who acquire and release permits update."""

from __future__ import annotations

from collections.abc import Callable

from bpexporter.primitives.amounts import amount
from bpexporter.primitives.histogram import Durations
from bpexporter.primitives.limits import INFINITY
from bpexporter.primitives.peaks import PEAK_SLOT, PEAK_WINDOW, PeakWindow
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.ledger import MemberLedger

# A capacity that nobody has told, of which nothing was free when the limiter was watched, is what was free at most; it
# is known when nothing was added to it for so many seconds.
SETTLED_SECONDS = 60.0


class LimiterLedger(MemberLedger):
    """The ledger of one limiter. But for `seen`, the thread of its loop alone writes."""

    __slots__ = (
        # Counted.
        "acquires",  # acquires that got a permit
        "refused_cancelled",  # acquires given up
        "blocked",  # callers that wait for a permit
        "waits",  # seconds that each acquire which got a permit had waited
        # The level: permits in use.
        "capacity",  # permits at most, as far as is known
        "known_from",  # when the capacity is known: always, where somebody has told it
        "peaks",  # levels that were left
        "seen",  # the level at the last reading, and when that was
        # Compared by each release.
        "exact",  # true where the limiter is the standard library's through and through
        "lowest",  # free permits; a release to fewer leaves a higher level than the one that was dated last
        "dated_until",  # until then that level, and those below, need not be dated again
    )

    def __init__(self, *, bounds: tuple[float, ...], clock: Callable[[], float], capacity: float = 0) -> None:
        super().__init__(clock=clock)
        self.exact = False
        self.restart(bounds=bounds, capacity=capacity)

    def restart(self, *, bounds: tuple[float, ...], capacity: float) -> None:
        """Count from zero, with so many permits."""
        self.acquires = self.refused_cancelled = 0
        self.blocked = StallClock(side="acquire")
        self.waits = Durations(bounds)
        self.capacity = capacity
        self.known_from = -INFINITY
        self.peaks = PeakWindow()
        self.seen: tuple[float, float] = 0, -INFINITY
        self.lowest: float = -1
        self.dated_until = -INFINITY

    def doubt(self) -> None:
        """Let the capacity be unknown until it has shown."""
        self.known_from = INFINITY

    def inherit(self, before: LimiterLedger) -> None:
        """Go on where `before` recorded the same limiter: who waits has begun to wait there."""
        self.blocked.begun = 0
        if before.capacity >= self.capacity:
            self.capacity, self.known_from = before.capacity, before.known_from

    # Recording: on the thread of the limiter's loop -------------------------------------------------------

    def note_release(self, value: float, now: float) -> None:
        """A release has left `value` permits free `now`, and there is something to date."""
        free = amount(value)
        if free is None:
            return
        if free > self.capacity:  # released more often than acquired, or held since before it was watched
            self.capacity = free
            if self.known_from > -INFINITY:
                self.known_from = now + SETTLED_SECONDS
        self.left(self.capacity - free + 1, now)
        self.lowest = free
        if self.listener is not None:
            self.tell_operation(self.blocked, now)

    def left(self, level: float, now: float) -> None:
        """Records that so many permits were in use until `now`."""
        # A release within the slot may leave the same level again, and does not say so.
        self.dated_until = now + PEAK_SLOT
        self.peaks.add(level, self.dated_until)

    def begin(self, token: object) -> None:
        """An acquire of this `token` waits."""
        self.begin_wait(self.blocked, token)

    def gave_up(self, token: object) -> None:
        """The acquire of this `token` was given up."""
        self.end_wait(self.blocked, token)
        self.refused_cancelled += 1

    def acquired(self, token: object) -> None:
        """The acquire of this `token` has its permit."""
        self.waits.feed(self.end_wait(self.blocked, token))
        self.acquires += 1

    def end_waits(self, now: float) -> None:
        """Nobody waits any more: the loop has closed, or the limiter is watched no longer."""
        self.blocked.end_all(now)

    # Reading ------------------------------------------------------------------------------------

    def peak_level(self, now: float) -> float:
        """Most permits in use in the last 60 s, as far as is known where none of them came back."""
        seen, at = self.seen
        return max(self.peaks.read(now), seen if now - at <= PEAK_WINDOW else 0)
