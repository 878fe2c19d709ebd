"""The stall clock: who waits, since when, and for how long in all.

Every method takes `now`, monotonic-clock seconds, from its caller, so that one clock reading serves all. One thread
feeds a clock; another may read it at any time. Therefore every change that must be seen whole stands in straight
lines without a call: there the interpreter does not change threads.

A wait is known by a token: `id()` of the task that waits; of the future that is awaited, where the task was not asked;
an object of its own, where one task drives two waits by hand. Never the task or the future itself, which would hold
the resource.
"""

from __future__ import annotations

import math
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
    """Times the callers of one side of a resource that wait, as Linux PSI does: the totals run while the wait lasts."""

    __slots__ = (
        "side",  # the operation that these callers wait for: "put", "get", "acquire", "drain"
        "waiting",  # the beginning of each wait, by its token
        "since",  # when the present stall began, where there is one
        "seconds",  # of waits that have ended, all callers together
        "stalled",  # wall seconds of stalls that have ended
        "begun",  # waits begun so far
        "told_at",  # when a listener was last told of an operation of this side
    )

    def __init__(self, *, side: str = "") -> None:
        self.side = side
        self.waiting: dict[object, float] = {}
        self.since = 0.0
        self.seconds = 0.0
        self.stalled = 0.0
        self.begun = 0
        self.told_at = -math.inf

    def begin(self, token: object, now: float) -> None:
        """`token` waits from `now` on."""
        if not self.waiting:
            self.since = now
        self.waiting[token] = now
        self.begun += 1

    def resume(self, token: object, now: float) -> None:
        """`token`, which has waited before, goes on to wait: it is no further wait."""
        if not self.waiting:
            self.since = now
        self.waiting[token] = now

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

    def take_over(self, other: StallClock, now: float, *, others_now: float) -> None:
        """The waits of `other` go on here, each as old as it is; their seconds and the stall count from `now` on."""
        ages = {token: others_now - since for token, since in other.waiting.copy().items()}
        waiting = {token: now - age for token, age in ages.items()}
        waited = self.seconds - sum(ages.values())
        if waiting and not self.waiting:
            self.since = now
        self.waiting, self.seconds = {**self.waiting, **waiting}, waited

    def end_all(self, now: float) -> None:
        """Nobody waits any more from `now` on: the loop in which they waited has ended."""
        waiting = self.waiting
        ages = sum(max(0.0, now - since) for since in waiting.values())
        stall = max(0.0, now - self.since) if waiting else 0.0
        self.seconds, self.stalled, self.waiting = self.seconds + ages, self.stalled + stall, {}

    def read(self, now: float) -> Waiting:
        """The state at `now`; may be called from any thread."""
        if not self.waiting:
            return Waiting(0, self.seconds, self.stalled, 0.0, self.begun)
        seconds, stalled, since, begun, starts = self.copy()
        ages = [now - start if now > start else 0.0 for start in starts.values()]
        if not ages:
            return Waiting(0, seconds, stalled, 0.0, begun)
        wall = stalled + max(0.0, now - since)
        return Waiting(len(ages), seconds + sum(ages), wall, max(ages), begun)

    def copy(self) -> tuple[float, float, float, int, dict[object, float]]:
        """Seconds, stalled seconds, the start of the present stall, waits begun, and the starts of the present ones."""
        # One expression whose only call comes last: a consistent copy without a lock.
        return self.seconds, self.stalled, self.since, self.begun, self.waiting.copy()
