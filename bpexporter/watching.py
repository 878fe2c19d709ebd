"""`watch()` and `unwatch()`: objects, their ledgers, and the loops that they belong to.

Floor 4.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from asyncio.events import _get_running_loop
from collections import Counter
from typing import Any, TypeVar

from bpexporter import hub as hubs
from bpexporter.faults import faults
from bpexporter.hub import Hub, Snapshot
from bpexporter.hub_names import checked_name
from bpexporter.instruments.kinds import BOUND_LATER, LOOP, TYPES, fitting, instrument_of, loaded
from bpexporter.instruments.replacing import own

T = TypeVar("T")

_lock = threading.RLock()

# So often the originals are put back when the last object of a kind is unwatched; then they stay away until
# uninstall(). From 3.13 on CPython specialises no more what has to do with a class that was changed 1,000 times: from
# about 450 such rounds on each queue of the process, watched or not, was three times slower for good.
MOST_ROUNDS: float = 400 if sys.version_info >= (3, 13) else math.inf
_rounds: Counter[str] = Counter()


class Automatic(str):
    """A name that nobody asked for: one that somebody asks for takes its place."""

    __slots__ = ()


def ledger_of(obj: object) -> Any:
    """The ledger of `obj`, ``None`` where it is not watched. Raises ``TypeError`` where it cannot be."""
    return fitting(obj).ledger_of(obj)


def watch(obj: T, name: str, *, hub: Hub | None = None) -> T:
    """Record `obj` under `name` from now on, and return it.

    Works in place: the object, its class, its waiting callers and its behaviour stay. Objects that share a name
    are its members. Watching again under the same name changes nothing; under another name, or in another
    `hub` (default: the process-wide one), what was counted stays with the old name, unless that was found by
    `install()`. The loop that runs is watched as well, as any loop that a watched object is found to belong to.

    Raises ``TypeError`` for an object that cannot be watched or a name that is no string, ``ValueError`` for an
    empty name, one over 1,000 characters, or one that is not valid Unicode.
    """
    instrument = fitting(obj)
    plain = checked_name(name)
    home = hubs.default_hub if hub is None else hub
    if not isinstance(home, Hub):
        raise TypeError(f"hub must be a bpexporter.Hub, not {type(hub).__name__}")
    with _lock:
        _record(obj, plain, home, instrument)
    return obj


def watch_automatically(obj: object, name: str, home: Hub) -> None:
    """Record `obj` in `home` under a name that nobody asked for, unless it is recorded already."""
    instrument = fitting(obj)
    with _lock:
        if instrument.ledger_of(obj) is None:
            _record(obj, Automatic(checked_name(name)), home, instrument)


def _record(obj: object, name: str, home: Hub, instrument: Any) -> None:
    ledger = instrument.ledger_of(obj)
    if ledger is not None and _goes_on(ledger, name, home):
        return
    if ledger is not None and _is_unasked(ledger):
        ledger.home.hub.discard(ledger)
        instrument.detach(obj)
    elif ledger is not None:
        _release(obj, ledger, instrument)
    ledger = instrument.attach(obj, bounds=home.buckets, clock=home.clock)
    home.add(obj, name, ledger, instrument)
    if instrument.kind != LOOP:
        _find_loop(obj, ledger, home)


def _goes_on(ledger: Any, name: str, home: Hub) -> bool:
    if ledger.home.hub is not home:
        return False
    if ledger.asked != name and _is_unasked(ledger):
        home.move(ledger, name)
    return bool(ledger.asked == name)


def _is_unasked(ledger: Any) -> bool:
    """Whether nobody has asked for the name, and no total under it is another's."""
    return isinstance(ledger.asked, Automatic) and ledger.home.is_only(ledger)


