"""What replaces the methods of `asyncio.Queue` while a queue is watched.

The methods do what the standard library's do, and look for a ledger in a private attribute of the object. For
exactly `Queue`, `PriorityQueue` and `LifoQueue` they work in one frame, without the inner calls; what subclasses
override is called as ever. Work comes first and recording after it, in a `try` of its own: an error of ours
never reaches the application and never leaves its work half done.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import QueueEmpty, QueueFull
from asyncio.events import _get_running_loop
from collections import deque
from collections.abc import Callable
from contextvars import Context
from functools import partial
from heapq import heappop, heappush
from typing import Any

from bpexporter.clocks import INFINITY, NEVER, StallClock
from bpexporter.faults import faults
from bpexporter.histogram import RAW_LIMIT
from bpexporter.instruments.queue_calling import calling
from bpexporter.instruments.sources import is_known
from bpexporter.ledgers import FIFO, HEAP, LIFO, OTHER, Levels, QueueLedger, QueueReading, finite

ATTRIBUTE = "_bpexporter_ledger"
HAS_SHUTDOWN = sys.version_info >= (3, 13)
ORDERS = {asyncio.Queue: FIFO, asyncio.PriorityQueue: HEAP, asyncio.LifoQueue: LIFO}

# Before 3.13 no queue shuts down, and nothing below raises this.
QueueShutDown: type[Exception] = getattr(asyncio, "QueueShutDown", QueueEmpty)


def ledger_of(queue: Any) -> QueueLedger | None:
    """The ledger of `queue`, ``None`` where it is not watched."""
    ledger = getattr(queue, ATTRIBUTE, None)
    return ledger if isinstance(ledger, QueueLedger) else None


# The replacing methods ---------------------------------------------------------------------------------


def put_nowait(self: Any, item: Any) -> None:
    try:
        ledger = self._bpexporter_ledger
    except AttributeError:  # a host put our method back after we had gone
        ledger = None
    if HAS_SHUTDOWN and self._is_shutdown:
        _refuse(ledger, "refused_shutdown")
        raise QueueShutDown
    if ledger is None or not ledger.exact:
        if self.full():
            _refuse(ledger, "refused_full")
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
                _record_put(self, item, ledger)
            except Exception as error:
                faults.swallow(error, "put_nowait")
        return
    queue = self._queue
    depth = len(queue)
    if 0 < self._maxsize <= depth:
        _refuse(ledger, "refused_full")
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
                _record_get(self, item, ledger)
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


def _refuse(ledger: QueueLedger | None, count: str) -> None:
    if ledger is not None:
        setattr(ledger, count, getattr(ledger, count) + 1)


def _record_put(self: Any, item: Any, ledger: QueueLedger) -> None:
    before = ledger.depth
    depth = _depth(self)
    ledger.puts += 1
    ledger.depth = depth
    if depth > before and not ledger.lower <= depth < ledger.upper:
        ledger.note_put(item, depth, self._maxsize)
    elif not ledger.lower <= depth:
        ledger.place(depth, self._maxsize)


def _record_get(self: Any, item: Any, ledger: QueueLedger) -> None:
    ledger.gets += 1
    depth = _depth(self)
    ledger.depth = depth
    if not depth:
        ledger.mark = ledger.mark if ledger.mark == id(item) else None
    if ledger.mark == id(item):
        ledger.marked(depth)
    if ledger.gets >= ledger.alarm or not ledger.lower <= depth < ledger.ceiling:
        ledger.note_get(depth, self._maxsize)


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
            _refuse(ledger, "refused_shutdown")
            if first is not None:
                _end(ledger, ledger.producers, first)
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
            first = _wait_on(ledger.producers, first, putter)
        try:
            await putter
        except BaseException:
            putter.cancel()
            _forget(self._putters, putter)
            if not self.full() and not putter.cancelled():
                self._wakeup_next(self._putters)
            if first is not None:
                _refuse(ledger, "refused_cancelled")
                _end(ledger, ledger.producers, first)
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
                _end(ledger, ledger.idle, first)
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
            first = _wait_on(ledger.idle, first, getter)
        try:
            await getter
        except BaseException:
            getter.cancel()
            _forget(self._getters, getter)
            if not self.empty() and not getter.cancelled():
                self._wakeup_next(self._getters)
            if first is not None:
                _end(ledger, ledger.idle, first)
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
        _replace(self, ledger)


def _forget(waiters: deque[Any], waiter: Any) -> None:
    try:
        waiters.remove(waiter)
    except ValueError:
        pass  # it was woken, and so taken out, before


def _wait_on(clock: StallClock, before: Any, now: Any) -> Any:
    try:
        clock.replace(before, now)
    except Exception as error:
        faults.swallow(error, "a wait that goes on")
    return now


def _end(ledger: QueueLedger, clock: StallClock, first: Any) -> None:
    try:
        clock.end(first, ledger.clock())
    except Exception as error:
        faults.swallow(error, "a wait that was given up")


def _replace(self: Any, ledger: QueueLedger) -> None:
    try:
        ledger.place(_depth(self), self._maxsize)
    except Exception as error:
        faults.swallow(error, "shutdown")


def _depth(queue: Any) -> int:
    """Items waiting, asked on the thread of the queue's loop, where the host's own `qsize()` may run."""
    depth = queue.qsize()
    return depth if isinstance(depth, int) else 0


# Putting the methods in and taking them out --------------------------------------------------------------

ORIGINALS: dict[str, Any] = {name: vars(asyncio.Queue)[name] for name in ("put", "get", "put_nowait", "get_nowait")}
if HAS_SHUTDOWN:
    ORIGINALS["shutdown"] = vars(asyncio.Queue)["shutdown"]

# What the methods above stand in for, with all that they rely on.
RELIED_ON = (
    *ORIGINALS.values(),
    *(vars(asyncio.Queue)[name] for name in ("full", "empty", "qsize", "_put", "_get", "_wakeup_next")),
    *(vars(kind)[name] for kind in (asyncio.PriorityQueue, asyncio.LifoQueue) for name in ("_put", "_get")),
    asyncio.Event.clear,
)
KNOWN_SOURCES = {
    (3, 11): "b735265632df6cb5",
    (3, 12): "01581bcb2fc94e54",
    (3, 13): "5b9db1d0c38477e2",
    (3, 14): "5c2e54bea449bbdb",
}

KNOWN = is_known(RELIED_ON, KNOWN_SOURCES)
REPLACEMENTS: dict[str, Any] = {"put": put, "get": get, "put_nowait": put_nowait, "get_nowait": get_nowait}
if not KNOWN:
    REPLACEMENTS = calling(ORIGINALS, _record_put, _record_get)
if HAS_SHUTDOWN:
    REPLACEMENTS["shutdown"] = shutdown

for _name, _function in REPLACEMENTS.items():
    # help(), inspect and pickle see what they saw before.
    for _attribute in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(_function, _attribute, getattr(ORIGINALS[_name], _attribute))


def install() -> None:
    """Replace the methods of `asyncio.Queue`, once."""
    if ATTRIBUTE in vars(asyncio.Queue):
        return
    setattr(asyncio.Queue, ATTRIBUTE, None)
    for name, function in REPLACEMENTS.items():
        if vars(asyncio.Queue)[name] is ORIGINALS[name]:
            setattr(asyncio.Queue, name, function)


def uninstall() -> None:
    """Put the originals back, except where somebody else has replaced ours in the meantime."""
    for name, function in REPLACEMENTS.items():
        if vars(asyncio.Queue)[name] is function:
            setattr(asyncio.Queue, name, ORIGINALS[name])
    if ATTRIBUTE in vars(asyncio.Queue):
        delattr(asyncio.Queue, ATTRIBUTE)


# The instrument ------------------------------------------------------------------------------------------

INNER = ("put_nowait", "get_nowait", "full", "empty", "qsize", "_put", "_get", "_wakeup_next", "_get_loop")
ORDERING = ("_put", "_get", "_init")
# Where a subclass has one of these, reading a level could run its code on the thread of the scrape.
HIDING = ("__getattribute__", "__getattr__", "_queue", "_maxsize", "_unfinished_tasks", "qsize")


def order_of(kind: type) -> int:
    """In which order a queue of this class gives its items out."""
    base = next((base for base in kind.__mro__ if base in ORDERS), None)
    if base is None or any(getattr(kind, name) is not getattr(base, name) for name in ORDERING):
        return OTHER
    return ORDERS[base]


def is_exact(queue: Any) -> bool:
    """Whether `queue` has the standard library's behaviour through and through."""
    kind = type(queue)
    own = (getattr(getattr(queue, name), "__func__", None) is getattr(kind, name, self_less) for name in INNER)
    return kind in ORDERS and all(own) and type(queue._maxsize) in (int, float, bool)


