"""Watches `asyncio.Lock`: a limiter of one permit.

Locks that nobody has asked for are many, and hold nobody up as a rule: they have no series until somebody has waited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bpexporter.resources.limiter.instrument import LimiterInstrument, adopt
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.metrics import LimiterReading
from bpexporter.resources.limiter.reading import Level
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import ATTRIBUTE, Replaced, guarded, held, own

# The replacing methods: the originals do the work ---------------------------------------------------------

ACQUIRE: Any = vars(asyncio.Lock)["acquire"]
RELEASE: Any = vars(asyncio.Lock)["release"]


async def acquire(self: Any) -> Any:
    ledger = held(self)
    if not isinstance(ledger, LimiterLedger):
        return await ACQUIRE(self)
    if self._locked or self._waiters:
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
    RELEASE(self)
    ledger = held(self)
    if isinstance(ledger, LimiterLedger):
        guarded(_released, ledger)


def _released(ledger: LimiterLedger) -> None:
    now = ledger.clock()
    if now >= ledger.dated_until:
        ledger.left(1, now)
        if ledger.listener is not None:
            ledger.tell_operation(ledger.blocked, now)


METHODS = Replaced(asyncio.Lock, {"acquire": acquire, "release": release})


class LockInstrument(LimiterInstrument):
    """Watches `asyncio.Lock` and its subclasses."""

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        METHODS.uninstall()

    def attach(self, lock: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> LimiterLedger:
        """Give `lock` a ledger and go on with the callers that wait for it already."""
        METHODS.install()
        ledger = LimiterLedger(bounds=bounds, clock=clock, capacity=1)
        object.__setattr__(lock, ATTRIBUTE, ledger)
        adopt(lock._waiters, ledger)
        return ledger

    def level(self, ledger: LimiterLedger, lock: Any, now: float) -> Level:
        """One permit, which is held or not."""
        return Level(1, int(own(lock, "_locked") is True))

    def read_members(self, ledgers: Sequence[LimiterLedger], clock: Callable[[], float]) -> Iterable[LimiterReading]:
        """One reading of all `ledgers`; none where nobody has asked for them, and nobody has waited."""
        if all(map(is_quiet, ledgers)) and ledgers[0].entry.retired_totals is None:
            return []
        return super().read_members(ledgers, clock)

    def close(self, ledger: LimiterLedger, now: float) -> LimiterReading | None:  # type: ignore[override]
        """The totals of a lock that is gone or no longer watched; ``None`` where it has never had a series."""
        return None if is_quiet(ledger) else super().close(ledger, now)


def is_quiet(ledger: LimiterLedger) -> bool:
    """Returns whether nobody has asked for a series, and nobody has waited."""
    return ledger.automatic and not ledger.blocked.begun
