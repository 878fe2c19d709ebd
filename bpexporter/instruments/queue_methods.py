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

from bpexporter.clocks import NEVER
from bpexporter.faults import faults
from bpexporter.instruments.queue_general import get_any, get_other, put_any, put_other
from bpexporter.instruments.queue_originals import HAS_SHUTDOWN, ORIGINALS, QueueShutDown, ledger_of
from bpexporter.instruments.queue_recording import end, forget, refuse, shut, wait_on
from bpexporter.instruments.replacing import unwatched


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
    if depth > ledger.room or depth < ledger.lower or self._maxsize is not ledger.capacity:
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
    if depth == ledger.room:
        try:
            # One band up: what QueueLedger.rise() does, in this frame.
            now = ledger.fresh
            if now is None:
                clock = ledger.clock
                now = clock()
            band = ledger.band
            ledger.seconds[band.index] += now - ledger.since
            ledger.since = now
            ledger.band = band = band.up
            ledger.lower = ledger.least = ledger.edge = band.lower
            ledger.room = band.room
            if not depth:
                ledger.nonempty_since = now
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
    left = ledger.left
    if depth < ledger.least or depth > ledger.ceiling or not left:
        return get_any(self, ledger)
    item = queue.popleft()
    ledger.left = left - 1
    if depth == ledger.edge:
        try:
            # One band down: what QueueLedger.fall() does, in this frame.
            now = ledger.fresh
            if now is None:
                clock = ledger.clock
                now = clock()
            band = ledger.band
            ledger.seconds[band.index] += now - ledger.since
            ledger.since = now
            ledger.band = band = band.down
            ledger.lower = lower = band.lower
            ledger.edge = edge = lower or 1
            ledger.least = edge if edge > ledger.height else ledger.height + 1
            if not ledger.armed:
                ledger.room = band.room
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
    # The token of its wait is the identity of its first future: a future holds the task, and with it the queue.
    first = None
    while True:
        if HAS_SHUTDOWN and self._is_shutdown:
            refuse(ledger, "refused_shutdown")
            if first is not None:
                end(ledger, ledger.producers, first)
            raise QueueShutDown
        loop = _get_running_loop()
        if loop is None or loop is not self._loop:
            loop = self._get_loop()
        putter = loop.create_future()
        self._putters.append(putter)
        if first is None and ledger is not None:
            try:
                # What StallClock.begin() does, in this frame.
                token = id(putter)
                clock = ledger.clock
                began = clock()
                stall = ledger.producers
                waiting = stall.waiting
                if not waiting:
                    stall.since = began
                waiting[token] = began
                stall.begun += 1
                first = token
            except Exception as error:
                faults.swallow(error, "put")
        elif ledger is not None:
            first = wait_on(ledger.producers, first, id(putter))
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
        if not (0 < self._maxsize <= len(self._queue) if exact else self.full()):
            break
    if first is None:
        return self.put_nowait(item)  # type: ignore[no-any-return]
    waited = 0.0
    try:
        # What StallClock.end() does, in this frame.
        waits = ledger.put_waits
        clock = ledger.clock
        now = clock()
        stall = ledger.producers
        waiting = stall.waiting
        del waiting[first]
        waited = now - began
        stall.seconds += waited
        if not waiting:
            stall.stalled += now - stall.since
        if waited > waits.brief:
            ledger.landing_put = ledger.puts
        ledger.fresh = now
    except KeyError:
        pass  # a fork or a second watch() has begun to count again
    except Exception as error:
        faults.swallow(error, "put")
    try:
        self.put_nowait(item)
    except BaseException:
        ledger.fresh = None
        ledger.landing_put = NEVER
        raise
    ledger.fresh = None
    try:
        if waited <= waits.brief:
            waits.briefly += waited
        else:
            ledger.landed_put(waited)
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
    first = None
    while True:
        if HAS_SHUTDOWN and self._is_shutdown and self.empty():
            if first is not None:
                end(ledger, ledger.idle, first)
            raise QueueShutDown
        loop = _get_running_loop()
        if loop is None or loop is not self._loop:
            loop = self._get_loop()
        getter = loop.create_future()
        self._getters.append(getter)
        if first is None and ledger is not None:
            try:
                token = id(getter)
                clock = ledger.clock
                began = clock()
                stall = ledger.idle
                waiting = stall.waiting
                if not waiting:
                    stall.since = began
                waiting[token] = began
                stall.begun += 1
                first = token
            except Exception as error:
                faults.swallow(error, "get")
        elif ledger is not None:
            first = wait_on(ledger.idle, first, id(getter))
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
        if self._queue if exact else not self.empty():
            break
    if first is None:
        return self.get_nowait()
    waited = 0.0
    try:
        waits = ledger.get_waits
        clock = ledger.clock
        now = clock()
        stall = ledger.idle
        waiting = stall.waiting
        del waiting[first]
        waited = now - began
        stall.seconds += waited
        if not waiting:
            stall.stalled += now - stall.since
        if waited > waits.brief:
            ledger.landing_get = ledger.goal - ledger.left
        ledger.fresh = now
    except KeyError:
        pass
    except Exception as error:
        faults.swallow(error, "get")
    try:
        item = self.get_nowait()
    except BaseException:
        ledger.fresh = None
        ledger.landing_get = NEVER
        raise
    ledger.fresh = None
    try:
        if waited <= waits.brief:
            waits.briefly += waited
        else:
            ledger.landed_get(waited)
    except Exception as error:
        faults.swallow(error, "get")
    return item


def shutdown(self: Any, immediate: bool = False) -> None:
    ORIGINALS["shutdown"](self, immediate)
    ledger = ledger_of(self)
    if ledger is not None:
        shut(self, ledger)
