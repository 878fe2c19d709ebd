"""`watch()` and `unwatch()`: objects and their ledgers."""

from __future__ import annotations

import math
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from bpexporter.hub import forks as _forks  # noqa: F401  whoever watches also forks well
from bpexporter.hub import process
from bpexporter.hub.hub import Hub, checked_hub, registry_of
from bpexporter.hub.loops import find_loop, follow_loops
from bpexporter.hub.names import checked_name
from bpexporter.hub.registry import Registry
from bpexporter.resources.kinds import (
    KINDS,
    LIMITER,
    LOOP,
    POOL,
    QUEUE,
    RESOURCES,
    fitting,
    instrument_of,
    is_loaded,
    loaded,
)

if TYPE_CHECKING:
    from bpexporter.hub.snapshot import Snapshot

T = TypeVar("T")

# So often the originals are put back when the last object of a kind is unwatched; then they stay away until
# uninstall(). From 3.13 on CPython specialises no more what has to do with a class that was changed 1,000 times: from
# about 450 such rounds on each queue of the process, watched or not, was three times slower for good.
MOST_ROUNDS: float = 400 if sys.version_info >= (3, 13) else math.inf
_rounds: Counter[str] = Counter()


def ledger_of(obj: object) -> Any:
    """The ledger of `obj`, ``None`` where it is not watched. Raises ``TypeError`` where it cannot be."""
    return fitting(obj).ledger_of(obj)


def watch(obj: T, name: str, *, hub: Hub | None = None, pool: bool = False) -> T:
    """Record `obj` under `name` from now on, and return it.

    Works in place: the object, its class, its waiting callers and its behaviour stay. Objects that share a name
    are its members. Watching again under the same name changes nothing; under another name, or in another
    `hub` (default: the process-wide one), what was counted stays with the old name, unless that was found by
    `install()`. The loop that runs is watched as well, as any loop that a watched object is found to belong to.

    `pool`: the object is a queue that hands out what is given back, such as connections. It is shown as a limiter:
    in use is what is not in the queue, and who waits to get something is held up.

    Raises ``TypeError`` for an object that cannot be watched, a pool that is no queue, or a name that is no string,
    ``ValueError`` for an empty name, one over 1,000 characters, or one that is not valid Unicode.
    """
    instrument = _fitting_pool(obj) if pool else fitting(obj)
    plain = checked_name(name)
    registry = registry_of(checked_hub(hub))
    with process.lock:
        _record(obj, plain, registry, instrument)
    return obj


def _fitting_pool(obj: object) -> Any:
    if not issubclass(type(obj), KINDS[QUEUE].types):
        raise TypeError(f"a pool is an asyncio.Queue, not {type(obj).__module__}.{type(obj).__qualname__}")
    return instrument_of(POOL)


def watch_automatically(obj: object, name: str, hub: Hub) -> None:
    """Record `obj` in `hub` under a name that nobody asked for, unless it is recorded already."""
    instrument = fitting(obj)
    with process.lock:
        if instrument.ledger_of(obj) is None:
            _attach(obj, checked_name(name), registry_of(hub), instrument, automatic=True)


def _record(obj: object, name: str, registry: Registry, instrument: Any) -> None:
    ledger = instrument.ledger_of(obj)
    if ledger is not None and ledger.instrument is instrument and _goes_on(ledger, name, registry):
        instrument.join(obj, ledger)
        return
    if ledger is not None and _is_unclaimed(ledger):
        ledger.entry.registry.discard(ledger)
    elif ledger is not None:
        ledger.entry.registry.remove(ledger)
    _attach(obj, name, registry, instrument, automatic=False, former=ledger)


def _attach(
    obj: object, name: str, registry: Registry, instrument: Any, *, automatic: bool, former: Any = None
) -> None:
    bounds, clock = registry.buckets, registry.clock
    if former is None:
        ledger = instrument.attach(obj, bounds=bounds, clock=clock)
    else:
        ledger = instrument.replace(obj, former, bounds=bounds, clock=clock)
    registry.add(instrument.owner_of(obj), name, ledger, instrument, automatic=automatic)
    if instrument.kind != LOOP:
        find_loop(ledger, registry)
        follow_loops()


def _goes_on(ledger: Any, name: str, registry: Registry) -> bool:
    if ledger.entry.registry is not registry:
        return False
    if ledger.requested_name != name and _is_unclaimed(ledger):
        registry.move(ledger, name)
    return bool(ledger.requested_name == name)


def _is_unclaimed(ledger: Any) -> bool:
    """Returns whether nobody has asked for the name, and no total under it is another's."""
    return bool(ledger.automatic and ledger.entry.is_only(ledger))


def unwatch(obj: T) -> T:
    """Record `obj` no more, and return it; its totals stay with its name.

    An object that is not watched is left as it is. When the last one is unwatched, the methods of the standard
    library are back in place; on Python 3.13 and later the first 400 times.

    Raises ``TypeError`` for an object that cannot be watched.
    """
    instrument = fitting(obj)
    with process.lock:
        ledger = instrument.ledger_of(obj)
        if ledger is not None:
            ledger.entry.registry.release(obj, ledger)
            _clear(instrument)
    return obj


def _clear(instrument: Any) -> None:
    """Put the originals back where nothing of this kind is watched, and leave the loops where nothing at all is."""
    for kind in {instrument.kind, QUEUE} if instrument.kind == LIMITER else {instrument.kind}:
        if not _is_needed(kind) and _rounds[kind] < MOST_ROUNDS:
            _rounds[kind] += 1
            for one in loaded():
                if one.kind == kind:
                    one.uninstall()
    if not any(_watched(kind) for kind in RESOURCES if kind != LOOP):
        _leave_loops()


def _leave_loops() -> None:
    registries = process.all_registries()
    for registry in registries:
        for ledger in registry.members(LOOP):
            if ledger.automatic and not registry.every_loop:
                _release_member(ledger)
    if not any(registry.every_loop for registry in registries) and _rounds[LOOP] < MOST_ROUNDS:
        _rounds[LOOP] += 1
        instrument_of(LOOP).uninstall()


def _is_needed(kind: str) -> bool:
    """Returns whether the methods of this kind record something: pools, which are limiters, use those of queues."""
    return _watched(kind) or (kind == QUEUE and is_loaded(POOL) and _watched(LIMITER))


def _watched(kind: str) -> bool:
    return any(registry.watches(kind) for registry in process.all_registries())


def unwatch_all() -> None:
    """Record nothing more, in no hub: the methods of the standard library are back in place."""
    with process.lock:
        for instrument in loaded():
            for registry in process.all_registries():
                for ledger in registry.members(instrument.kind):
                    _release_member(ledger)
            instrument.uninstall()


def _release_member(ledger: Any) -> None:
    obj = ledger.owner() if ledger.owner is not None else None
    if obj is not None:
        ledger.entry.registry.release(obj, ledger)


def snapshot(*, hub: Hub | None = None) -> Snapshot:
    """Readings of all that is watched, for the program itself: ``snapshot().queues["ingest"].utilization_ratio``.

    Seconds, items and ratios as in the metrics of the same names. May be called from any thread.
    """
    return checked_hub(hub).snapshot()
