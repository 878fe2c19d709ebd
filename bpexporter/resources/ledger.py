"""The slots and methods that the ledgers of all kinds share: whose they are, and where they stand."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.listening import LONG_WAIT, TOLD_SECONDS, Listener
from bpexporter.resources.protocols import Entry, Instrument


class MemberLedger:
    """A ledger as the hub knows it: a member of a name. The kinds add what they count."""

    __slots__ = (
        "__weakref__",
        "owner",  # weak reference to the object that is recorded; None once it is released
        "entry",  # the name that it is a member of
        "index",  # its place among the members of that name
        "instrument",  # the instrument that updates and reads it
        "requested_name",  # the name that was asked for; `entry` may be the one of all names too many
        "automatic",  # nobody has asked for the name: it was found
        "retired",  # its totals are with its name, and it counts no more
        "loopless",  # the object belongs to no loop yet
        "loop_ledger",  # the ledger of the loop in which it was watched, or to which it was bound; None where none is
        "clock",  # monotonic seconds
        "ended_at",  # when its object came to its end; None while it lives
        "listener",  # is told of long waits, and now and then of an operation; mostly None
    )

    owner: weakref.ref[Any] | None
    entry: Entry
    instrument: Instrument[Any, Any]
    listener: Listener | None

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self.owner = None
        self.index = 0
        self.requested_name = ""
        self.automatic = self.retired = self.loopless = False
        self.clock = clock
        self.loop_ledger: MemberLedger | None = None
        self.ended_at: float | None = None
        self.listener = None

    def __reduce__(self) -> tuple[type[None], tuple[None, ...]]:
        # A copied or pickled object is not watched, and unpickles where bpexporter is not installed.
        return type(None), ()

    def live_owner(self) -> Any:
        """The object that is recorded; ``None`` where it is gone or no longer watched."""
        return None if self.owner is None or self.retired else self.owner()

    # The seam where a wait begins and ends: see `listening` ---------------------------------------------

    def begin_wait(self, stall: StallClock, token: object) -> None:
        """The caller of this `token` waits from now on."""
        stall.begin(token, self.clock())

    def end_wait(self, stall: StallClock, token: object) -> float:
        """The caller of this `token` waits no more; returns the seconds that it waited, 0 where it did not."""
        now = self.clock()
        waited = stall.end(token, now)
        if waited > LONG_WAIT and self.listener is not None:
            self.tell_wait(stall, token, waited, now)
        return waited

    def tell_wait(self, stall: StallClock, token: object, waited: float, now: float) -> None:
        """Tell the listener of a wait that ended `now`."""
        try:
            if self.listener is not None:
                self.listener.waited(self, stall.side, token, now - waited, now)
        except Exception as error:
            faults.swallow(error, "a listener that was told of a wait")

    def tell_operation(self, stall: StallClock, now: float) -> None:
        """Tell the listener of the operation that has just run, unless it was told of one a moment ago."""
        if self.listener is None or now - stall.told_at < TOLD_SECONDS:
            return
        stall.told_at = now
        try:
            self.listener.operated(self, stall.side, now)
        except Exception as error:
            faults.swallow(error, "a listener that was told of an operation")
