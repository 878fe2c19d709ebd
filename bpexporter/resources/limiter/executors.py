"""Watches `ThreadPoolExecutor` and `ProcessPoolExecutor`: limiters whose permits are workers.

What was submitted waits for a worker; how long is measured from `submit()` until its future runs. Nobody is held up by
that unless a task awaits it, as of `to_thread()` and `run_in_executor()`: then the task is a blocked caller. A pool of
processes hands out one piece of work more than it has workers, so that this one seems to be in work.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio.events import _get_running_loop
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import Context
from functools import partial
from typing import Any, NamedTuple

from bpexporter.primitives.amounts import amount
from bpexporter.resources.awaiting import waiter_for
from bpexporter.resources.limiter.instrument import LimiterInstrument
from bpexporter.resources.limiter.ledger import LimiterLedger
from bpexporter.resources.limiter.reading import UNKNOWN, Level
from bpexporter.resources.listening import LONG_WAIT
from bpexporter.resources.patching import ATTRIBUTE, Replaced, guarded, held, own

Work = Future[Any]

# Where the classes are; neither module is loaded for our sake.
EXECUTORS = {"concurrent.futures.thread": "ThreadPoolExecutor", "concurrent.futures.process": "ProcessPoolExecutor"}
# So many pieces of waiting work a reading asks whether they are awaited.
MOST_LOOKED_AT = 200
LOOKS = 2
BEGIN = "set_running_or_notify_cancel"


class Caller(NamedTuple):
    """A caller that waits for work."""

    token: int
    """The token of its wait: one task may wait for several."""
    task: int | None
    """The identity of the task, where one alone awaits it."""


class ExecutorLedger(LimiterLedger):
    """The ledger of one executor: its workers are many threads, so each change is made under a lock."""

    __slots__ = (
        "busy",  # pieces of work that have begun and not ended
        "callers",  # those that wait for work which has not begun
        "lock",  # held while any of this is changed
        "pending",  # when each piece of work was submitted that has not begun
        "successor",  # the ledger that goes on where this one is retired
    )

    def restart(self, *, bounds: tuple[float, ...], capacity: float) -> None:
        """Count from zero."""
        super().restart(bounds=bounds, capacity=capacity)
        self.lock = threading.RLock()
        self.busy = 0
        self.pending: dict[Work, float] = {}
        self.callers: dict[Work, Caller] = {}
        self.successor: ExecutorLedger | None = None

    def inherit(self, before: LimiterLedger) -> None:
        """Go on where `before` recorded the same executor."""
        super().inherit(before)
        if isinstance(before, ExecutorLedger):
            with before.lock:
                before.successor = self
                self.busy, self.pending = before.busy, before.pending.copy()
                for work in before.callers:
                    self.look_at(work)
                self.blocked.begun = 0

    def submitted(self, work: Work, at: float) -> None:
        """`work` waits for a worker since `at`."""
        with self.lock:
            self.pending[work] = at

    def began(self, work: Work) -> None:
        """A worker has taken `work`."""
        if self.successor is not None:
            self.successor.began(work)
            return
        with self.lock:
            since = self.pending.pop(work, None)
            if since is not None:
                now = self._served(work)
                self.busy += 1
                self.waits.feed(max(0.0, now - since))
                self.acquires += 1

    def ended(self, work: Work) -> None:
        """`work` is done, or was given up before it began."""
        if self.successor is not None:
            self.successor.ended(work)
            return
        if not work.cancelled():
            self.began(work)  # unless that was heard of
        with self.lock:
            if self.pending.pop(work, None) is not None:
                self._served(work)
                self.refused_cancelled += 1
            else:
                self._date(self.clock())
                self.busy = max(0, self.busy - 1)

    def look_at(self, work: Work) -> None:
        """Let a task that awaits `work`, which has not begun, be a blocked caller from now on."""
        future = next((future for future in followers(work) if has_caller(future)), None)
        waiter = waiter_for(future, alone=True) if future is not None else None
        with self.lock:
            if future is not None and work in self.pending and work not in self.callers:
                self.callers[work] = Caller(
                    id(future), id(waiter.task) if waiter is not None and waiter.alone else None
                )
                self.blocked.begin(id(future), self.clock())

    def _served(self, work: Work) -> float:
        now = self.clock()
        caller = self.callers.pop(work, None)
        if caller is not None:
            waited = self.blocked.end(caller.token, now)
            if waited > LONG_WAIT and self.listener is not None:
                self.listener.served(self, self.blocked.side, caller.task, now - waited, now)
        return now

    def _date(self, now: float) -> None:
        if now >= self.dated_until or self.busy > self.lowest:
            self.left(min(self.busy, self.capacity), now)
            self.lowest = self.busy


def followers(work: Work) -> Iterator[Any]:
    """The futures of asyncio's that follow `work`, as `wrap_future()` makes them."""
    for callback in list(getattr(work, "_done_callbacks", ())):
        for cell in getattr(callback, "__closure__", None) or ():
            if isinstance(cell.cell_contents, asyncio.Future):
                yield cell.cell_contents