def unwatch(obj: T) -> T:
    """Record `obj` no more, and return it; its totals stay with its name.

    An object that is not watched is left as it is. When the last one is unwatched, the methods of the standard
    library are back in place; on Python 3.13 and later the first 400 times.

    Raises ``TypeError`` for an object that cannot be watched.
    """
    instrument = fitting(obj)
    with _lock:
        ledger = instrument.ledger_of(obj)
        if ledger is not None:
            _release(obj, ledger, instrument)
            _clear(instrument)
    return obj


def _clear(instrument: Any) -> None:
    """Put the originals back where nothing of this kind is watched, and leave the loops where nothing at all is."""
    if not _watched(instrument.kind) and _rounds[instrument.kind] < MOST_ROUNDS:
        _rounds[instrument.kind] += 1
        instrument.uninstall()
    if not any(_watched(kind) for kind in TYPES if kind != LOOP):
        for ledger in [one for hub in hubs.all_hubs() for one in hub.members(LOOP)]:
            if isinstance(ledger.asked, Automatic):
                _release_member(ledger)


def _watched(kind: str) -> bool:
    return any(hub.watches(kind) for hub in hubs.all_hubs())


def unwatch_all() -> None:
    """Record nothing more, in no hub: the methods of the standard library are back in place."""
    with _lock:
        for instrument in loaded():
            for hub in hubs.all_hubs():
                for ledger in hub.members(instrument.kind):
                    _release_member(ledger)
            instrument.uninstall()


def _release_member(ledger: Any) -> None:
    obj = ledger.owner() if ledger.owner is not None else None
    if obj is not None:
        _release(obj, ledger, ledger.instrument)


def _release(obj: object, ledger: Any, instrument: Any) -> None:
    ledger.home.hub.remove(ledger)
    instrument.detach(obj)


# Loops that own something watched -------------------------------------------------------------------------

# Threads of our own, by their ident: what runs there is not the application's.
OWN_THREADS: set[int] = set()


def _find_loop(obj: object, ledger: Any, home: Hub) -> None:
    try:
        loop = _get_running_loop()
        if loop is None and ledger.instrument.kind in BOUND_LATER:
            ledger.loopless = True
        elif loop is not None:
            _watch_loop(loop, threading.get_ident(), home)
    except Exception as error:
        faults.swallow(error, "finding a loop")


def _watch_loop(loop: Any, ident: int | None, home: Hub) -> None:
    loops = instrument_of(LOOP)
    if loops.ledger_of(loop) is None and loops.keeps_time(loop) and not loop.is_closed() and ident not in OWN_THREADS:
        _record(loop, Automatic(loops.name_of(ident)), home, loops)


def find_loops() -> None:
    """Watch the loops to which objects made outside every loop have been bound since."""
    for hub in hubs.all_hubs():
        for ledger in [one for kind in BOUND_LATER for one in hub.members(kind) if one.loopless]:
            with _lock:
                obj = ledger.owner() if ledger.owner is not None else None
                loop = own(obj, "_loop")
                if loop is not None and not ledger.retired:
                    ledger.loopless = False
                    _bound(loop, hub)


def _bound(loop: Any, home: Hub) -> None:
    try:
        _watch_loop(loop, getattr(loop, "_thread_id", None), home)
    except Exception as error:
        faults.swallow(error, "finding a loop")


hubs.before_reading.append(find_loops)


def snapshot(*, hub: Hub | None = None) -> Snapshot:
    """Readings of all that is watched, for the program itself: ``snapshot().queues["ingest"].utilization_ratio``.

    Seconds, items and ratios as in the metrics of the same names. May be called from any thread.
    """
    return (hubs.default_hub if hub is None else hub).snapshot()


def _after_fork() -> None:
    """A forked child counts from zero, with locks of its own."""
    global _lock
    _lock = threading.RLock()
    OWN_THREADS.clear()
    faults.reset()
    for hub in hubs.all_hubs():
        hub.restart()
        for ledger in hub.members(LOOP):
            if ledger.owner().is_running():  # on the thread that has forked, which is the parent's
                _release_member(ledger)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
