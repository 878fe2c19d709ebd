"""The ledger of an event loop: a timer that the loop runs again and again, and how late it ran.

At most ten short callbacks a second are the whole cost, and no other way of the loop is touched. A timer
keeps no loop alive and no `asyncio.run()` from ending; a loop that is closed drops it.
"""

from __future__ import annotations

import sys
import time
import weakref
from asyncio.events import _get_running_loop
from collections.abc import Callable
from contextvars import Context
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.histogram import Durations
from bpexporter.primitives.limits import INFINITY
from bpexporter.resources.ledger import MemberLedger
from bpexporter.resources.loop.metrics import LoopReading

# Seconds between two beats. In a loop that works a beat takes 30 to 60 microseconds; to wake up a loop that sleeps
# takes up to 200. So a loop that stays idle is asked less and less often, and neither costs over 0.06 % of a core.
SHORTEST, LONGEST = 0.1, 0.5
CALM_BEATS = 3
# A loop that takes less of a core is idle, unless it was stuck for so long: a busy machine makes idle loops late too.
IDLE = 0.05
STUCK = 0.05
# Selectors round time-outs up to milliseconds, so an idle loop is late by as much: that is no stall.
PUNCTUAL = 0.002


def present_run() -> weakref.ref[Any] | None:
    """What lives exactly as long as the present run of the running loop.

    Each `run_forever()` sets hooks for asynchronous generators that are new bound methods, and drops them when it
    returns. asyncio and uvloop do so.
    """
    try:
        return weakref.ref(sys.get_asyncgen_hooks().firstiter)
    except TypeError:  # somebody has set none, or one of his own
        return None


class LoopLedger(MemberLedger):
    """What is recorded of one event loop."""

    __slots__ = (
        *("calm", "due", "interval", "lags"),
        *("run", "shown", "stalled", "used"),
    )

    def __init__(self, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.restart(bounds)

    def restart(self, bounds: tuple[float, ...]) -> None:
        """Count from zero."""
        self.lags = Durations(bounds)
        self.stalled = self.shown = 0.0
        self.due = INFINITY
        self.run: weakref.ref[Any] | None = None
        self.interval, self.calm, self.used = SHORTEST, 0, 0.0

    # On the loop --------------------------------------------------------------------------------

    def beat(self) -> None:
        """Note how late the timer is, and set it again."""
        try:
            loop = _get_running_loop()
            if self.retired or loop is None:
                return
            now = self.clock()
            lag = self._lag(now)
            self._pace(lag)
            self.due = now + self.interval
            loop.call_later(self.interval, self.beat, context=Context())
        except Exception as error:
            faults.swallow(error, "a loop")

    def _lag(self, now: float) -> float:
        before, self.run = self.run, present_run()
        if self.due == INFINITY or (before is not None and self.run != before):
            return 0.0  # what passed between two runs was nobody's to wait for
        lag = max(0.0, now - self.due)
        self.lags.keep(lag)
        if lag > PUNCTUAL:
            self.stalled, self.due = self.stalled + lag, now
        return lag

    def _pace(self, lag: float) -> None:
        used = time.thread_time()
        if lag > STUCK or used - self.used > IDLE * self.interval:
            self.interval, self.calm = SHORTEST, 0
        elif self.calm < CALM_BEATS:
            self.calm += 1
        else:
            self.interval, self.calm = min(2 * self.interval, LONGEST), 0
        self.used = used

    # On any thread ------------------------------------------------------------------------------

    def stalled_seconds(self, now: float, *, runs: bool) -> float:
        """Seconds that the loop was late in all, the present stall included while the loop `runs`."""
        stalled, due = self.stalled, self.due
        late = now - due
        if runs and late > PUNCTUAL and (self.run is None or self.run() is not None):
            stalled += late
        self.shown = max(self.shown, stalled)  # a stall that was seen stays, also where its loop has ended in it
        return self.shown

    def read(self, now: float, *, tasks: int, runs: bool) -> LoopReading:
        """A reading at `now`."""
        self.lags.settle()
        counts = self.lags.counts
        lags = self.lags.reading(counts and counts[:], self.lags.total, 0)
        return LoopReading(lags, self.stalled_seconds(now, runs=runs), tasks)