def has_caller(future: Any) -> bool:
    """Returns whether somebody awaits `future`; its first callback passes cancellations on to the work."""
    return len(future._callbacks or ()) > 1


# The replacing method -------------------------------------------------------------------------------------


def submitting(original: Any) -> Any:
    """Returns what takes the place of `original`, the `submit` of a class."""

    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        ledger = held(self)
        if not isinstance(ledger, ExecutorLedger):
            return original(self, fn, *args, **kwargs)
        at = ledger.clock()
        work = original(self, fn, *args, **kwargs)
        guarded(_follow, ledger, work, at)
        return work

    return submit


def _follow(ledger: ExecutorLedger, work: Work, at: float) -> None:
    ledger.submitted(work, at)
    hook: Any = work
    begin = getattr(work, BEGIN)

    def begin_and_tell() -> Any:
        hook.__dict__.pop(BEGIN, None)
        goes_on = begin()
        if goes_on:
            guarded(ledger.began, work)
        return goes_on

    hook.set_running_or_notify_cancel = begin_and_tell
    if work.running():  # a worker was faster
        ledger.began(work)
    work.add_done_callback(partial(_ended, ledger))
    loop = _get_running_loop()
    if loop is not None:
        _look_soon(loop, ledger, work, LOOKS)


def _look_soon(loop: Any, ledger: ExecutorLedger, work: Work, times: int) -> None:
    """Look for who awaits `work` when this step is over, in which it is given to him, and once more after the next."""

    def look() -> None:
        ledger.look_at(work)
        if times > 1 and work not in ledger.callers:
            _look_soon(loop, ledger, work, times - 1)

    if work in ledger.pending:
        loop.call_soon(guarded, look, context=Context())


def _ended(ledger: ExecutorLedger, work: Work) -> None:
    work.__dict__.pop(BEGIN, None)
    guarded(ledger.ended, work)


# The instrument -------------------------------------------------------------------------------------------


class ExecutorInstrument(LimiterInstrument):
    """Watches the executors of the standard library, and their subclasses."""

    def __init__(self) -> None:
        self._methods: dict[type, Replaced] = {}

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        for methods in self._methods.values():
            methods.uninstall()

    def attach(self, executor: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> LimiterLedger:
        """Give `executor` a ledger; work that it has already is not seen. Raises ``TypeError`` for an unknown one."""
        kind = next((one for one in executor_classes() if issubclass(type(executor), one)), None)
        if kind is None:
            raise TypeError(f"cannot watch a {type(executor).__qualname__}: only pools of threads and of processes")
        if kind not in self._methods:
            self._methods[kind] = Replaced(kind, {"submit": submitting(vars(kind)["submit"])})
        self._methods[kind].install()
        ledger = ExecutorLedger(bounds=bounds, clock=clock, capacity=amount(own(executor, "_max_workers")) or 0)
        object.__setattr__(executor, ATTRIBUTE, ledger)
        return ledger

    def level(self, ledger: LimiterLedger, executor: Any, now: float) -> Level:
        """Workers, those that work, and what waits for one."""
        workers = amount(own(executor, "_max_workers"))
        if workers is None or not isinstance(ledger, ExecutorLedger):
            return UNKNOWN
        for work in [one for one in ledger.pending.copy() if one not in ledger.callers][:MOST_LOOKED_AT]:
            ledger.look_at(work)  # it may have been awaited later than in the step of its submission
        return Level(workers, min(ledger.busy, workers), len(ledger.pending))


def executor_classes() -> Iterator[type]:
    """The classes of executors that the program has loaded."""
    for module, name in EXECUTORS.items():
        if module in sys.modules:
            yield getattr(sys.modules[module], name)
