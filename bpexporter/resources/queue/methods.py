"""The methods that replace those of `asyncio.Queue`, where its source is one that we know.

They do what the standard library's do, and look for a ledger in a private attribute of the object. The most
frequent case is done in one frame, without the inner calls: exactly `Queue`, with at most a band to time. For all
others see `general` and `hooked`. Work comes first and recording after it, in a `try` of
its own where it could fail: an error of ours never reaches the application and never leaves its work half done.
"""

from __future__ import annotations

from asyncio import QueueEmpty, QueueFull
from asyncio.events import _get_running_loop
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.limits import NEVER
from bpexporter.resources.listening import LONG_WAIT, present_task
from bpexporter.resources.patching import unwatched
from bpexporter.resources.queue.general import get_any, get_other, put_any, put_other
from bpexporter.resources.queue.hooked import get_hooked, put_hooked
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, ORIGINALS, QueueShutDown, ledger_of
from bpexporter.resources.queue.recording import bound, end, forget, moved, refuse, shut


def put_nowait(self: Any, item: Any) -> None:
    ledger: QueueLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is None:
        if HAS_SHUTDOWN and self._is_shutdown:
            raise QueueShutDown
        if self.full():
            raise QueueFull
        self._put(item)
        unfinished = self._unfinished_tasks
        if not unfinished:
            self._finished.clear()
        self._unfinished_tasks = unfinished + 1
        if self._getters:
            self._wakeup_next(self._getters)
        return
    if not ledger.fifo:
        if ledger.exact:
            put_other(self, item, ledger)
        else:
            put_hooked(self, item, ledger)
        return
    queue = self._queue
    depth = len(queue)
    if depth > ledger.fast_put_max or depth < ledger.band_floor or self._maxsize is not ledger.capacity:
        put_any(self, item, ledger)
        return
    # Inside a band of the capacity that the ledger knows: there is room, and nobody has shut it down.
    queue.append(item)
    unfinished = self._unfinished_tasks
    if not unfinished:
        self._finished.clear()
    self._unfinished_tasks = unfinished + 1
    if self._getters:
        self._wakeup_next(self._getters)
    ledger.puts += 1
    if depth == ledger.fast_put_max:
        try:
            # One band up: what QueueLedger.rise() does for this order, in this frame.
            now = ledger.step_time
            if now is None:
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
        if self.empty():
            raise QueueShutDown if HAS_SHUTDOWN and self._is_shutdown else QueueEmpty
        item = self._get()
        if self._putters:
            self._wakeup_next(self._putters)
        return item
    if not ledger.fifo:
        return get_other(self, ledger) if ledger.exact else get_hooked(self, ledger)
    queue = self._queue
    depth = len(queue)
    left = ledger.countdown
    falling_depth = ledger.falling_depth
    if depth < falling_depth or depth > ledger.fast_get_max or not left:
        return get_any(self, ledger)
    item = queue.popleft()
    ledger.countdown = left - 1
    if depth == falling_depth:
        try:
            # One band down: what QueueLedger.fall() does for this order, in this frame.
            now = ledger.step_time
            if now is None:
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
    if self._putters:
        self._wakeup_next(self._putters)
    return item


