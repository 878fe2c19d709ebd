"""Watches `asyncio.Semaphore` and its subclasses.

What waits is left to the original `acquire()`: only the way of a free permit is done here, in one frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any

from bpexporter.resources.fingerprints import is_known
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.metrics import LimiterReading
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import ATTRIBUTE, Replaced, guarded, held, own, unwatched
from bpexporter.resources.protocols import Instrument

# The replacing methods ---------------------------------------------------------------------------------


async def acquire(self: Any) -> Any:
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is None:
        if not self.locked():
            self._value -= 1
            return True
        return await ACQUIRE(self)
    if ledger.exact:
        value = self._value
        if value > 0 and not self._waiters:  # what locked() asks
            self._value = value - 1
            ledger.acquires += 1
            return True
    if not self.locked():
        self._value -= 1
        ledger.acquires += 1
        return True
    return await _blocked(self, ledger)


async def acquire_calling(self: Any) -> Any:
    """The same where the source of the interpreter is not known."""
    ledger = held(self)
    if not isinstance(ledger, LimiterLedger):
        return await ACQUIRE(self)
    if self.locked():
        return await _blocked(self, ledger)
    got = await ACQUIRE(self)
    ledger.acquires += 1
    return got


async def _blocked(self: Any, ledger: LimiterLedger) -> Any:
    token = waiting_token(ledger.blocked)
    guarded(ledger.begin, token)
    try:
        got = await ACQUIRE(self)
    except BaseException:
        guarded(ledger.gave_up, token)
        raise
    guarded(ledger.acquired, token)
    return got


def release(self: Any) -> None:
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    self._value = value = self._value + 1
    if ledger is None:
        self._wake_up_next()
        return
    if ledger.acquires >= ledger.alarm or value < ledger.lowest or value > ledger.capacity:
        guarded(ledger.note_release, value)
    if self._waiters or not ledger.exact:
        self._wake_up_next()


def release_calling(self: Any) -> None:
    """The same where the source of the interpreter is not known."""
    ledger = held(self)
    if isinstance(ledger, LimiterLedger):
        guarded(_released, ledger, self._value + 1)
    RELEASE(self)


def _released(ledger: LimiterLedger, value: int) -> None:
    if ledger.acquires >= ledger.alarm or not ledger.lowest <= value <= ledger.capacity:
        ledger.note_release(value)


# Putting the methods in and taking them out --------------------------------------------------------------

ACQUIRE: Any = vars(asyncio.Semaphore)["acquire"]
RELEASE: Any = vars(asyncio.Semaphore)["release"]
INNER = ("locked", "_wake_up_next")
RELIED_ON = (ACQUIRE, RELEASE, vars(asyncio.Semaphore)["locked"])
KNOWN_SOURCES = {
    (3, 11): "02182d091d949510",
    (3, 12): "c501c899dbc47652",
    (3, 13): "55a2dbc2868e8594",
    (3, 14): "47fbaa995a015456",
    (3, 15): "0a6be836f236d9d3",
}
KNOWN = is_known(RELIED_ON, KNOWN_SOURCES)
METHODS = Replaced(
    asyncio.Semaphore,
    {"acquire": acquire, "release": release} if KNOWN else {"acquire": acquire_calling, "release": release_calling},
)


def is_exact(semaphore: Any) -> bool:
    """Whether `semaphore` has the standard library's behaviour through and through."""
    kind = type(semaphore)
    own = (getattr(getattr(semaphore, name), "__func__", None) is vars(asyncio.Semaphore)[name] for name in INNER)
    return kind in (asyncio.Semaphore, asyncio.BoundedSemaphore) and all(own) and type(semaphore._value) is int


class LimiterInstrument(Instrument[LimiterLedger, LimiterReading]):
    """Watches `asyncio.Semaphore`, `asyncio.BoundedSemaphore` and subclasses."""

    kind = "limiter"
    clocks = (("acquire", "blocked"),)

    def ledger_of(self, semaphore: Any) -> LimiterLedger | None:
        """The ledger of `semaphore`, ``None`` where it is not watched."""
        ledger = held(semaphore)
        return ledger if isinstance(ledger, LimiterLedger) else None

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        METHODS.uninstall()

    def attach(self, semaphore: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> LimiterLedger:
        """Give `semaphore` a ledger and go on with the callers that wait in it already.

        Its capacity is what it was made with where that is known (`BoundedSemaphore`), else the permits that are free
        now; permits that were held before are learnt of when they come back.
        """
        METHODS.install()
        value = semaphore._value
        capacity = max(value, getattr(semaphore, "_bound_value", value))
        ledger = LimiterLedger(bounds=bounds, clock=clock, capacity=capacity, value=value)
        ledger.exact = is_exact(semaphore)
        object.__setattr__(semaphore, ATTRIBUTE, ledger)
        _adopt(semaphore, ledger)
        return ledger

    def detach(self, semaphore: Any) -> None:
        """Take the ledger from `semaphore`."""
        object.__delattr__(semaphore, ATTRIBUTE)

    def value(self, ledger: LimiterLedger) -> int | None:
        """The permits that are free; ``None`` when the semaphore is gone."""
        semaphore = ledger.live_owner()
        if semaphore is None:
            return None
        value = own(semaphore, "_value")
        return value if isinstance(value, int) else ledger.value

    def read(self, ledger: LimiterLedger, now: float) -> LimiterReading:
        """A reading of the semaphore at `now`; runs none of the host's code."""
        return ledger.read(self.value(ledger), now)

    def stalled_seconds(self, ledger: LimiterLedger, now: float) -> float:
        """Wall seconds with a blocked caller so far."""
        return ledger.blocked.read(now).stalled_seconds

    def close(self, ledger: LimiterLedger, now: float) -> LimiterReading:
        """The totals of a semaphore that is gone or no longer watched; who waits in it waits unseen."""
        for token in list(ledger.blocked.waiting.copy()):
            ledger.blocked.end(token, now)
        return ledger.read(None, now)

    def peak(self, ledger: LimiterLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        return ledger.peak(now) / ledger.capacity if ledger.capacity else None

    def restart(self, ledger: LimiterLedger, now: float) -> None:
        """Count from zero."""
        value = self.value(ledger)
        if value is not None:
            ledger.restart(bounds=ledger.waits.bounds, capacity=max(ledger.capacity, value), value=value)


# Callers that were blocked before are in the standard library's own frames ---------------------------------


def _adopt(semaphore: Any, ledger: LimiterLedger) -> None:
    for waiter in list(semaphore._waiters or ()):
        if not waiter.done():
            ledger.begin(id(waiter))  # not the waiter: it holds the task, and with it the semaphore
            waiter.add_done_callback(partial(_finish, ledger), context=Context())


def _finish(ledger: LimiterLedger, waiter: Any) -> None:
    guarded(ledger.gave_up if waiter.cancelled() else ledger.acquired, id(waiter))
