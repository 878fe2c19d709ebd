"""`on_stall`: tells the program of a stall while it lasts, as the triggers of Linux PSI do.

One daemon thread looks at the stall clocks of all triggers ten times in each window, so that nothing is
added to the way of a put, a write or an acquire. It is there as long as there are triggers.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import NamedTuple, Self

from bpexporter.analysis.pressure import kind_of, total_of_name, total_of_object
from bpexporter.faults import faults
from bpexporter.hub.hub import Hub, checked_hub, registry_of
from bpexporter.hub.names import checked_name
from bpexporter.primitives.callables import fitted
from bpexporter.primitives.public import public
from bpexporter.watching.watch import ledger_of

logger = logging.getLogger("bpexporter")

# As the kernel does: so often in each window, and a window is not shorter than this, nor longer.
LOOKS = 10
SHORTEST, LONGEST = 0.1, 3600.0


@public
class Stall(NamedTuple):
    """The stall that a trigger passes to its callback."""

    name: str
    """The name of the resource."""
    kind: str
    """``queue``, ``stream``, ``limiter`` or ``loop``."""
    stalled_seconds: float
    """Seconds stalled in the window; of several members together."""
    within: float
    """The window in seconds."""


@public
class Trigger:
    """A trigger that is on, as `on_stall` gives it. A context manager that cancels at the end of the block."""

    fired: int
    """The number of calls so far."""

    def __init__(
        self,
        *,
        total: Callable[[], float | None],
        told: tuple[str, str],
        stalled: float,
        within: float,
        call: Callable[[Stall], None],
        clock: Callable[[], float],
    ) -> None:
        self.fired = 0
        self.clock = clock
        self.within = within
        self._total = total
        self._told = told
        self._stalled = stalled
        self._call = call
        self._samples: deque[tuple[float, float]] = deque()
        self._quiet_until = -math.inf
        self.active = True
        """True until it is cancelled: it still looks."""

    def cancel(self) -> None:
        """Look no more. May be called from any thread, from the callback too; again does nothing."""
        self.active = False
        watcher.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def look(self, now: float) -> None:
        """Read the stalled seconds at `now`, and call where they have grown by enough within the window."""
        total = self._total()
        if total is None:  # the resource is gone
            self.active = False
            return
        grown = total - self._before(now, total)
        if now >= self._quiet_until and grown >= self._stalled * (1 - 1e-9):
            self._quiet_until = now + self.within
            self.fired += 1
            self._deliver(Stall(*self._told, grown, self.within))

    def _before(self, now: float, total: float) -> float:
        """The stalled seconds at the beginning of the window, between the two looks around it."""
        samples, start = self._samples, now - self.within
        samples.append((now, total))
        while len(samples) > 2 and samples[1][0] <= start:
            samples.popleft()
        (since, first), (until, second) = next(pairwise(samples), (samples[0], samples[0]))
        if since >= start or until == since:
            return first
        return first + (second - first) * (start - since) / (until - since)

    def _deliver(self, stall: Stall) -> None:
        try:
            self._call(stall)
        except BaseException as error:  # sys.exit() would end the thread that looks, and all other triggers with it
            told(error)


def told(error: BaseException) -> None:
    """An error of the application's callback: counted with ours and logged; no look depends on it."""
    faults.count += 1
    logger.error("bpexporter: the callback of on_stall() failed", exc_info=error)