async def put(self: Any, item: Any) -> None:
    ledger: QueueLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    exact = False
    if ledger is not None and ledger.exact:
        if self._maxsize <= 0 or len(self._queue) < self._maxsize:
            return self.put_nowait(item)  # type: ignore[no-any-return]
        exact = True
    elif not self.full():
        return self.put_nowait(item)  # type: ignore[no-any-return]
    token: object = None
    while True:
        if HAS_SHUTDOWN and self._is_shutdown:
            refuse(ledger, "refused_shutdown")
            if ledger is not None and token is not None:
                end(ledger, ledger.producers, token)
            raise QueueShutDown
        loop = _get_running_loop()
        if loop is None or loop is not self._loop:
            loop = self._get_loop()
            if ledger is not None and ledger.loopless:
                bound(ledger)
        putter = loop.create_future()
        self._putters.append(putter)
        if token is None and ledger is not None:
            try:
                # What StallClock.begin() does, in this frame; two that one task drives by hand are told apart.
                stall = ledger.producers
                waiting = stall.waiting
                caller: object = id(present_task(loop))
                began = ledger.clock()
                if not waiting:
                    stall.since = began
                elif caller in waiting:
                    caller = object()
                waiting[caller] = began
                stall.begun += 1
                token = caller
            except Exception as error:
                faults.swallow(error, "put")
        try:
            await putter
        except BaseException:
            putter.cancel()
            forget(self._putters, putter)
            if not self.full() and not putter.cancelled():
                self._wakeup_next(self._putters)
            if ledger is not None and token is not None:
                refuse(ledger, "refused_cancelled")
                end(ledger, ledger.producers, token)
            raise
        else:  # after the whole of the try Python 3.14 would count references at each load
            if not (0 < self._maxsize <= len(self._queue) if exact else self.full()):
                break
    if ledger is not None and ledger.retired:  # another name was given meanwhile: there the wait goes on
        ledger, token, began = moved(ledger, ledger.producers, token)
    if ledger is None:
        return self.put_nowait(item)  # type: ignore[no-any-return]
    try:
        # What StallClock.end() does, in this frame.
        waits = ledger.put_waits
        now = ledger.clock()
        stall = ledger.producers
        waiting = stall.waiting
        del waiting[token]
        waited = now - began
        stall.seconds += waited
        if not waiting:
            stall.stalled += now - stall.since
        brief = waited <= waits.brief
        if not brief:
            ledger.landing_put = ledger.puts
        ledger.step_time = now
    except KeyError:
        waited, brief = 0.0, True  # a fork or a second watch() has begun to count again
    except Exception as error:
        waited, brief = 0.0, True
        faults.swallow(error, "put")
    try:
        self.put_nowait(item)
    except BaseException:
        ledger.step_time = None
        ledger.landing_put = NEVER
        raise
    ledger.step_time = None
    try:
        if brief:
            waits.briefly += waited
        else:
            ledger.landed_put(waited)
            if waited > LONG_WAIT and ledger.listener is not None:
                ledger.tell_wait(stall, token, waited, now)
    except Exception as error:
        faults.swallow(error, "put")


async def get(self: Any) -> Any:
    ledger: QueueLedger | None
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    exact = False
    if ledger is not None and ledger.exact:
        if self._queue:
            return self.get_nowait()
        exact = True
    elif not self.empty():
        return self.get_nowait()
    token: object = None
    while True:
        if HAS_SHUTDOWN and self._is_shutdown and self.empty():
            if ledger is not None and token is not None:
                end(ledger, ledger.idle, token)
            raise QueueShutDown
        loop = _get_running_loop()
        if loop is None or loop is not self._loop:
            loop = self._get_loop()
            if ledger is not None and ledger.loopless:
                bound(ledger)
        getter = loop.create_future()
        self._getters.append(getter)
        if token is None and ledger is not None:
            try:
                # What StallClock.begin() does, in this frame; two that one task drives by hand are told apart.
                stall = ledger.idle
                waiting = stall.waiting
                caller: object = id(present_task(loop))
                began = ledger.clock()
                if not waiting:
                    stall.since = began
                elif caller in waiting:
                    caller = object()
                waiting[caller] = began
                stall.begun += 1
                token = caller
            except Exception as error:
                faults.swallow(error, "get")
        try:
            await getter
        except BaseException:
            getter.cancel()
            forget(self._getters, getter)
            if not self.empty() and not getter.cancelled():
                self._wakeup_next(self._getters)
            if ledger is not None and token is not None:
                end(ledger, ledger.idle, token)
            raise
        else:
            if self._queue if exact else not self.empty():
                break
    if ledger is not None and ledger.retired:
        ledger, token, began = moved(ledger, ledger.idle, token)
    if ledger is None:
        return self.get_nowait()
    try:
        waits = ledger.get_waits
        now = ledger.clock()
        stall = ledger.idle
        waiting = stall.waiting
        del waiting[token]
        waited = now - began
        stall.seconds += waited
        if not waiting:
            stall.stalled += now - stall.since
        brief = waited <= waits.brief
        if not brief:
            ledger.landing_get = ledger.countdown_end - ledger.countdown
        ledger.step_time = now
    except KeyError:
        waited, brief = 0.0, True
    except Exception as error:
        waited, brief = 0.0, True
        faults.swallow(error, "get")
    try:
        item = self.get_nowait()
    except BaseException:
        ledger.step_time = None
        ledger.landing_get = NEVER
        raise
    ledger.step_time = None
    try:
        if brief:
            waits.briefly += waited
        else:
            ledger.landed_get(waited)
            if waited > LONG_WAIT and ledger.listener is not None:
                ledger.tell_wait(stall, token, waited, now)
    except Exception as error:
        faults.swallow(error, "get")
    return item


def shutdown(self: Any, immediate: bool = False) -> None:
    ORIGINALS["shutdown"](self, immediate)
    ledger = ledger_of(self)
    if ledger is not None:
        shut(self, ledger)
