"""Busy time of a loop: the time in which it does not wait in its selector, the present step included.

asyncio's loops are timed where they wait (`selecting`). Of other loops, uvloop's among them, a lower bound is known:
the CPU that their thread used between two beats, or how late the second one was, whichever is more.
"""

from __future__ import annotations

import time
from collections import deque

from bpexporter.primitives.limits import INFINITY

# The share of a loop is that of this many seconds at least, of which so many samples are kept.
SHARE_WINDOW = 10.0
SHARE_SAMPLES = 5


class BusyClock:
    """Seconds in which a loop was busy. The loop's thread feeds it; any other may read it at any time."""

    __slots__ = ("awake_since", "cpu", "samples", "seconds", "shown")

    def __init__(self) -> None:
        self.seconds = 0.0  # busy so far, but for the present step
        self.awake_since = INFINITY  # when the present step began; infinite in a wait, and where nobody times the loop
        self.shown = 0.0  # the highest that a reading has said: none after it says less
        self.cpu = INFINITY  # CPU of the loop's thread at the last estimate; infinite where there was none
        # Moments, and the seconds until then: the share follows from the oldest.
        self.samples: deque[tuple[float, float]] = deque(maxlen=SHARE_SAMPLES + 1)

    def begin_estimate(self) -> None:
        """Let the CPU of this thread count from now on."""
        self.cpu = time.thread_time()

    def estimate(self, lag: float) -> None:
        """Add what the loop was busy for at least since the estimate before; its timer was `lag` seconds late."""
        before, self.cpu = self.cpu, time.thread_time()
        self.seconds += max(lag, self.cpu - before)

    def rest(self, now: float) -> None:
        """End the present step: the loop has stopped."""
        awake, self.awake_since = self.awake_since, INFINITY
        self.seconds += max(0.0, now - awake)

    def sample(self, now: float) -> None:
        """Keep what was busy until now, a few times in the window."""
        if not self.samples or now - self.samples[-1][0] >= SHARE_WINDOW / SHARE_SAMPLES:
            self.samples.append((now, self.read(now)))

    def read(self, now: float, late: float = 0.0) -> float:
        """Busy seconds until `now`; of a loop that nobody times, its timer is `late` by so much at present."""
        seconds, awake = self.seconds, self.awake_since
        self.shown = max(self.shown, seconds + max(late, now - awake))
        return self.shown

    def share(self, now: float, busy: float) -> float | None:
        """The share of the last 10 s in which the loop was busy, where `busy` seconds are those until `now`."""
        begun, before = next(iter(self.samples.copy()), (now, busy))
        return min(1.0, (busy - before) / (now - begun)) if now > begun else None
