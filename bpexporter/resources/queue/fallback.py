"""The methods that replace those of `asyncio.Queue` where its source is not one that we know.

They call the originals and record around them; what is counted is the same. A wait is known by the task that waits:
it begins before the original is called, and ends where the original, which has found a place by then, calls
`put_nowait()` or `get_nowait()`. `REPLACEMENTS` have the bodies of the originals in the place of the calls where that
can be: see `inlining`.
"""

from __future__ import annotations

import asyncio
from asyncio import QueueFull
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.limits import NEVER
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.inlining import inlined
from bpexporter.resources.listening import task_token, waiting_token
from bpexporter.resources.patching import guarded, unwatched
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, ORIGINALS, QueueShutDown
from bpexporter.resources.queue.recording import (
    bound,
    end,
    exactly_got,
    exactly_put,
    moved,
    record_get,
    record_put,
    refuse,
)

SHUT_DOWN = (QueueShutDown,) if HAS_SHUTDOWN else ()
PUT, GET, PUT_NOWAIT, GET_NOWAIT = (ORIGINALS[name] for name in ("put", "get", "put_nowait", "get_nowait"))
# Of a queue that has the methods of exactly `asyncio.Queue`.
EXACT_PUT_NOWAIT, EXACT_GET_NOWAIT = PUT_NOWAIT, GET_NOWAIT


def put_nowait(self: Any, item: Any) -> None:
    ledger: QueueLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is None:
        PUT_NOWAIT(self, item)
        return
    if ledger.producers.waiting:
        token = task_token()
        if token in ledger.producers.waiting:
            put_after_wait(self, item, ledger, token)
            return
    if not ledger.fifo:
        put_otherwise(self, item, ledger)
        return
    try:
        EXACT_PUT_NOWAIT(self, item)
    except Exception as error:
        put_failed(ledger, error)
        raise
    try:
        depth = len(self._queue) - 1
        if depth > ledger.fast_put_max or depth < ledger.band_floor or self._maxsize is not ledger.capacity:
            exactly_put(self, item, ledger)
            return
        ledger.puts += 1
        if depth < ledger.fast_put_max:
            return
        # What QueueLedger.rise() does for this order, in this frame.
        now = ledger.clock()
        band = ledger.band
        ledger.band_seconds[band.index] += now - ledger.band_since
        ledger.band_since = now
        ledger.band = band = band.up
        ledger.band_floor = ledger.falling_depth = band.floor
        ledger.fast_put_max = band.rising_depth
        if not depth:
            ledger.nonempty_since = now
            ledger.nonempty_puts = ledger.puts
    except Exception as error:
        faults.swallow(error, "put_nowait")


def get_nowait(self: Any) -> Any:
    ledger: QueueLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is None:
        return GET_NOWAIT(self)
    if ledger.idle.waiting:
        token = task_token()
        if token in ledger.idle.waiting:
            return get_after_wait(self, ledger, token)
    if not ledger.fifo:
        return get_otherwise(self, ledger)
    taken = EXACT_GET_NOWAIT(self)
    try:
        depth = len(self._queue) + 1
        left = ledger.countdown
        falling_depth = ledger.falling_depth
        if depth < falling_depth or depth > ledger.fast_get_max or not left:
            exactly_got(self, taken, ledger)
            return taken
        ledger.countdown = left - 1
        if depth > falling_depth:
            return taken
        # What QueueLedger.fall() does for this order, in this frame.
        now = ledger.clock()
        band = ledger.band
        ledger.band_seconds[band.index] += now - ledger.band_since
        ledger.band_since = now
        ledger.band = band = band.down
        ledger.band_floor = band.floor
        ledger.falling_depth = band.falling_depth
        if not ledger.wants_tracer:
            ledger.fast_put_max = band.rising_depth
    except Exception as error:
        faults.swallow(error, "get_nowait")
    return taken


async def put(self: Any, item: Any) -> None:
    ledger: QueueLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is not None and (0 < self._maxsize <= len(self._queue) if ledger.exact else self.full()):
        await blocked_put(self, item, ledger)
        return
    await PUT(self, item)


