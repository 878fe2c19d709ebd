"""Watches event loops: asyncio's, uvloop's and others that keep the time of the monotonic clock."""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any

from bpexporter.resources.loop.ledger import LoopLedger
from bpexporter.resources.loop.methods import Lives, Told
from bpexporter.resources.loop.metrics import LoopReading
from bpexporter.resources.loop.naming import thread_name
from bpexporter.resources.patching import ATTRIBUTE, held
from bpexporter.resources.protocols import Instrument
from bpexporter.resources.tasks import count_tasks

# The instrument ------------------------------------------------------------------------------------------


class LoopInstrument(Instrument[LoopLedger, LoopReading]):
    """Watches `asyncio.AbstractEventLoop` and its subclasses."""

    kind = "loop"

    def __init__(self) -> None:
        self._lives: Lives | None = None
        self._beginning: Any = None  # the loop that is about to run

    def follow(self, begins: Told, ends: Told) -> None:
        """Tell `begins` of each loop that is about to run, and `ends` of each that is about to close."""
        if self._lives is None:
            self._lives = Lives(partial(self._begins, begins), ends)
            self._lives.install()

    def _begins(self, begins: Told, loop: Any) -> None:
        self._beginning = loop
        try:
            begins(loop)
        finally:
            self._beginning = None

    def ledger_of(self, loop: Any) -> LoopLedger | None:
        """The ledger of `loop`, ``None`` where it is not watched."""
        ledger = held(loop)
        return ledger if isinstance(ledger, LoopLedger) and not ledger.retired else None

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        if self._lives is not None:
            self._lives.uninstall()
            self._lives = None

    def name_of(self, ident: int | None) -> str:
        """The name of a loop that runs in the thread `ident`."""
        return thread_name(ident)

    def keeps_time(self, loop: Any) -> bool:
        """Returns whether time passes by itself in `loop`: simulated time would never stand still for a timer."""
        kind = type(loop)
        known = getattr(kind, "time", None) is asyncio.BaseEventLoop.time or kind.__module__.startswith("uvloop")
        return known and kind.__dictoffset__ != 0 and getattr(loop.time, "__self__", None) is loop

    def attach(self, loop: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> LoopLedger:
        """Give `loop` a ledger and a timer. May be called from any thread."""
        ledger = LoopLedger(bounds=bounds, clock=clock)
        object.__setattr__(loop, ATTRIBUTE, ledger)
        if loop.is_closed():
            return ledger
        if _get_running_loop() is loop:
            ledger.beat()
        elif self._beginning is loop:
            ledger.begin_with_run(loop)  # no callback of ours runs in its first turn
        else:
            if loop.is_running():
                ledger.due = clock()  # where it is stuck, that shows from now on
            loop.call_soon_threadsafe(ledger.beat, context=Context())
        return ledger

    def detach(self, loop: Any) -> None:
        """Take the ledger from `loop`; its timer is not set again."""
        ledger = held(loop)
        if isinstance(ledger, LoopLedger):
            ledger.end_timing()
        object.__delattr__(loop, ATTRIBUTE)

    def read(self, ledger: LoopLedger, now: float) -> LoopReading:
        """A reading of the loop at `now`; a loop that has closed is told to the hub."""
        loop = ledger.live_owner()
        if loop is None:
            return self.close(ledger, now)
        if loop.is_closed():
            ledger.entry.registry.note(ledger)
            return self.close(ledger, now)
        return ledger.read(now, tasks=count_tasks(loop), runs=loop.is_running())

    def stalled_seconds(self, ledger: LoopLedger, now: float) -> float:
        """Seconds late so far, the present stall included."""
        loop = ledger.live_owner()
        return ledger.stalled_seconds(now, runs=loop is not None and loop.is_running())

    def close(self, ledger: LoopLedger, now: float) -> LoopReading:
        """The totals of a loop that is gone or no longer watched, the present stall included."""
        loop = ledger.owner() if ledger.owner is not None else None
        return ledger.read(now, tasks=0, runs=loop is not None and loop.is_running(), members=0)

    def peak(self, ledger: LoopLedger, now: float) -> None:
        """A loop has no utilisation."""

    def restart(self, ledger: LoopLedger, now: float) -> None:
        """Count from zero."""
        ledger.restart(ledger.lags.bounds)
