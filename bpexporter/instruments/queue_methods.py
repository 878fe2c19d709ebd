"""The methods that replace those of `asyncio.Queue`, where its source is one that we know.

They do what the standard library's do, and look for a ledger in a private attribute of the object. For
exactly `Queue`, `PriorityQueue` and `LifoQueue` they work in one frame, without the inner calls; what subclasses
override is called as ever. Work comes first and recording after it, in a `try` of its own: an error of ours
never reaches the application and never leaves its work half done.
"""

from __future__ import annotations

from asyncio import QueueEmpty, QueueFull
from asyncio.events import _get_running_loop
from heapq import heappop, heappush
from typing import Any

from bpexporter.clocks import NEVER
from bpexporter.faults import faults
from bpexporter.histogram import RAW_LIMIT
from bpexporter.instruments.queue_originals import HAS_SHUTDOWN, ORIGINALS, QueueShutDown, ledger_of
from bpexporter.instruments.queue_recording import end, forget, place_again, record_get, record_put, refuse, wait_on


def put_nowait(self: Any, item: Any) -> None:
    try:
        ledger = self._bpexporter_ledger
    except AttributeError:  # a host put our method back after we had gone
        ledger = None
    if HAS_SHUTDOWN and self._is_shutdown:
        refuse(ledger, "refused_shutdown")
        raise QueueShutDown
    if ledger is None or not ledger.exact:
        if self.full():
            refuse(ledger, "refused_full")
            raise QueueFull
        self._put(item)
        unfinished = self._unfinished_tasks
        if not unfinished:
            self._finished.clear()
        self._unfinished_tasks = unfinished + 1
        if self._getters:
            self._wakeup_next(self._getters)
        if ledger is not None:
            try:
                record_put(self, item, ledger)
            except Exception as error:
                faults.swallow(error, "put_nowait")
        return
    queue = self._queue
    depth = len(queue)
    if 0 < self._maxsize <= depth:
        refuse(ledger, "refused_full")
        raise QueueFull
    if ledger.heap:
        heappush(queue, item)
    else:
        queue.append(item)
    unfinished = self._unfinished_tasks
    if not unfinished:
        self._finished.clear()
    self._unfinished_tasks = unfinished + 1
    if self._getters:
        self._wakeup_next(self._getters)
    try:
        depth += 1
        ledger.puts += 1
        if depth < ledger.upper and depth >= ledger.lower:
            return
        if depth == ledger.upper:
            # One band up and nothing else to time: what note_put() would do, in this frame.
            band = ledger.band
            clock = ledger.clock
            now = clock()
            ledger.seconds[band.index] += now - ledger.since
            ledger.since = now
            ledger.band = band = band.up
            ledger.lower = band.lower
            ledger.upper = band.next_put
            if depth == 1:
                ledger.nonempty_since = now
        else:
            ledger.note_put(item, depth, self._maxsize)
    except Exception as error:
        faults.swallow(error, "put_nowait")


def get_nowait(self: Any) -> Any:
    try:
        ledger = self._bpexporter_ledger
    except AttributeError:
        ledger = None
    if ledger is None or not ledger.exact:
        if self.empty():
            raise QueueShutDown if HAS_SHUTDOWN and self._is_shutdown else QueueEmpty
        item = self._get()
        if self._putters:
            self._wakeup_next(self._putters)
        if ledger is not None:
            try:
                record_get(self, item, ledger)
            except Exception as error:
                faults.swallow(error, "get_nowait")
        return item
    queue = self._queue
    if not queue:
        raise QueueShutDown if HAS_SHUTDOWN and self._is_shutdown else QueueEmpty
    if ledger.fifo:  # noqa: SIM108 - two nested conditions on one line are hard to read
        item = queue.popleft()
    else:
        item = heappop(queue) if ledger.heap else queue.pop()
    if self._putters:
        self._wakeup_next(self._putters)
    try:
        depth = len(queue)
        ledger.gets = gets = ledger.gets + 1
        if ledger.mark is not None and ledger.mark == id(item):
            ledger.marked(depth)
        if depth < ledger.ceiling and depth >= ledger.lower and gets < ledger.alarm:
            return item
        stacked = ledger.stacked
        if (
            depth + 1 == ledger.lower
            and depth < ledger.ceiling
            and gets < ledger.alarm
            and (not stacked or depth >= ledger.tracer_due)
        ):
            band = ledger.band
            clock = ledger.clock
            now = clock()
            ledger.seconds[band.index] += now - ledger.since
            ledger.since = now
            ledger.band = band = band.down
            lower = band.lower
            if stacked and ledger.tracer_due > lower:
                lower = ledger.tracer_due
            ledger.lower = lower
            if ledger.upper >= 0:
                ledger.upper = band.next_put
        else:
            ledger.note_get(depth, self._maxsize)
    except Exception as error:
        faults.swallow(error, "get_nowait")
    return item


