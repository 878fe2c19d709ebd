"""The ledger of an event loop: a timer that the loop runs again and again, and how late it ran.

At most ten short callbacks a second are the whole cost, and no other way of the loop is touched. A timer
keeps no loop alive and no `asyncio.run()` from ending; a loop that is closed drops it.
"""

from __future__ import annotations

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
from bpexporter.resources.loop.busy import BusyClock
from bpexporter.resources.loop.metrics import LoopReading
from bpexporter.resources.loop.selecting import SelectorTiming, present_run, selector_of, timing_of

# Seconds between two beats. In a loop that works a beat takes 30 to 60 microseconds; to wake up a loop that sleeps
# takes up to 200. So a loop that stays idle is asked less and less often, and neither costs over 0.06 % of a core.
SHORTEST, LONGEST = 0.1, 0.5
CALM_BEATS = 3
# A loop that takes less of a core is idle, unless it was stuck for so long: a busy machine makes idle loops late too.
IDLE = 0.05
STUCK = 0.05
# Selectors round time-outs up to milliseconds, so an idle loop is late by as much: that is no stall.
PUNCTUAL = 0.002


class Timer:
    """A callback of a loop after an interval. A loop that closes drops it uncalled, by which that is seen at once."""

    __slots__ = ("__weakref__", "beat")

    def __init__(self, beat: Callable[[], None]) -> None:
        self.beat = beat

    def __call__(self) -> None:
        """The interval is over."""
        self.beat()


class LoopLedger(MemberLedger):
    """The ledger of one event loop. But for `shown`, its thread alone writes."""

    __slots__ = (
        "attend",  # looks at what the loop owns, and says whether somebody is held up; None where there is nothing
        "busy",  # seconds in which the loop did not wait
        "calm",  # beats in a row that found nothing
        "due",  # when the next beat is to come; infinite before the first
        "interval",  # seconds between two beats
        "lags",  # the lateness of each beat
        "run",  # lives as long as the run in which the last beat was; None where that is not known
        "shown",  # the most stalled seconds that a reading has said: none after it says less
        "stalled",  # seconds late so far, without the present stall
        "timer",  # refers weakly to the timer that is set
        "timing",  # times the selector; None where it cannot be timed
        "used",  # CPU of the thread at the last beat
    )

    def __init__(self, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.timing: SelectorTiming | None = None
        self.attend: Callable[[], bool] | None = None
        self.timer: weakref.ref[Timer] | None = None
        self.restart(bounds)

    def restart(self, bounds: tuple[float, ...]) -> None:
        """Count from zero."""
        self.end_timing()
        self.busy = BusyClock()
        self.lags = Durations(bounds)
        self.stalled = self.shown = 0.0
        self.due = INFINITY
        self.run: weakref.ref[Any] | None = None
        self.interval, self.calm, self.used = SHORTEST, 0, 0.0

    def end_timing(self) -> None:
        """Let the selector be as it was."""
        timing, self.timing = self.timing, None
        if timing is not None:
            timing.end()

    # On the loop --------------------------------------------------------------------------------

    def beat(self) -> None:
        """Note how late the timer is, and set it again."""
        try:
            loop = _get_running_loop()
            self.timer = None
            if self.retired or loop is None:
                return
            now = self.clock()
            lag = self._lag(now)
            self._measure(loop, lag)
            self.busy.sample(now)
            held_up = self.attend is not None and self.attend()
            self._pace(lag or 0.0, held_up=held_up)
            self._set_timer(loop, now)
        except Exception as error:
            faults.swallow(error, "a loop")

    def begin_with_run(self, loop: Any) -> None:
        """Set the timer of `loop`, which is about to run on this thread, and whose first turn begins the timing."""
        self.timing = timing_of(loop, self.busy, self.clock)
        if self.timing is not None:
            self.timing.await_run()
        self._set_timer(loop, self.clock())

    def _set_timer(self, loop: Any, now: float) -> None:
        self.due = now + self.interval
        timer = Timer(self.beat)
        self.timer = weakref.ref(timer, self._dropped)
        loop.call_later(self.interval, timer, context=Context())

    def _dropped(self, _timer: object) -> None:
        """The loop has dropped its timer: it is closed, or gone."""
        self.ended_at = self.clock()

    def _lag(self, now: float) -> float | None:
        """Seconds that this beat is late; ``None`` for the first one of a run."""
        before, self.run = self.run, present_run()
        if self.due == INFINITY or (before is not None and self.run != before):
            return None  # what passed between two runs was nobody's to wait for
        lag = max(0.0, now - self.due)
        self.lags.keep(lag)
        if lag > PUNCTUAL:
            self.stalled, self.due = self.stalled + lag, now
        return lag

    def _measure(self, loop: Any, lag: float | None) -> None:
        if self.timing is not None and self.timing.goes_on(selector_of(loop)):
            return
        if lag is not None:
            self.busy.estimate(lag)
        self.end_timing()
        self.timing = timing_of(loop, self.busy, self.clock)
        if self.timing is None or not self.timing.begin():
            self.timing = None
            self.busy.begin_estimate()

    def _pace(self, lag: float, *, held_up: bool) -> None:
        used = time.thread_time()
        if held_up or lag > STUCK or used - self.used > IDLE * self.interval:
            self.interval, self.calm = SHORTEST, 0
        elif self.calm < CALM_BEATS:
            self.calm += 1
        else:
            self.interval, self.calm = min(2 * self.interval, LONGEST), 0
        self.used = used

    # On any thread ------------------------------------------------------------------------------

    def stalled_seconds(self, now: float, *, runs: bool) -> float:
        """Seconds that the loop was late in all, the present stall included while the loop `runs`."""
        stalled = self.stalled  # before `due`, which is set after it
        stalled += self._late(now, runs=runs)
        self.shown = max(self.shown, stalled)  # a stall that was seen stays, also where its loop has ended in it
        return self.shown

    def _late(self, now: float, *, runs: bool) -> float:
        """Seconds that the next beat is late already."""
        late = now - self.due
        goes_on = self.run is None or self.run() is not None
        return late if runs and late > PUNCTUAL and goes_on else 0.0

    def read(self, now: float, *, tasks: int, runs: bool, members: int = 1) -> LoopReading:
        """A reading at `now`; a loop that is gone is no member."""
        self.lags.settle()
        counts = self.lags.counts
        busy = self.busy.read(now, self._late(now, runs=runs) if self.timing is None else 0.0)
        return LoopReading(
            members=members,
            busy_seconds=busy,
            busy_ratio=self.busy.share(now, busy) if members else None,
            lag_seconds=self.lags.reading(counts and counts[:], self.lags.sorted_seconds, 0),
            stalled_seconds=self.stalled_seconds(now, runs=runs),
            tasks=tasks,
        )
