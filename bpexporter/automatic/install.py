"""Whole-process watching: every queue, semaphore, stream and connection that is made from now on.

The constructors of the standard library's classes are replaced, on the classes
themselves, by functions that call them and then look where the object was made. So it does not matter who has
imported which name when, and subclasses are seen too.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

from bpexporter.automatic.connections import forget_connections, know_connections
from bpexporter.automatic.filters import Patterns, Settings, settings
from bpexporter.automatic.libraries import forget_libraries, know_libraries
from bpexporter.faults import faults
from bpexporter.hub.hub import Hub, registry_of
from bpexporter.hub.loops import want_every_loop
from bpexporter.naming import places as auto_places
from bpexporter.naming.places import Place, place_of, place_of_executor, place_of_writer
from bpexporter.primitives.imports import forget, when_imported
from bpexporter.primitives.threads import OWN_THREADS
from bpexporter.resources import kinds
from bpexporter.watching.watch import unwatch, unwatch_all, watch_automatically

Finding = Callable[[object, FrameType | None], Place | None]
# Whose constructors are replaced, and how the place of such an object is found.
PLACES: dict[type, Finding] = {
    asyncio.Queue: place_of,
    asyncio.Semaphore: place_of,
    asyncio.Lock: place_of,
    asyncio.StreamWriter: place_of_writer,
}
# The same of what asyncio loads when it is first needed: module, class.
LATER: tuple[tuple[str, str], ...] = (
    ("concurrent.futures.thread", "ThreadPoolExecutor"),
    ("concurrent.futures.process", "ProcessPoolExecutor"),
)
# Whether a place is wanted is found out once; a program with more places makes them as it goes.
MOST_ANSWERS = 4_096

_lock = threading.RLock()
_now: Settings | None = None
_wanted: dict[Place, bool] = {}
_replaced: dict[type, tuple[Any, Any]] = {}


def install(
    *,
    hub: Hub | None = None,
    allow: Patterns = None,
    deny: Patterns = None,
    naming: Callable[..., str | None] | None = None,
) -> None:
    """Watch each queue, semaphore, lock, executor, stream and connection that is made from now on, and each loop.

    So are the pools, limiters and queues of libraries for which there is an adapter. Names are found by themselves: the
    attribute or variable that the object is assigned to, and where (``app.main:Crawler.todo``, ``app.main:jobs``), else
    module and line. What the standard library makes for its own use, and what bpexporter does, is left out, and so are
    queues that a list of libraries makes for start-up or one for each connection. What was made before stays as it is.

    `allow` and `deny` are patterns as of a shell, as a list or with commas between, for names or modules; a
    package stands for its modules. Where `allow` holds some, only what fits one is watched; what fits one of
    `deny` is not. By default they come from ``BPEXPORTER_ALLOW`` and ``BPEXPORTER_DENY``. `naming` is called
    with each new object and the name that was found, and returns the name, or ``None`` to leave it out; the
    object may not be through its own constructor yet. Called again, the last settings hold.

    Raises ``TypeError`` for arguments of a wrong type.
    """
    global _now
    chosen = settings(hub, allow, deny, naming)
    kinds.load()
    with _lock:
        _now = chosen
        _wanted.clear()
        want_every_loop(registry_of(chosen.hub))
        for kind, find in PLACES.items():
            _hook(kind, find)
        for module, _kind in LATER:
            when_imported(module, _hook_later)
        know_connections(_chosen)
        know_libraries(_made_by_library)


def uninstall() -> None:
    """Undo `install`, and watch nothing more: the standard library's methods are back, what was counted stays.

    What was watched by `watch` is released as well. Without `install` it does that alone.
    """
    global _now
    with _lock:
        _now = None
        for kind, (original, ours) in list(_replaced.items()):
            if vars(kind).get("__init__") is ours:  # else somebody has replaced ours in the meantime
                kind.__init__ = original  # type: ignore[misc]
            del _replaced[kind]
        for module, _kind in LATER:
            forget(module, _hook_later)
        auto_places.forget()
        want_every_loop(None)
        forget_connections()
        forget_libraries()
    unwatch_all()


def _hook_later(module: ModuleType) -> None:
    _hook(getattr(module, dict(LATER)[module.__name__]), place_of_executor)


def _hook(kind: type, find: Finding) -> None:
    if kind in _replaced:
        return
    original = vars(kind)["__init__"]

    @functools.wraps(original)
    def constructor(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        chosen = _now
        if chosen is not None:
            try:
                _made(self, find(self, sys._getframe(1)), chosen)
            except Exception as error:
                faults.swallow(error, "a new object")

    _replaced[kind] = original, constructor
    kind.__init__ = constructor  # type: ignore[misc]


def _chosen(kind: type, place: Place) -> tuple[str, Hub] | None:
    """The name under which connections with protocols of this `kind` are known, and where."""
    chosen = _now
    if chosen is None or not _is_wanted(place, chosen):
        return None
    name = place.name if chosen.naming is None else _named(chosen.naming, kind, place.name)
    return None if name is None else (name, chosen.hub)


def _made_by_library(obj: object, place: Place | None) -> None:
    if _now is not None:
        _made(obj, place, _now)


def _made(obj: object, place: Place | None, chosen: Settings) -> None:
    if place is None or not _is_wanted(place, chosen) or threading.get_ident() in OWN_THREADS:
        return
    name: str | None = place.name
    if chosen.naming is not None:
        name = _named(chosen.naming, obj, place.name)
    if name is not None:
        watch_automatically(obj, name, chosen.hub)
        if _now is None:  # another thread has uninstalled meanwhile
            unwatch(obj)


def _named(naming: Callable[..., str | None], obj: object, name: str) -> str | None:
    try:
        return naming(obj, name)
    except Exception as error:
        faults.swallow(error, "the naming function")
        return name


def _is_wanted(place: Place, chosen: Settings) -> bool:
    answer = _wanted.get(place)
    if answer is None:
        if len(_wanted) >= MOST_ANSWERS:
            _wanted.clear()
        answer = _wanted[place] = chosen.wants(place)
    return answer
