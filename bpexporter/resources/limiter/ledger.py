"""The ledger of a limiter: what the hot path of a semaphore updates."""

from __future__ import annotations

from collections.abc import Callable

from bpexporter.primitives.histogram import Durations, HistogramReading
from bpexporter.primitives.peaks import PEAK_WINDOW, PeakWindow
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.ledger import MemberLedger
from bpexporter.resources.limiter.metrics import LimiterReading

# The clock is read at least once in so many releases, so that a peak can be dated; a reading asks for one too.
ALARM_RELEASES = 256
# Under this many seconds between two such readings of the clock they may be further apart, over it they come nearer.
ALARM_SECONDS = 0.05


class LimiterLedger(MemberLedger):
    """What is recorded of one semaphore.

    A release compares the permits that are free after it with `lowest` and `capacity`, and the acquires so far with
    `alarm`; where one of them says so, there is a peak to date.
    """

    __slots__ = (
        *("acquires", "capacity", "value", "seen", "refused_cancelled", "blocked", "waits"),
        *("exact", "ceiling", "lowest", "alarm", "interval", "alarm_at", "peaks"),
    )

    def __init__(self, *, bounds: tuple[float, ...], clock: Callable[[], float], capacity: int, value: int) -> None:
        super().__init__(clock=clock)
        self.exact = False
        self.restart(bounds=bounds, capacity=capacity, value=value)

    def restart(self, *, bounds: tuple[float, ...], capacity: int, value: int) -> None:
        """Count from zero, with the semaphore as it is now."""
        self.acquires = 0
        self.capacity, self.value = capacity, value
        self.seen = 0, 0.0  # the permits in use at the last reading, and when that was
        self.refused_cancelled = 0
        self.blocked = StallClock(side="acquire")
        self.waits = Durations(bounds)
        self.ceiling = self.lowest = -1
        self.alarm, self.interval, self.alarm_at = 0, 1, self.clock()
        self.peaks = PeakWindow()

    # Recording: called by the instrument, on the thread of the semaphore's loop --------------------------

    def note_release(self, value: int) -> None:
        """A release left `value` permits free, and there is something to time."""
        now = self.clock()
        if value > self.capacity:  # released more often than acquired, or held since before it was watched
            self.capacity = value
        in_use = self.capacity - value + 1
        if self.acquires >= self.alarm:
            self._renew(in_use, now)
        else:
            self.ceiling = in_use
            self.peaks.add(in_use, now)
        self.lowest = self.capacity + 1 - self.ceiling
        if self.listener is not None:
            self.tell_operation(self.blocked, now)

    def _renew(self, in_use: int, now: float) -> None:
        self.peaks.add(max(self.ceiling, in_use), now)
        brisk = now - self.alarm_at < ALARM_SECONDS
        self.interval = min(self.interval * 2, ALARM_RELEASES) if brisk else max(1, self.interval // 2)
        self.alarm_at, self.alarm, self.ceiling = now, self.acquires + self.interval, in_use - 1

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

    # Reading ------------------------------------------------------------------------------------

    def read(self, value: int | None, now: float) -> LimiterReading:
        """A reading at `now`; `value` permits are free, ``None`` for a semaphore that is gone."""
        self.alarm = 0  # the next release dates the peak: whatever comes after is newer than this reading
        blocked = self.blocked.read(now)
        gone = value is None
        capacity = 0 if value is None else max(self.capacity, value)
        in_use = 0 if value is None else capacity - value
        if not gone:
            self.seen = in_use, now
        return LimiterReading(
            members=int(not gone),
            capacity_permits=None if gone else capacity,
            in_use_permits=None if gone else in_use,
            utilization_ratio=in_use / capacity if capacity else None,
            peak_utilization_ratio=max(in_use, self.peaks.read(now)) / capacity if capacity else None,
            acquire_wait_seconds=self._waits(),
            blocked_acquires=blocked.begun,
            acquire_blocked_seconds=blocked.caller_seconds,
            stalled_seconds=blocked.stalled_seconds,
            waiting_tasks=blocked.callers,
            longest_block_seconds=blocked.longest,
            refused_acquires=(self.refused_cancelled,),
        )

    def peak(self, now: float) -> float:
        """Most permits in use in the last 60 s, as far as is known where none of them came back."""
        seen, at = self.seen
        return max(self.peaks.read(now), seen if now - at <= PEAK_WINDOW else 0)

    def _waits(self) -> HistogramReading:
        waits = self.waits
        for _ in range(100):
            waits.settle()
            counts, total = waits.counts, waits.total + waits.briefly
            acquires, state, busy, late = self.acquires, counts and counts[:], waits.busy, len(waits.raw)
            if not busy:
                break
        acquires -= late
        return waits.reading(state, total, max(0, acquires - sum(state or ())))