async def put(self: Any, item: Any) -> None:
    try:
        ledger = self._bpexporter_ledger
    except AttributeError:
        ledger = None
    exact = False
    if ledger is not None and ledger.exact:
        if not 0 < self._maxsize <= len(self._queue):
            return self.put_nowait(item)  # type: ignore[no-any-return]
        exact = True
    elif not self.full():
        return self.put_nowait(item)  # type: ignore[no-any-return]
    first = None  # the future that this put waits for: the token of its wait
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
            first = putter
            try:
                # What begin_put() does, in this frame.
                clock = ledger.clock
                now = clock()
                stall = ledger.producers
                waiting = stall.waiting
                if not waiting:
                    stall.since = now
                waiting[putter] = now
                stall.begun += 1
                if ledger.capacity != self._maxsize:
                    ledger.resize(self.qsize(), self._maxsize, now)
                gets = ledger.gets
                if ledger.seen_due <= gets:
                    due = gets + (len(self._queue) if exact else self.qsize())
                    ledger.seen_at = now
                    ledger.seen_due = due
            except Exception as error:
                faults.swallow(error, "put")
        elif ledger is not None:
            first = wait_on(ledger.producers, first, putter)
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
    try:
        # What StallClock.end() does, in this frame.
        clock = ledger.clock
        now = clock()
        stall = ledger.producers
        waiting = stall.waiting
        waited = 0.0
        if first in waiting:
            waited = now - waiting[first]
            del waiting[first]
            stall.seconds += waited
            if not waiting:
                stall.stalled += now - stall.since
        ledger.landing_put = ledger.puts
    except Exception as error:
        faults.swallow(error, "put")
        waited = 0.0
    try:
        self.put_nowait(item)
    except BaseException:
        ledger.landing_put = NEVER
        raise
    try:
        raw = ledger.put_waits.raw
        raw += (waited,)
        ledger.landing_put = NEVER
        if len(raw) > RAW_LIMIT:
            ledger.put_waits.sort()
    except Exception as error:
        faults.swallow(error, "put")


async def get(self: Any) -> Any:
    try:
        ledger = self._bpexporter_ledger
    except AttributeError:
        ledger = None
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
            first = getter
            try:
                clock = ledger.clock
                now = clock()
                stall = ledger.idle
                waiting = stall.waiting
                if not waiting:
                    stall.since = now
                waiting[getter] = now
                stall.begun += 1
            except Exception as error:
                faults.swallow(error, "get")
        elif ledger is not None:
            first = wait_on(ledger.idle, first, getter)
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
    try:
        # What StallClock.end() does, in this frame.
        clock = ledger.clock
        now = clock()
        stall = ledger.idle
        waiting = stall.waiting
        waited = 0.0
        if first in waiting:
            waited = now - waiting[first]
            del waiting[first]
            stall.seconds += waited
            if not waiting:
                stall.stalled += now - stall.since
        ledger.landing_get = ledger.gets
    except Exception as error:
        faults.swallow(error, "get")
        waited = 0.0
    try:
        item = self.get_nowait()
    except BaseException:
        ledger.landing_get = NEVER
        raise
    try:
        raw = ledger.get_waits.raw
        raw += (waited,)
        ledger.landing_get = NEVER
        if len(raw) > RAW_LIMIT:
            ledger.get_waits.sort()
    except Exception as error:
        faults.swallow(error, "get")
    return item


def shutdown(self: Any, immediate: bool = False) -> None:
    ORIGINALS["shutdown"](self, immediate)
    ledger = ledger_of(self)
    if ledger is not None:
        place_again(self, ledger)
