"""The methods of `asyncio.Semaphore` while a limiter is watched.

What waits is left to the original `acquire()`: only the way of a free permit is done here, in one frame.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bpexporter.resources.fingerprints import is_known
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import Replaced, guarded, held, unwatched

# Where the source is known ------------------------------------------------------------------------------


async def acquire(self: Any) -> Any:
    ledger: LimiterLedger | None
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
    return await blocked(self, ledger)


def release(self: Any) -> None:
    ledger: LimiterLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    self._value = value = self._value + 1
    if ledger is None:
        self._wake_up_next()
        return
    now = ledger.clock()
    if now >= ledger.dated_until or value < ledger.lowest or value > ledger.capacity:
        guarded(ledger.note_release, value, now)
    if self._waiters or not ledger.exact:
        self._wake_up_next()


# Where it is not: the originals are called ----------------------------------------------------------------


async def acquire_calling(self: Any) -> Any:
    """Acquires by the original, and records."""
    ledger = held(self)
    if not isinstance(ledger, LimiterLedger):
        return await ACQUIRE(self)
    if self.locked():
        return await blocked(self, ledger)
    got = await ACQUIRE(self)
    ledger.acquires += 1
    return got


def release_calling(self: Any) -> None:
    """Releases by the original, and records."""
    ledger = held(self)
    if isinstance(ledger, LimiterLedger):
        guarded(note_release, ledger, self._value + 1)
    RELEASE(self)


# Both -----------------------------------------------------------------------------------------------------


async def blocked(self: Any, ledger: LimiterLedger) -> Any:
    """Acquire by the original where no permit is free."""
    token = waiting_token(ledger.blocked)
    guarded(ledger.begin, token)
    try:
        got = await ACQUIRE(self)
    except BaseException:
        guarded(gave_up, self, ledger, token)
        raise
    guarded(ledger.acquired, token)
    return got


def gave_up(semaphore: Any, ledger: LimiterLedger, token: object) -> None:
    """The acquire of this `token` was given up; where it had its permit already, that came back without a release."""
    ledger.gave_up(token)
    value = semaphore._value
    if value > 0:
        note_release(ledger, value)


def note_release(ledger: LimiterLedger, value: Any) -> None:
    """Date the level that is left where `value` permits are free."""
    now = ledger.clock()
    if now >= ledger.dated_until or not ledger.lowest <= value <= ledger.capacity:
        ledger.note_release(value, now)


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
    """Returns whether `semaphore` has the standard library's behaviour through and through."""
    kind = type(semaphore)
    own = (getattr(getattr(semaphore, name), "__func__", None) is vars(asyncio.Semaphore)[name] for name in INNER)
    return kind in (asyncio.Semaphore, asyncio.BoundedSemaphore) and all(own) and type(semaphore._value) is int
