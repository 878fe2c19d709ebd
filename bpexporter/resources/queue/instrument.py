"""Watches `asyncio.Queue` and its subclasses: puts the replacing methods in, and ledgers into objects."""

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from collections.abc import Callable
from typing import Any

from bpexporter.primitives.limits import INFINITY
from bpexporter.resources.patching import ATTRIBUTE, BASES, NAMES, Replaced, own
from bpexporter.resources.protocols import Instrument
from bpexporter.resources.queue.adopting import adopt
from bpexporter.resources.queue.ledger import OTHER, Levels, QueueLedger, finite
from bpexporter.resources.queue.methods import get, get_nowait, put, put_nowait, shutdown
from bpexporter.resources.queue.metrics import QueueReading
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, KNOWN, ORDERS, ledger_of
from bpexporter.resources.queue.reading import read
from bpexporter.resources.queue.recording import depth_of

REPLACEMENTS: dict[str, Any] = {"put": put, "get": get, "put_nowait": put_nowait, "get_nowait": get_nowait}
if not KNOWN:
    REPLACEMENTS = importlib.import_module("bpexporter.resources.queue.fallback").REPLACEMENTS.copy()
if HAS_SHUTDOWN:
    REPLACEMENTS["shutdown"] = shutdown
METHODS = Replaced(asyncio.Queue, REPLACEMENTS)

# The instrument ------------------------------------------------------------------------------------------

INNER = ("put_nowait", "get_nowait", "full", "empty", "qsize", "_put", "_get", "_wakeup_next", "_get_loop")
ORDERING = ("_put", "_get", "_init")
# Where a subclass has one of these, reading a level could run its code on the thread of the scrape.
HIDING = ("__getattribute__", "__getattr__", "_queue", "_maxsize", "_unfinished_tasks", "qsize")


def order_of(kind: type) -> int:
    """In which order a queue of this class gives its items out."""
    base = next((base for base in BASES.__get__(kind) if base in ORDERS), None)
    if base is None or any(getattr(kind, name) is not getattr(base, name) for name in ORDERING):
        return OTHER
    return ORDERS[base]


def is_exact(queue: Any) -> bool:
    """Whether `queue` has the standard library's behaviour through and through."""
    kind = type(queue)
    own = (getattr(getattr(queue, name), "__func__", None) is getattr(kind, name, self_less) for name in INNER)
    return kind in ORDERS and all(own) and type(queue._maxsize) in (int, float, bool)


# Reading the length of one of these runs no code of the host's.
CONTAINERS = (deque, list, dict, set)
self_less = object()  # never a method


def is_visible(kind: type) -> bool:
    """Whether the levels of such a queue can be read from any thread without running its own code."""
    classes = BASES.__get__(kind)
    classes = classes[: classes.index(asyncio.Queue)]
    return not any(name in NAMES.__get__(one) for one in classes if one not in ORDERS for name in HIDING)


def first_depth(queue: Any) -> int:
    """Items waiting in a queue that may not be through its constructor yet: the host's own code is not ready."""
    container = own(queue, "_queue")
    return len(container) if type(container) in CONTAINERS else depth_of(queue)


class QueueInstrument(Instrument[QueueLedger, QueueReading]):
    """Watches `asyncio.Queue` and its subclasses."""

    kind = "queue"
    clocks = (("put", "producers"), ("get", "idle"))

    def ledger_of(self, queue: Any) -> QueueLedger | None:
        """The ledger of `queue`, ``None`` where it is not watched."""
        return ledger_of(queue)

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        METHODS.uninstall()

    def attach(self, queue: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> QueueLedger:
        """Give `queue` a ledger and go on with the callers that wait in it already."""
        METHODS.install()
        levels = Levels(first_depth(queue), finite(queue._maxsize), queue._unfinished_tasks)
        ledger = QueueLedger(
            order=order_of(type(queue)),
            visible=is_visible(type(queue)),
            bounds=bounds,
            clock=clock,
            levels=levels,
        )
        ledger.treat(exact=is_exact(queue))
        object.__setattr__(queue, ATTRIBUTE, ledger)
        adopt(queue, ledger)
        return ledger

    def detach(self, queue: Any) -> None:
        """Take the ledger from `queue`."""
        object.__delattr__(queue, ATTRIBUTE)

    def levels(self, ledger: QueueLedger) -> Levels | None:
        """What the queue itself says now; ``None`` when it is gone."""
        queue = ledger.live_owner()
        if queue is None:
            return None
        if not ledger.visible:
            return Levels(ledger.depth, ledger.capacity, max(0, ledger.puts - ledger.gets))
        container = queue._queue
        depth = len(container) if type(container) in CONTAINERS else ledger.depth
        return Levels(depth, finite(queue._maxsize), queue._unfinished_tasks)

    def read(self, ledger: QueueLedger, now: float) -> QueueReading:
        """A reading of the queue at `now`; runs none of the host's code."""
        return read(ledger, self.levels(ledger), now)

    def stalled_seconds(self, ledger: QueueLedger, now: float) -> float:
        """Wall seconds with a blocked producer so far."""
        return ledger.producers.read(now).stalled_seconds

    def close(self, ledger: QueueLedger, now: float) -> QueueReading:
        """The totals of a queue that is gone or no longer watched."""
        return read(ledger, None, now)

    def end_waits(self, ledger: QueueLedger, now: float) -> None:
        """The loop in which the callers wait has closed: nobody waits any more."""
        for stall in (ledger.producers, ledger.idle):
            for token in stall.waiting.copy():
                stall.end(token, now)

    def peak(self, ledger: QueueLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        capacity = ledger.capacity
        level = max(ledger.left_level(), ledger.peaks.read(now))
        return level / capacity if 0 < capacity < INFINITY else None

    def restart(self, ledger: QueueLedger, now: float) -> None:
        """Count from zero."""
        levels = self.levels(ledger)
        if levels is not None:
            ledger.restart(bounds=ledger.put_waits.bounds, levels=levels)
