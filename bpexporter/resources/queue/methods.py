"""The methods that replace those of `asyncio.Queue`, where its source is one that we know.

They do what the standard library's do, and look for a ledger in a private attribute of the object. The most
frequent case is done in one frame, without the inner calls: exactly `Queue`, with at most a band to time. For all
others see `queue_general`. Work comes first and recording after it, in a `try` of
its own where it could fail: an error of ours never reaches the application and never leaves its work half done.
"""

from __future__ import annotations

from asyncio import QueueEmpty, QueueFull
from asyncio.events import _get_running_loop
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.limits import NEVER
from bpexporter.resources.patching import unwatched
from bpexporter.resources.queue.general import get_any, get_other, put_any, put_other
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, ORIGINALS, QueueShutDown, ledger_of
from bpexporter.resources.queue.recording import bound, end, forget, moved, refuse, shut, wait_on


def put_nowait(self: Any, item: Any) -> None:
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
        put_other(self, item, ledger)
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
            ledger.band_floor = ledger.falling_depth = band.lower
            ledger.fast_put_max = band.room
            if not depth:
                ledger.nonempty_since = now
                ledger.nonempty_puts = ledger.puts
        except Exception as error:
            faults.swallow(error, "put_nowait")


def get_nowait(self: Any) -> Any:
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
        return get_other(self, ledger)
    queue = self._queue
    depth = len(queue)
    left = ledger.countdown
    edge = ledger.falling_depth
    if depth < edge or depth > ledger.fast_get_max or not left:
        return get_any(self, ledger)
    item = queue.popleft()
    ledger.countdown = left - 1
    if depth == edge:
        try:
            # One band down: what QueueLedger.fall() does for this order, in this frame.
            now = ledger.step_time
            if now is None:
                now = ledger.clock()
            band = ledger.band
            ledger.band_seconds[band.index] += now - ledger.band_since
            ledger.band_since = now
            ledger.band = band = band.down
            ledger.band_floor = band.lower
            ledger.falling_depth = band.falling
            if not ledger.wants_tracer:
                ledger.fast_put_max = band.room
        except Exception as error:
            faults.swallow(error, "get_nowait")
    if self._putters:
        self._wakeup_next(self._putters)
    return item


async def put(self: Any, item: Any) -> None:
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
    # The token of its wait is the identity of its first future: a future that waits holds the task, and with it the
    # queue. It is kept, lest another future gets the same identity while this call waits for the next time.
    first = kept = None
    while True:
        if HAS_SHUTDOWN and self._is_shutdown:
            refuse(ledger, "refused_shutdown")
            if first is not None:
                end(ledger, ledger.producers, first)
            raise QueueShutDown
        loop = _get_running_loop()
        if loop is None or loop is not self._loop:
            loop = self._get_loop()
            if ledger is not None and ledger.loopless:
                bound(ledger)
        putter = loop.create_future()
        self._putters.append(putter)
        if kept is None and ledger is not None:
            try:
                # What StallClock.begin() does, in this frame.
                token = id(putter)
                began = ledger.clock()
                stall = ledger.producers
                waiting = stall.waiting
                if not waiting:
                    stall.since = began
                waiting[token] = began
                stall.begun += 1
                first, kept = token, putter
            except Exception as error:
                faults.swallow(error, "put")
        elif ledger is not None and (ledger.adopted or ledger.listener is not None):
            first, kept = wait_on(ledger, ledger.producers, first, id(putter)), putter
        try:
            await putter
        except BaseException:
            putter.cancel()
            forget(self._putters, putter)
            if not self.full() and not putter.cancelled():
                self._wakeup_next(self._putters)
            if first is not None:
                refuse(ledger, "refused_cancelled")
                end(ledger, ledger.producers, first)
            raise
        else:  # after the whole of the try Python 3.14 would count references at each load
            if not (0 < self._maxsize <= len(self._queue) if exact else self.full()):
                break
    if first is not None and ledger.retired:  # another name was given meanwhile: there the wait goes on
        ledger, first, began = moved(ledger, ledger.producers, first)
    if first is None:
        return self.put_nowait(item)  # type: ignore[no-any-return]
    try:
        # What StallClock.end() does, in this frame.
        waits = ledger.put_waits
        now = ledger.clock()
        stall = ledger.producers
        waiting = stall.waiting
        del waiting[first]
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
            if ledger.listener is not None:
                ledger.tell_wait(stall, first, waited, now)
    except Exception as error:
        faults.swallow(error, "put")


async def get(self: Any) -> Any:
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
    first = kept = None
    while True:
        if HAS_SHUTDOWN and self._is_shutdown and self.empty():
            if first is not None:
                end(ledger, ledger.idle, first)
            raise QueueShutDown
        loop = _get_running_loop()
        if loop is None or loop is not self._loop:
            loop = self._get_loop()
            if ledger is not None and ledger.loopless:
                bound(ledger)
        getter = loop.create_future()
        self._getters.append(getter)
        if kept is None and ledger is not None:
            try:
                token = id(getter)
                began = ledger.clock()
                stall = ledger.idle
                waiting = stall.waiting
                if not waiting:
                    stall.since = began
                waiting[token] = began
                stall.begun += 1
                first, kept = token, getter
            except Exception as error:
                faults.swallow(error, "get")
        elif ledger is not None and (ledger.adopted or ledger.listener is not None):
            first, kept = wait_on(ledger, ledger.idle, first, id(getter)), getter
        try:
            await getter
        except BaseException:
            getter.cancel()
            forget(self._getters, getter)
            if not self.empty() and not getter.cancelled():
                self._wakeup_next(self._getters)
            if first is not None:
                end(ledger, ledger.idle, first)
            raise
        else:
            if self._queue if exact else not self.empty():
                break
    if first is not None and ledger.retired:
        ledger, first, began = moved(ledger, ledger.idle, first)
    if first is None:
        return self.get_nowait()
    try:
        waits = ledger.get_waits
        now = ledger.clock()
        stall = ledger.idle
        waiting = stall.waiting
        del waiting[first]
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
            if ledger.listener is not None:
                ledger.tell_wait(stall, first, waited, now)
    except Exception as error:
        faults.swallow(error, "get")
    return item


def shutdown(self: Any, immediate: bool = False) -> None:
    ORIGINALS["shutdown"](self, immediate)
    ledger = ledger_of(self)
    if ledger is not None:
        shut(self, ledger)
