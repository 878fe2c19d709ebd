"""The table of kinds: an instrument for each type, loaded when something of its kind is first asked for.

So a program pays at its start for what it watches alone.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from importlib import import_module
from typing import Any, NamedTuple

from bpexporter.resources.patching import ATTRIBUTE, PLAIN, held

QUEUE, STREAM, LIMITER, LOOP = "queue", "stream", "limiter", "loop"
# Kinds whose objects may be made outside every loop; each is bound to one when somebody first waits in it.
BOUND_LATER = (QUEUE, LIMITER)


class Kind(NamedTuple):
    """One kind of resource."""

    types: tuple[type, ...]
    """Instances of these, and of their subclasses, are of this kind."""
    module: str
    """The module of its instrument."""
    instrument: str
    """The class of its instrument there."""


# The first whose types fit is taken.
KINDS: dict[str, Kind] = {
    QUEUE: Kind((asyncio.Queue,), "bpexporter.resources.queue.instrument", "QueueInstrument"),
    STREAM: Kind(
        (asyncio.StreamWriter, asyncio.WriteTransport), "bpexporter.resources.stream.instrument", "StreamInstrument"
    ),
    LIMITER: Kind((asyncio.Semaphore,), "bpexporter.resources.limiter.instrument", "SemaphoreInstrument"),
    LOOP: Kind((asyncio.AbstractEventLoop,), "bpexporter.resources.loop.instrument", "LoopInstrument"),
}
RESOURCES = tuple(KINDS)
# Further sorts of limiters, by names of their own.
LOCK, EXECUTOR, POOL = "lock", "executor", "pool"
SORTS: dict[str, Kind] = {
    **KINDS,
    LOCK: Kind((asyncio.Lock,), "bpexporter.resources.limiter.locks", "LockInstrument"),
    EXECUTOR: Kind((Executor,), "bpexporter.resources.limiter.executors", "ExecutorInstrument"),
    POOL: Kind((), "bpexporter.resources.limiter.pools", "PoolInstrument"),  # a queue that is said to be one
}
WATCHABLE = (
    "asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, asyncio.StreamWriter, transports that write, "
    "asyncio.Semaphore, asyncio.BoundedSemaphore, asyncio.Lock, executors, event loops, what an adapter knows"
)

# Instances of a class share the table of their attributes' names, and CPython closes it after some 30 of them but for
# one more name. That one is asyncio's own: where ours came too late, an object that waited would take 400 bytes more.
for _kind in PLAIN:
    object.__setattr__(object.__new__(_kind), ATTRIBUTE, None)

_loaded: dict[str, Any] = {}
_joined: list[Any] = []
# Finds the instrument for a class that is none of the standard library's; `adapters`, which lies above, knows it.
adapting: Callable[[type], Any] | None = None


def join(instrument: Any) -> None:
    """An instrument of a library's class is one of those that may have watched something."""
    _joined.append(instrument)


def instrument_of(kind: str) -> Any:
    """The instrument of a kind, or of a sort of limiters; one for the whole process."""
    if kind not in _loaded:
        _types, module, instrument = SORTS[kind]
        _loaded.setdefault(kind, getattr(import_module(module), instrument)())
    return _loaded[kind]


def is_loaded(kind: str) -> bool:
    """Returns whether the instrument of a kind, or of a sort of limiters, was ever asked for."""
    return kind in _loaded


def loaded() -> tuple[Any, ...]:
    """The instruments that were ever asked for: the others have watched and replaced nothing."""
    return (*_loaded.values(), *_joined)


def load() -> None:
    """Load all of them now, rather than in the middle of the work of a loop."""
    for kind in SORTS:
        instrument_of(kind)


def fitting(obj: object) -> Any:
    """The instrument for `obj`: the one that watches it already, or by its type.

    Raises ``TypeError`` where it cannot be watched.
    """
    ledger = held(obj)
    watching = None if ledger is None else getattr(ledger, "instrument", None)
    if watching is not None:
        return watching
    for kind, (types, _module, _instrument) in SORTS.items():
        if issubclass(type(obj), types):
            return instrument_of(kind)
    uvloop = sys.modules.get("uvloop.loop")
    if uvloop is not None and issubclass(type(obj), (uvloop.UVBaseTransport, uvloop._SSLProtocolTransport)):
        return instrument_of(STREAM)
    found = None if adapting is None else adapting(type(obj))
    if found is not None:
        return found
    raise TypeError(
        f"cannot watch {type(obj).__module__}.{type(obj).__qualname__}: what can be watched is {WATCHABLE}, "
        "and their subclasses"
    )
