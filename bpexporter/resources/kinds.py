"""The table of kinds: an instrument for each type, loaded when something of its kind is first asked for.

So a program pays at its start for what it watches alone.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any, NamedTuple

from bpexporter.resources.patching import ATTRIBUTE

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
WATCHABLE = (
    "asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, asyncio.StreamWriter, transports that write, "
    "asyncio.Semaphore, asyncio.BoundedSemaphore, event loops"
)

# Instances of a class share the table of their attributes' names, and CPython closes it after some 30 of them but for
# one more name. That one is asyncio's own: where ours came too late, an object that waited would take 400 bytes more.
SHARING = asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue, asyncio.Semaphore, asyncio.BoundedSemaphore
for _kind in SHARING:
    object.__setattr__(object.__new__(_kind), ATTRIBUTE, None)

_loaded: dict[str, Any] = {}


def instrument_of(kind: str) -> Any:
    """The instrument of `kind`, one for the whole process."""
    if kind not in _loaded:
        _types, module, instrument = KINDS[kind]
        _loaded.setdefault(kind, getattr(import_module(module), instrument)())
    return _loaded[kind]


def loaded() -> tuple[Any, ...]:
    """The instruments that were ever asked for: the others have watched and replaced nothing."""
    return tuple(_loaded.values())


def load() -> None:
    """Load all of them now, rather than in the middle of the work of a loop."""
    for kind in KINDS:
        instrument_of(kind)


def fitting(obj: object) -> Any:
    """The instrument for `obj`. Raises ``TypeError`` where it cannot be watched."""
    for kind, (types, _module, _instrument) in KINDS.items():
        if issubclass(type(obj), types):
            return instrument_of(kind)
    uvloop = sys.modules.get("uvloop.loop")
    if uvloop is not None and issubclass(type(obj), (uvloop.UVBaseTransport, uvloop._SSLProtocolTransport)):
        return instrument_of(STREAM)
    raise TypeError(
        f"cannot watch {type(obj).__module__}.{type(obj).__qualname__}: what can be watched is {WATCHABLE}, "
        "and their subclasses"
    )
