"""Who waits, since when, and for how long in all.

Every method takes `now`, monotonic-clock seconds, from its caller, so that one clock reading serves all. One thread
feeds a clock; another may read it at any time. Therefore every change that must be seen whole stands in straight
lines without a call: there the interpreter does not change threads.
"""

from __future__ import annotations

from typing import NamedTuple


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
