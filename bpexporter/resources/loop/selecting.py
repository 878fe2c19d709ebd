"""Times the waits of an asyncio loop in its selector, whose `select` is one of ours while the loop is watched.

The attribute is set on the selector itself: no other loop and no class is touched. From run to run only a `select` that
holds nothing stays, so that a loop which has ended is freed at once.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import weakref
from collections.abc import Callable
from typing import Any

from bpexporter.primitives.limits import INFINITY
from bpexporter.resources.loop.busy import BusyClock
from bpexporter.resources.patching import guarded, own

Clock = Callable[[], float]
NAME = "select"


def present_run(ended: Callable[[Any], None] | None = None) -> weakref.ref[Any] | None:
    """Returns an object that lives as long as the present run of the running loop; `ended` is called at its end.

    Each `run_forever()` sets hooks for asynchronous generators that are new bound methods, and drops them when it
    returns. asyncio and uvloop do so.
    """
    try:
        return weakref.ref(sys.get_asyncgen_hooks().firstiter, ended)
    except TypeError:  # somebody has set none, or one of his own
        return None


class SelectorTiming:
    """The timing of one selector."""

    __slots__ = ("__weakref__", "busy", "clock", "ours", "run", "selector")

    def __init__(self, selector: Any, busy: BusyClock, clock: Clock) -> None:
        self.selector = weakref.ref(selector)
        self.busy = busy
        self.clock = clock
        self.ours: Any = None  # the function that stands on the selector
        self.run: weakref.ref[Any] | None = None  # must be held, or the end of the run would not be told

    def begin(self) -> bool:
        """Time the run that is going on; called in the loop. ``False`` where the end of the run could not be told."""
        self.end()
        selector = self.selector()
        self.run = present_run(self._ended)
        if selector is None or self.run is None:
            return False
        self._put(selector, _timed(getattr(selector, NAME), self.busy, self.clock))
        self.busy.awake_since = self.clock()
        return True

    def goes_on(self, selector: Any) -> bool:
        """Returns whether it is this `selector` that is timed, and nobody has replaced what times it."""
        return self.run is not None and self.selector() is selector and present_select(selector) is self.ours

    def end(self) -> None:
        """Time no more; the selector is as it was, unless somebody has replaced ours."""
        selector, self.run = self.selector(), None
        if selector is not None and self.ours is not None and present_select(selector) is self.ours:
            object.__delattr__(selector, NAME)
        self.ours = None
        self.busy.rest(self.clock())

    def _put(self, selector: Any, function: Any) -> None:
        object.__setattr__(selector, NAME, function)
        self.ours = function

    def _ended(self, run: Any) -> None:
        if run is self.run:
            guarded(self.await_run)

    def await_run(self) -> None:
        """Begin with the first turn of the next run."""
        self.end()
        selector = self.selector()
        if selector is not None:
            self._put(selector, _first(weakref.ref(self), self.selector))


def present_select(selector: Any) -> Any:
    """Returns the `select` of `selector`, without any code of the host's."""
    return object.__getattribute__(selector, NAME)


def timing_of(loop: Any, busy: BusyClock, clock: Clock) -> SelectorTiming | None:
    """A timing of the selector of `loop`; ``None`` where there is none, or its `select` is not that of its class."""
    selector = selector_of(loop)
    kind: Any = type(selector)
    if not issubclass(kind, selectors.BaseSelector):
        return None
    own_function = getattr(present_select(selector), "__func__", None)
    return SelectorTiming(selector, busy, clock) if own_function is kind.select else None


def selector_of(loop: Any) -> Any:
    """The selector of an asyncio loop, ``None`` where there is none."""
    return own(loop, "_selector") if issubclass(type(loop), asyncio.BaseEventLoop) else None


def _timed(select: Any, busy: BusyClock, clock: Clock) -> Any:
    """`select`, with waits told to `busy`."""

    def timed_select(timeout: float | None = None) -> Any:
        # Where nothing is timed any more, somebody else has kept this function.
        if (timeout is not None and timeout <= 0) or busy.awake_since == INFINITY:
            return select(timeout)
        now = clock()
        # Without a call in between: a reader sees both or neither.
        busy.seconds += now - busy.awake_since
        busy.awake_since = INFINITY
        try:
            return select(timeout)
        finally:
            busy.awake_since = clock()

    return timed_select


def _first(timing: weakref.ref[SelectorTiming], selector: weakref.ref[Any]) -> Any:
    """The `select` of a loop that does not run: its first turn begins the timing of the run."""

    def first_select(timeout: float | None = None) -> Any:
        waits, known = selector(), timing()
        if known is not None:
            guarded(known.begin)
        if present_select(waits) is first_select:  # nobody times this loop any more
            object.__delattr__(waits, NAME)
        return present_select(waits)(timeout)

    return first_select
