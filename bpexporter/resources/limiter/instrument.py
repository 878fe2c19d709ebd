"""Watches limiters: what all of them share, and `asyncio.Semaphore` with its subclasses."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.amounts import amount
from bpexporter.resources.adopting import follow
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.methods import METHODS, is_exact
from bpexporter.resources.limiter.metrics import LimiterReading
from bpexporter.resources.limiter.reading import UNKNOWN, Level, Totals
from bpexporter.resources.patching import ATTRIBUTE, held, own
from bpexporter.resources.protocols import GIVE_WAY, Instrument


class LimiterInstrument(Instrument[LimiterLedger, LimiterReading]):
    """Watches limiters of one sort. A sort says how a limiter gets its ledger, and what its level is."""

    kind = "limiter"
    clocks = (("acquire", "blocked"),)

    @abstractmethod
    def level(self, ledger: LimiterLedger, limiter: Any, now: float) -> Level:
        """Returns the present state of `limiter`; runs none of the host's code."""

    def ledger_of(self, limiter: Any) -> LimiterLedger | None:
        """The ledger of `limiter`, ``None`` where it is not watched."""
        ledger = held(limiter)
        return ledger if isinstance(ledger, LimiterLedger) else None

    def detach(self, limiter: Any) -> None:
        """Take the ledger from `limiter`."""
        object.__delattr__(limiter, ATTRIBUTE)

    def replace(
        self, limiter: Any, former: LimiterLedger, *, bounds: tuple[float, ...], clock: Callable[[], float]
    ) -> LimiterLedger:
        """Go on under another name: the capacity is known as before, and who waits has begun there."""
        ledger = super().replace(limiter, former, bounds=bounds, clock=clock)
        ledger.inherit(former)
        return ledger

    def read(self, ledger: LimiterLedger, now: float) -> LimiterReading:
        """A reading of the limiter at `now`; runs none of the host's code."""
        totals = Totals()
        self._add(totals, ledger, now)
        return totals.reading()

    def read_members(self, ledgers: Sequence[LimiterLedger], clock: Callable[[], float]) -> Iterable[LimiterReading]:
        """One reading of all `ledgers`, added up as they are read."""
        totals = Totals()
        for number, ledger in enumerate(ledgers, 1):
            if not number % GIVE_WAY:
                time.sleep(0)
            try:
                self._add(totals, ledger, clock())
            except Exception as error:
                faults.swallow(error, f"reading a {self.kind}")
        return [totals.reading()]

    def _add(self, totals: Totals, ledger: LimiterLedger, now: float) -> None:
        limiter = ledger.live_owner()
        if limiter is None:
            totals.add_counts(ledger, now if ledger.ended_at is None else min(now, ledger.ended_at))
            return
        if ledger.blocked.waiting and _is_closed(limiter):
            ledger.end_waits(now)
        totals.add_member(ledger, self.level(ledger, limiter, now), now)

    def stalled_seconds(self, ledger: LimiterLedger, now: float) -> float:
        """Wall seconds with a blocked caller so far."""
        return ledger.blocked.read(now).stalled_seconds

    def end_waits(self, ledger: LimiterLedger, now: float) -> None:
        """The loop in which the callers wait has closed: nobody waits any more."""
        ledger.end_waits(now)

    def close(self, ledger: LimiterLedger, now: float) -> LimiterReading:
        """The totals of a limiter that is gone or no longer watched; who waits in it waits unseen."""
        ledger.end_waits(now)
        totals = Totals()
        totals.add_counts(ledger, now)
        return totals.reading()

    def peak(self, ledger: LimiterLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s; of a limiter that is still there, the present one included."""
        limiter = ledger.owner() if ledger.owner is not None else None
        level = UNKNOWN if limiter is None else self.level(ledger, limiter, now)
        capacity = level.capacity if limiter is not None else ledger.capacity
        return min(1.0, max(level.in_use or 0, ledger.peak_level(now)) / capacity) if capacity else None

    def restart(self, ledger: LimiterLedger, now: float) -> None:
        """Count from zero."""
        known_from = ledger.known_from
        ledger.restart(bounds=ledger.waits.bounds, capacity=ledger.capacity)
        ledger.known_from = known_from


def _is_closed(limiter: Any) -> bool:
    """Returns whether the loop in which the callers of `limiter` wait has closed."""
    loop = own(limiter, "_loop")
    return loop is not None and bool(loop.is_closed())


class SemaphoreInstrument(LimiterInstrument):
    """Watches `asyncio.Semaphore`, `asyncio.BoundedSemaphore` and subclasses."""

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        METHODS.uninstall()

    def attach(self, semaphore: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> LimiterLedger:
        """Give `semaphore` a ledger and go on with the callers that wait in it already.

        Its capacity is what it was made with where that is known (`BoundedSemaphore`), else the permits that are free
        now; permits that were held before are learnt of when they come back. Where none is free it is not known.
        """
        METHODS.install()
        free, bound = amount(semaphore._value), amount(getattr(semaphore, "_bound_value", None))
        ledger = LimiterLedger(bounds=bounds, clock=clock, capacity=max(0, free or 0, bound or 0))
        if not bound and (not ledger.capacity or semaphore._waiters):
            ledger.doubt()
        ledger.exact = is_exact(semaphore)
        object.__setattr__(semaphore, ATTRIBUTE, ledger)
        adopt(semaphore._waiters, ledger)
        return ledger

    def level(self, ledger: LimiterLedger, semaphore: Any, now: float) -> Level:
        """The permits of `semaphore`, and those in use."""
        plain = type(semaphore) in (asyncio.Semaphore, asyncio.BoundedSemaphore)
        free = amount(semaphore._value if plain else own(semaphore, "_value"))
        if free is None or now < ledger.known_from:
            return UNKNOWN
        capacity = max(ledger.capacity, free)
        return Level(capacity, capacity - free)


def adopt(waiters: Any, ledger: LimiterLedger) -> None:
    """Time the callers that are in the frames of the standard library already, as its `waiters` tell."""
    for waiter in list(waiters or ()):
        ledger.begin(id(waiter))
        follow(waiter, partial(_ended, ledger))


def _ended(ledger: LimiterLedger, waiter: Any, given_up: bool) -> None:
    (ledger.gave_up if given_up else ledger.acquired)(id(waiter))