self_less = object()  # never a method


def is_visible(kind: type) -> bool:
    """Whether the levels of such a queue can be read from any thread without running its own code."""
    classes = kind.__mro__[: kind.__mro__.index(asyncio.Queue)]
    return not any(name in vars(one) for one in classes if one not in ORDERS for name in HIDING)


class QueueInstrument:
    """Watches `asyncio.Queue` and its subclasses."""

    kind = "queue"

    def attach(self, queue: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> QueueLedger:
        """Give `queue` a ledger and go on with the callers that wait in it already."""
        install()
        levels = Levels(_depth(queue), finite(queue._maxsize), queue._unfinished_tasks)
        ledger = QueueLedger(
            order=order_of(type(queue)),
            visible=is_visible(type(queue)),
            bounds=bounds,
            clock=clock,
            levels=levels,
        )
        ledger.exact = is_exact(queue)
        object.__setattr__(queue, ATTRIBUTE, ledger)
        adopt(queue, ledger)
        return ledger

    def detach(self, queue: Any) -> None:
        """Take the ledger from `queue`."""
        object.__delattr__(queue, ATTRIBUTE)

    def levels(self, ledger: QueueLedger) -> Levels | None:
        """What the queue itself says now; ``None`` when it is gone."""
        queue = None if ledger.owner is None or ledger.retired else ledger.owner()
        if queue is None:
            return None
        if not ledger.visible:
            return Levels(ledger.depth, ledger.capacity, max(0, ledger.puts - ledger.gets))
        container = queue._queue
        depth = len(container) if type(container) in (deque, list, dict, set) else ledger.depth
        return Levels(depth, finite(queue._maxsize), queue._unfinished_tasks)

    def read(self, ledger: QueueLedger, now: float) -> QueueReading:
        """A reading of the queue at `now`; runs none of the host's code."""
        return ledger.read(self.levels(ledger), now)

    def close(self, ledger: QueueLedger, now: float) -> QueueReading:
        """The totals of a queue that is gone or no longer watched."""
        return ledger.read(None, now)

    def peak(self, ledger: QueueLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        capacity = ledger.capacity
        level = max(ledger.depth, ledger.peaks.read(now))
        return level / capacity if 0 < capacity < INFINITY else None

    def restart(self, ledger: QueueLedger, now: float) -> None:
        """Count from zero."""
        levels = self.levels(ledger)
        if levels is not None:
            ledger.restart(bounds=ledger.put_waits.bounds, levels=levels)


# Callers that were blocked before the queue was watched are in the standard library's own frames --------------


def adopt(queue: Any, ledger: QueueLedger) -> None:
    """Time the callers that wait already, from now on."""
    clock = ledger.clock
    now = clock()
    for waiters, stall, finish in (
        (queue._putters, ledger.producers, _adopted_put),
        (queue._getters, ledger.idle, _adopted_get),
    ):
        for waiter in list(waiters):
            if not waiter.done():
                stall.begin(waiter, now)
                _follow(waiter, finish, ledger)


def _follow(waiter: Any, finish: Callable[[QueueLedger, Any], None], ledger: QueueLedger) -> None:
    waiter.add_done_callback(partial(_finish, finish, ledger), context=Context())


def _finish(finish: Callable[[QueueLedger, Any], None], ledger: QueueLedger, waiter: Any) -> None:
    try:
        finish(ledger, waiter)
    except Exception as error:
        faults.swallow(error, "a caller that waited before")


def _adopted_put(ledger: QueueLedger, waiter: Any) -> None:
    if waiter.cancelled():
        ledger.producers.end(waiter, ledger.clock())
        ledger.refused_cancelled += 1
    elif not _goes_on(ledger, waiter, "_putters", ledger.producers, _adopted_put):
        waited = ledger.producers.end(waiter, ledger.clock())
        queue = ledger.owner() if ledger.owner is not None else None
        if queue is not None and getattr(queue, "_is_shutdown", False):
            ledger.refused_shutdown += bool(queue.full())  # else put_nowait() has counted it
        elif ledger.put_waits.fed() < ledger.puts:  # else it was woken and given up in the same turn
            ledger.landed_put(waited)


def _adopted_get(ledger: QueueLedger, waiter: Any) -> None:
    if waiter.cancelled():
        ledger.idle.end(waiter, ledger.clock())
    elif not _goes_on(ledger, waiter, "_getters", ledger.idle, _adopted_get):
        waited = ledger.idle.end(waiter, ledger.clock())
        if ledger.get_waits.fed() < ledger.gets:
            ledger.landed_get(waited)


def _goes_on(ledger: QueueLedger, waiter: Any, side: str, clock: StallClock, finish: Any) -> bool:
    """Whether the caller was woken but found no place, and waits again with a future that nobody timed."""
    if not KNOWN:
        return False  # there the futures of calls that are timed are not known either
    queue = ledger.owner() if ledger.owner is not None else None
    unknown = (other for other in list(getattr(queue, side, ())) if other not in clock.waiting and not other.done())
    successor = next(unknown, None)
    if successor is None:
        return False
    clock.replace(waiter, successor)
    _follow(successor, finish, ledger)
    return True
