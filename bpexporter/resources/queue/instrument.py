"""Watches `asyncio.Queue` and its subclasses: puts the replacing methods in, and ledgers into objects."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.limits import INFINITY
from bpexporter.primitives.numbers import is_harmless, share
from bpexporter.resources.patching import ATTRIBUTE, BASES, NAMES, Replaced, own
from bpexporter.resources.protocols import GIVE_WAY, Instrument
from bpexporter.resources.queue.adopting import adopt
from bpexporter.resources.queue.ages import carry_over
from bpexporter.resources.queue.ends import end_waits_of_closed_loop
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import OTHER, Levels, limit_of
from bpexporter.resources.queue.methods import get, get_nowait, put, put_nowait, shutdown
from bpexporter.resources.queue.metrics import QueueReading
from bpexporter.resources.queue.originals import HAS_SHUTDOWN, KNOWN, ORDERS, ledger_of
from bpexporter.resources.queue.reading import read
from bpexporter.resources.queue.recording import depth_of
from bpexporter.resources.queue.summing import QueueSum
from bpexporter.resources.queue.waits import NOBODY

REPLACEMENTS: dict[str, Any] = {"put": put, "get": get, "put_nowait": put_nowait, "get_nowait": get_nowait}
if not KNOWN:
    REPLACEMENTS = importlib.import_module("bpexporter.resources.queue.fallback").REPLACEMENTS.copy()
if HAS_SHUTDOWN:
    REPLACEMENTS["shutdown"] = shutdown
METHODS = Replaced(asyncio.Queue, REPLACEMENTS)

# From so many members on they are added up without a reading of each.
MANY = 8
INNER = ("put_nowait", "get_nowait", "full", "empty", "qsize", "_put", "_get", "_wakeup_next", "_get_loop")
METHODS_OF, FUNCTION = attrgetter(*INNER), attrgetter("__func__")
_last_functions: dict[type, tuple[Any, ...]] = {}  # of each class, as they were looked up last
ORDERING = ("_put", "_get", "_init")
# Where a subclass has one of these, what it keeps is not all that its level is made of.
HIDING = ("__getattribute__", "__getattr__", "_queue", "_maxsize", "_unfinished_tasks", "qsize")


def order_of(kind: type) -> int:
    """Returns the order in which a queue of this class gives its items out."""
    if kind in ORDERS:
        return ORDERS[kind]
    base = next((base for base in BASES.__get__(kind) if base in ORDERS), None)
    if base is None or any(getattr(kind, name) is not getattr(base, name) for name in ORDERING):
        return OTHER
    return ORDERS[base]


def is_exact(queue: Any) -> bool:
    """Returns whether `queue` has the standard library's behaviour through and through."""
    kind = type(queue)
    if kind not in ORDERS or type(queue._maxsize) not in (int, float, bool):
        return False
    try:
        functions = tuple(map(FUNCTION, METHODS_OF(queue)))
    except AttributeError:  # something else than a method has been put in its place
        return False
    if functions != _last_functions.get(kind):
        _last_functions[kind] = METHODS_OF(kind)
    return functions == _last_functions[kind]


# Reading the length of one of these runs no code of the host's.
CONTAINERS = (deque, list, dict, set)


def is_visible(kind: type) -> bool:
    """Returns whether the levels of such a queue can be read from any thread without running its own code."""
    if kind in ORDERS:
        return True
    classes = BASES.__get__(kind)
    classes = classes[: classes.index(asyncio.Queue)]
    return not any(name in NAMES.__get__(one) for one in classes if one not in ORDERS for name in HIDING)


def first_levels(queue: Any, *, visible: bool, has_own_full: bool) -> Levels:
    """Levels of a queue that may not be through its constructor yet: the host's own code is not ready."""
    container = queue._queue if type(queue) in ORDERS else own(queue, "_queue")
    lies_open = type(container) in CONTAINERS
    maxsize = queue._maxsize
    depth = len(container) if lies_open else depth_of(queue)
    plain = type(maxsize) is int and not has_own_full
    capacity = maxsize if plain else limit_of(maxsize, has_own_full=has_own_full)
    lies_open = lies_open and visible
    return Levels(depth, maxsize, capacity, None, container if lies_open else None)


def has_own_full(kind: type) -> bool:
    """Returns whether a queue of this class says in its own way when it is full."""
    return getattr(kind, "full", None) is not asyncio.Queue.full


def hidden_levels(queue: Any, ledger: QueueLedger) -> Levels:
    """Levels of a queue that says in its own way what it holds: as it was last heard, with what lies open."""
    container, maxsize, unfinished = (own(queue, name) for name in ("_queue", "_maxsize", "_unfinished_tasks"))
    if type(container) not in CONTAINERS or len(container) != ledger.depth:
        container = None
    capacity = ledger.capacity_items if maxsize is None else capacity_of(maxsize, ledger)
    return Levels(ledger.depth, maxsize, capacity, unfinished if type(unfinished) is int else None, container)


def capacity_of(maxsize: Any, ledger: QueueLedger) -> float | None:
    """`maxsize` as a number, 0 where it is none; what the host has set since is not asked where that runs its code."""
    if maxsize is ledger.capacity or not is_harmless(maxsize):
        return ledger.capacity_items
    return limit_of(maxsize, has_own_full=ledger.has_own_full)


