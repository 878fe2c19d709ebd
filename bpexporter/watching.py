"""`watch()` and `unwatch()`: which instrument for which type.

Floor 4.
"""

from __future__ import annotations

import os
import threading
from typing import Any, TypeVar

from bpexporter import hub as hubs
from bpexporter.faults import faults
from bpexporter.hub import Hub, Snapshot, checked_name
from bpexporter.instruments.queue import QueueInstrument

T = TypeVar("T")

# The first whose types fit is taken.
INSTRUMENTS: tuple[Any, ...] = (QueueInstrument(),)

_lock = threading.RLock()


def _fitting(obj: object) -> Any:
    for instrument in INSTRUMENTS:
        if issubclass(type(obj), instrument.types):
            return instrument
    watchable = ", ".join(instrument.watchable for instrument in INSTRUMENTS)
    raise TypeError(
        f"cannot watch {type(obj).__module__}.{type(obj).__qualname__}: what can be watched is {watchable}, "
        "and their subclasses"
    )


def watch(obj: T, name: str, *, hub: Hub | None = None) -> T:
    """Record `obj` under `name` from now on, and return it.

    Works in place: the object, its class, its waiting callers and its behaviour stay. Objects that share a name
    are its members. Watching again under the same name changes nothing; under another name, or in another
    `hub` (default: the process-wide one), what was counted stays with the old name.

    Raises ``TypeError`` for an object that cannot be watched or a name that is no string, ``ValueError`` for an
    empty name, one over 1,000 characters, or one that is not valid Unicode.
    """
    instrument = _fitting(obj)
    plain = checked_name(name)
    home = hubs.default_hub if hub is None else hub
    if not isinstance(home, Hub):
        raise TypeError(f"hub must be a bpexporter.Hub, not {type(hub).__name__}")
    with _lock:
        ledger = instrument.ledger_of(obj)
        if ledger is not None and (ledger.home.hub, ledger.asked) == (home, plain):
            return obj
        if ledger is not None:
            _release(obj, ledger, instrument)
        ledger = instrument.attach(obj, bounds=home.buckets, clock=home.clock)
        home.add(obj, plain, ledger, instrument)
    return obj


def unwatch(obj: T) -> T:
    """Record `obj` no more, and return it; its totals stay with its name.

    An object that is not watched is left as it is. When the last one is unwatched, the methods of the standard
    library are back in place. Raises ``TypeError`` for an object that cannot be watched.
    """
    instrument = _fitting(obj)
    with _lock:
        ledger = instrument.ledger_of(obj)
        if ledger is not None:
            _release(obj, ledger, instrument)
            if not any(hub.watches(instrument.kind) for hub in hubs.all_hubs()):
                instrument.uninstall()
    return obj


def _release(obj: object, ledger: Any, instrument: Any) -> None:
    ledger.home.hub.remove(ledger)
    instrument.detach(obj)


def snapshot(*, hub: Hub | None = None) -> Snapshot:
    """Readings of all that is watched, for the program itself: ``snapshot().queues["ingest"].utilization_ratio``.

    Seconds, items and ratios as in the metrics of the same names. May be called from any thread.
    """
    return (hubs.default_hub if hub is None else hub).snapshot()


def _after_fork() -> None:
    """A forked child counts from zero, with locks of its own."""
    global _lock
    _lock = threading.RLock()
    faults.reset()
    for hub in hubs.all_hubs():
        hub.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
