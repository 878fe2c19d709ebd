"""Watches janus' queues: items are counted where janus holds its lock, waits where the callers of either side come.

Threads wait too: the token of such a wait is the thread's, below 0.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from bpexporter.adapters.ledgers import ledger_of
from bpexporter.adapters.queues import QueueInstrument, count_get, count_put
from bpexporter.resources.listening import task_token
from bpexporter.resources.patching import guarded
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import FIFO, HEAP, LIFO, Levels
from bpexporter.resources.queue.originals import QueueShutDown

ORDERS = {"Queue": FIFO, "LifoQueue": LIFO, "PriorityQueue": HEAP}
SIDES = ("_SyncQueueProxy", "_AsyncQueueProxy")
FULL = "SyncQueueFull", "AsyncQueueFull", "Full", "QueueFull"
SHUT_DOWN = "QueueShutDown", "ShutDown", QueueShutDown.__name__
# Threads and tasks write the same clocks.
_lock = threading.RLock()


class Instrument(QueueInstrument):
    """Watches janus' queues."""

    def install(self) -> None:
        """Put the methods in that record."""
        module = sys.modules[self.sort.module]
        self.replaced.replace(module.Queue, "_put_internal", counting_put)
        for name in ORDERS:
            self.replaced.replace(getattr(module, name), "_get", counting_get)
        for side in SIDES:
            kind = getattr(module, side)
            self.replaced.replace(kind, "put", partial(waiting, "producers", is_full))
            self.replaced.replace(kind, "get", partial(waiting, "idle", is_empty))
        self.replaced.replace(module._AsyncQueueProxy, "put_nowait", refusing)  # the other side's is its put()

    def levels_of(self, queue: Any) -> Levels:
        """Returns the levels of the queue, read from what it holds."""
        container = items_of(queue)
        return Levels(len(container), queue._maxsize, queue._maxsize, queue._unfinished_tasks, container)

    def order_of(self, queue: Any) -> int:
        """Returns the order in which it gives its items out."""
        return next((ORDERS[kind.__name__] for kind in type(queue).__mro__ if kind.__name__ in ORDERS), FIFO)


def items_of(queue: Any) -> Any:
    """Returns the container of the items."""
    held = vars(queue)
    return held["_queue"] if "_queue" in held else held.get("_heap_queue", ())


def is_full(queue: Any) -> bool:
    """Returns whether a put has to wait."""
    return bool(0 < queue._maxsize <= len(items_of(queue)))


def is_empty(queue: Any) -> bool:
    """Returns whether a get has to wait."""
    return not items_of(queue)


def token() -> int:
    """Returns the caller: a task, else a thread."""
    return task_token() or -threading.get_ident()


# Where janus holds its lock -----------------------------------------------------------------------------------


def counting_put(original: Any) -> Any:
    """Puts, and counts."""

    @functools.wraps(original)
    def put(self: Any, item: Any) -> None:
        original(self, item)
        ledger = ledger_of(self)
        if ledger is not None:
            guarded(_put, self, ledger, item)

    return put


def counting_get(original: Any) -> Any:
    """Gets, and counts."""

    @functools.wraps(original)
    def get(self: Any) -> Any:
        item = original(self)
        ledger = ledger_of(self)
        if ledger is not None:
            guarded(_got, self, ledger, item)
        return item

    return get


def _put(queue: Any, ledger: QueueLedger, item: Any) -> None:
    with _lock:
        waited = ledger.end_wait(ledger.producers, token())
        ledger.lands(ledger.producers, waited)
        count_put(ledger, item, len(items_of(queue)), queue._maxsize)
        ledger.landed_put(waited)


def _got(queue: Any, ledger: QueueLedger, item: Any) -> None:
    with _lock:
        waited = ledger.end_wait(ledger.idle, token())
        ledger.lands(ledger.idle, waited)
        count_get(ledger, item, len(items_of(queue)), queue._maxsize)
        ledger.landed_get(waited)


# Where its callers come -----------------------------------------------------------------------------------------


def waiting(side: str, has_to_wait: Callable[[Any], bool], original: Any) -> Any:
    """Puts or gets, and times the wait where there is one."""

    @functools.wraps(original)
    async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _waiting(side, has_to_wait, self._parent, block=True):
            return await original(self, *args, **kwargs)

    @functools.wraps(original)
    def call_in_thread(self: Any, *args: Any, **kwargs: Any) -> Any:
        block = kwargs.get("block", args[side == "producers"] if len(args) > (side == "producers") else True)
        with _waiting(side, has_to_wait, self._parent, block=bool(block)):
            return original(self, *args, **kwargs)

    return call if iscoroutinefunction(original) else call_in_thread


def refusing(original: Any) -> Any:
    """Puts at once, and counts where that is refused."""

    @functools.wraps(original)
    def put(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _waiting("producers", is_full, self._parent, block=False):
            return original(self, *args, **kwargs)

    return put


@contextmanager
def _waiting(side: str, has_to_wait: Callable[[Any], bool], queue: Any, *, block: bool) -> Iterator[None]:
    ledger = ledger_of(queue)
    if ledger is None:
        yield
        return
    if block and has_to_wait(queue) and not queue._is_shutdown:
        guarded(_begin, ledger, side)
    try:
        yield
    except BaseException as error:
        guarded(_failed, ledger, side, error)
        raise


def _begin(ledger: QueueLedger, side: str) -> None:
    with _lock:
        ledger.begin_wait(getattr(ledger, side), token())


def _failed(ledger: QueueLedger, side: str, error: BaseException) -> None:
    with _lock:
        stall, name = getattr(ledger, side), type(error).__name__
        waited = token() in stall.waiting
        ledger.end_wait(stall, token())
        if side == "idle":
            return
        if name in SHUT_DOWN:
            ledger.refused_shutdown += 1
        elif name in FULL and not waited:
            ledger.refused_full += 1
        elif waited:
            ledger.refused_cancelled += 1