# The instrument ------------------------------------------------------------------------------------------


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
        return self._attach(queue, bounds, clock, None)

    def replace(
        self, queue: Any, former: QueueLedger, *, bounds: tuple[float, ...], clock: Callable[[], float]
    ) -> QueueLedger:
        """Give `queue`, whose `former` ledger is retired, another one, in which the callers that wait go on."""
        return self._attach(queue, bounds, clock, former)

    def _attach(
        self, queue: Any, bounds: tuple[float, ...], clock: Callable[[], float], former: QueueLedger | None
    ) -> QueueLedger:
        METHODS.install()
        kind = type(queue)
        order, visible, own_full = ORDERS.get(kind), True, has_own_full(kind)
        if order is None:
            METHODS.shield()
            order, visible = order_of(kind), is_visible(kind)
        levels = first_levels(queue, visible=visible, has_own_full=own_full)
        ledger = QueueLedger(
            order=order, exact=is_exact(queue), visible=visible, bounds=bounds, clock=clock, levels=levels
        )
        ledger.has_own_full = own_full
        if former is not None:
            ledger.go_on_from(former, clock())
            carry_over(former, ledger, levels)
        object.__setattr__(queue, ATTRIBUTE, ledger)
        if queue._putters or queue._getters:
            adopt(queue, ledger)
        return ledger

    def detach(self, queue: Any) -> None:
        """Take the ledger from `queue`."""
        object.__delattr__(queue, ATTRIBUTE)

    def levels(self, ledger: QueueLedger) -> Levels | None:
        """Returns the present levels of the queue itself; ``None`` when it is gone."""
        queue = ledger.live_owner()
        if queue is None:
            return None
        if not ledger.visible:
            return hidden_levels(queue, ledger)
        container = queue._queue
        maxsize = queue._maxsize
        capacity = capacity_of(maxsize, ledger)
        if type(container) in CONTAINERS:
            return Levels(len(container), maxsize, capacity, queue._unfinished_tasks, container)
        return Levels(ledger.depth, maxsize, capacity, queue._unfinished_tasks, None)

    def read(self, ledger: QueueLedger, now: float) -> QueueReading:
        """A reading of the queue at `now`; runs none of the host's code."""
        if ledger.producers.waiting or ledger.idle.waiting:
            end_waits_of_closed_loop(ledger, ledger.live_owner(), now, open_loops=set())
        return read(ledger, self.levels(ledger), now)

    def read_members(self, ledgers: Sequence[QueueLedger], clock: Callable[[], float]) -> Iterable[QueueReading]:
        """One reading of all of them together, where they are many."""
        if len(ledgers) < MANY:
            return super().read_members(ledgers, clock)
        total, others = QueueSum(ledgers[0].put_waits.bounds), []
        for number, ledger in enumerate(ledgers, 1):
            if not number % GIVE_WAY:
                time.sleep(0)
            try:
                now = clock()
                levels = self.levels(ledger)
                if levels is None:  # it has died just now, and is not folded yet
                    others.append(self.close(ledger, now))
                    continue
                if ledger.producers.waiting or ledger.idle.waiting:
                    end_waits_of_closed_loop(ledger, ledger.live_owner(), now, open_loops=total.open_loops)
                total.add(ledger, levels, now)
            except Exception as error:
                faults.swallow(error, "reading a queue")
        return [total.reading(), *others]

    def attend(self, ledger: QueueLedger, loop: Any) -> bool:
        """Look at a queue of `loop`, on its thread: the host may have changed its level or its capacity."""
        queue = ledger.live_owner()
        if queue is None or not ledger.visible or queue._loop is not loop:
            return False
        levels = self.levels(ledger)
        if levels is not None and levels.container is not None and ledger.is_off(levels.depth, levels.maxsize):
            ledger.place(levels.depth, levels.maxsize)
        return bool(ledger.producers.waiting)

    def stalled_seconds(self, ledger: QueueLedger, now: float) -> float:
        """Wall seconds with a blocked producer so far."""
        return ledger.producers.read(now).stalled_seconds

    def close(self, ledger: QueueLedger, now: float) -> QueueReading:
        """The totals of a queue that is gone or no longer watched."""
        end_waits_of_closed_loop(ledger, ledger.owner() if ledger.owner is not None else None, now, open_loops=set())
        return read(ledger, None, now)

    def end_waits(self, ledger: QueueLedger, now: float) -> None:
        """The loop in which the callers wait has closed: nobody waits any more."""
        for stall in (ledger.producers, ledger.idle):
            stall.end_all(now)
        ledger.adopted = NOBODY

    def peak(self, ledger: QueueLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        capacity = ledger.capacity_items
        level = max(ledger.left_level(), ledger.peaks.read(now))
        return share(level, capacity) if capacity is not None and 0 < capacity < INFINITY else None

    def restart(self, ledger: QueueLedger, now: float) -> None:
        """Count from zero."""
        levels = self.levels(ledger)
        if levels is not None:
            ledger.restart(bounds=ledger.put_waits.bounds, levels=levels)