async def get(self: Any) -> Any:
    ledger: QueueLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is not None and (not self._queue if ledger.exact else self.empty()):
        return await blocked_get(self, ledger)
    return await GET(self)


# Other orders, and queues with a behaviour of their own ------------------------------------------------------


def put_otherwise(self: Any, item: Any, ledger: QueueLedger) -> None:
    try:
        PUT_NOWAIT(self, item)
    except Exception as error:
        put_failed(ledger, error)
        raise
    guarded(record_put, self, item, ledger)


def get_otherwise(self: Any, ledger: QueueLedger) -> Any:
    taken = GET_NOWAIT(self)
    guarded(record_get, self, taken, ledger)
    return taken


# Where somebody waits -----------------------------------------------------------------------------------------


async def blocked_put(self: Any, item: Any, ledger: QueueLedger) -> None:
    stall = ledger.producers
    token = begun(self, ledger, stall)
    try:
        await PUT(self, item)
    except BaseException as error:
        if token is None or waits_still(ledger, stall, token):
            refuse(ledger, "refused_shutdown" if isinstance(error, SHUT_DOWN) else "refused_cancelled")
            end(ledger, stall, token)
        raise
    if waits_still(ledger, stall, token):  # the class of the host puts in its own way
        guarded(ledger.landed_put, end(ledger, stall, token))


async def blocked_get(self: Any, ledger: QueueLedger) -> Any:
    stall = ledger.idle
    token = begun(self, ledger, stall)
    try:
        taken = await GET(self)
    except BaseException:
        end(ledger, stall, token)
        raise
    if waits_still(ledger, stall, token):
        guarded(ledger.landed_get, end(ledger, stall, token))
    return taken


def begun(self: Any, ledger: QueueLedger, stall: StallClock) -> object:
    """The token of a wait that begins; ``None`` where the queue is shut down, and nobody waits."""
    if HAS_SHUTDOWN and self._is_shutdown:
        return None
    if ledger.loopless:
        bound(ledger)
    token = waiting_token(stall)
    guarded(ledger.begin_wait, stall, token)
    return token


def waits_still(ledger: QueueLedger, stall: StallClock, token: object) -> bool:
    """Returns whether the wait of this `token`, which began in `ledger`, has not ended, there or under another name."""
    if not ledger.retired:
        return token in stall.waiting
    going, _, _ = moved(ledger, stall, token)
    return going is not None


def put_after_wait(self: Any, item: Any, ledger: QueueLedger, token: int) -> None:
    waited = end(ledger, ledger.producers, token)
    if waited > ledger.put_waits.brief:
        ledger.landing_put = ledger.puts
    try:
        PUT_NOWAIT(self, item)
    except BaseException as error:
        ledger.landing_put = NEVER
        put_failed(ledger, error)
        raise
    guarded(record_put, self, item, ledger)
    guarded(ledger.landed_put, waited)


def get_after_wait(self: Any, ledger: QueueLedger, token: int) -> Any:
    waited = end(ledger, ledger.idle, token)
    if waited > ledger.get_waits.brief:
        ledger.landing_get = ledger.gets
    try:
        taken = GET_NOWAIT(self)
    except BaseException:
        ledger.landing_get = NEVER
        raise
    guarded(record_get, self, taken, ledger)
    guarded(ledger.landed_get, waited)
    return taken


def put_failed(ledger: QueueLedger | None, error: BaseException) -> None:
    """Count a put that the original has refused."""
    if isinstance(error, QueueFull):
        refuse(ledger, "refused_full")
    elif isinstance(error, SHUT_DOWN):
        refuse(ledger, "refused_shutdown")


CALLING = {"put": put, "get": get, "put_nowait": put_nowait, "get_nowait": get_nowait}
CALLS: dict[str, type | None] = {"EXACT_PUT_NOWAIT": asyncio.Queue, "EXACT_GET_NOWAIT": asyncio.Queue}
CALLS.update({name.upper(): None for name in CALLING})
REPLACEMENTS = {name: inlined(function, CALLS, ORIGINALS[name]) for name, function in CALLING.items()}