class Watcher:
    """The thread that looks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Trigger, float] = {}
        self._thread: threading.Thread | None = None

    def add(self, trigger: Trigger) -> None:
        """Look at `trigger` from now on."""
        with self._changed:
            self._due[trigger] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bpexporter-stalls", daemon=True)
                self._thread.start()
            self._changed.notify()

    def wake(self) -> None:
        """A trigger was cancelled."""
        with self._changed:
            self._due = {trigger: due for trigger, due in self._due.items() if trigger.active}
            self._changed.notify()

    def _run(self) -> None:
        while (ready := self._next()) is not None:
            for trigger in ready:
                try:
                    trigger.look(trigger.clock())
                except Exception as error:
                    told(error)

    def _next(self) -> list[Trigger] | None:
        with self._changed:
            while True:
                self._due = {trigger: due for trigger, due in self._due.items() if trigger.active}
                if not self._due:
                    self._thread = None
                    return None
                now = time.monotonic()
                ready = [trigger for trigger, due in self._due.items() if due <= now]
                if ready:
                    self._due |= {trigger: now + trigger.within / LOOKS for trigger in ready}
                    return ready
                self._changed.wait(min(self._due.values()) - now)


watcher = Watcher()


def on_stall(
    resource: object,
    *,
    stalled: float = 0.15,
    within: float = 1.0,
    call: Callable[..., object],
    loop: asyncio.AbstractEventLoop | None = None,
    kind: str | None = None,
    hub: Hub | None = None,
) -> Trigger:
    """Call `call` when `resource` was stalled for `stalled` seconds within `within` seconds, while it is.

    `resource` is something watched (a queue, a stream, a semaphore, an event loop) or the name of one, in `hub`;
    where kinds share the name, `kind` says which. Seconds of members that share a name are added up.
    `call` is given a `Stall` if it takes an argument. It is called at most once in each window, on a thread of
    bpexporter's, or in `loop` where that is given; while it runs nothing else is looked at. What it raises is
    logged, and counted among the errors of the exporter's own. The trigger does not keep the resource alive,
    and a forked child has none. Stalls are looked for ten times in each window, as Linux does it for
    ``/proc/pressure`` (the kernel's ``Documentation/accounting/psi.rst``).

    Raises ``TypeError`` for a resource that cannot be watched, a `call` that cannot be called like this or is a
    coroutine function, and for numbers that are none; ``ValueError`` for a window outside 0.1 s to 3,600 s, for
    `stalled` not above 0 or over the window, and where a name stands for several kinds; ``LookupError`` for what
    is not watched.
    """
    stalled, within = checked_times(stalled, within)
    registry = registry_of(checked_hub(hub))
    deliver = delivery(call, loop)
    if isinstance(resource, str):
        found, name = kind_of(registry, resource, kind), checked_name(resource)
        total = total_of_name(registry, found, name)
    else:
        ledger = ledger_of(resource)
        if ledger is None:
            raise LookupError(f"this {type(resource).__name__} is not watched: watch() it first")
        registry, name, found = ledger.entry.registry, ledger.entry.name, ledger.instrument.kind
        total = total_of_object(weakref.ref(resource))
    trigger = Trigger(
        total=total, told=(name, found), stalled=stalled, within=within, call=deliver, clock=registry.clock
    )
    watcher.add(trigger)
    return trigger


def checked_times(stalled: object, within: object) -> tuple[float, float]:
    """Both as seconds."""
    for name, value in (("stalled", stalled), ("within", within)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name} must be seconds, not {type(value).__name__}")
    assert isinstance(stalled, (int, float))
    assert isinstance(within, (int, float))
    if not SHORTEST <= within <= LONGEST:
        raise ValueError(f"within must be from {SHORTEST} to {LONGEST:.0f} seconds, not {within}")
    if not 0 < stalled <= within:
        raise ValueError(f"stalled must be above 0 and not over the {within} seconds of the window, not {stalled}")
    return float(stalled), float(within)


def delivery(call: object, loop: object) -> Callable[[Stall], None]:
    """Returns the function that calls `call`: here, or in `loop`."""
    if not callable(call) or inspect.iscoroutinefunction(call):
        raise TypeError(f"call must be a plain function, not {type(call).__name__}")
    if loop is not None and not isinstance(loop, asyncio.AbstractEventLoop):
        raise TypeError(f"loop must be an event loop, not {type(loop).__name__}")
    function = fitted(call, 1)
    if loop is None:
        return function

    def safely(stall: Stall) -> None:
        try:
            function(stall)
        except Exception as error:
            told(error)

    def in_loop(stall: Stall) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(safely, stall)

    return in_loop


def _after_fork() -> None:
    """A forked child has no thread that looks, and no triggers."""
    global watcher
    watcher = Watcher()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
