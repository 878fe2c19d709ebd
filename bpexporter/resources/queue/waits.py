"""The part of a queue's ledger on callers that wait: who, since when, and in which ledger they go on."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

from bpexporter.primitives.histogram import Durations
from bpexporter.primitives.limits import NEVER
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.queue.levels import LevelLedger


class Adopted(NamedTuple):
    """A caller whose wait began in a frame that does not know its ledger."""

    side: str
    """The side of the wait: "put" or "get"."""
    token: int
    """The token of its wait."""
    coroutine: weakref.ref[Any]
    """The one that waits; it runs when the wait has ended."""


NOBODY: dict[int, Adopted] = {}  # shared and never changed


class WaitLedger(LevelLedger):
    """The part of a queue's ledger that times waits."""

    __slots__ = (
        "producers",  # puts that wait
        "idle",  # gets that wait
        "put_waits",  # seconds that items waited to get in
        "get_waits",  # seconds that gets waited
        "landing_put",  # the puts before one whose wait is not sorted in yet
        "landing_get",  # the same for gets
        "adopted",  # callers in frames that do not know this ledger, by the identity of their task
        "seen_waiting_at",  # when a reading last found somebody waiting in a loop that was open
        "successor",  # the ledger in which the waits go on, once the queue has another name
    )

    successor: Any

    def _restart_waits(self, bounds: tuple[float, ...], now: float) -> None:
        self.producers, self.idle = StallClock(side="put"), StallClock(side="get")
        self.put_waits, self.get_waits = Durations(bounds), Durations(bounds)
        self.landing_put = self.landing_get = NEVER
        self.adopted = NOBODY
        self.seen_waiting_at = now

    def stall(self, side: str) -> StallClock:
        """The clock of the callers of a side: "put" or "get"."""
        return self.producers if side == "put" else self.idle

    def lands(self, stall: StallClock, waited: float) -> None:
        """A put or get that had waited is about to be counted."""
        if stall is self.producers and waited > self.put_waits.brief:
            self.landing_put = self.puts
        elif stall is self.idle and waited > self.get_waits.brief:
            self.landing_get = self.gets

    def landed_put(self, waited: float) -> None:
        """The item of a put that had waited went in."""
        self.put_waits.feed(waited)
        self.landing_put = NEVER

    def landed_get(self, waited: float) -> None:
        """A get that had waited got its item."""
        self.get_waits.feed(waited)
        self.landing_get = NEVER

    def landed(self, stall: StallClock, waited: float) -> None:
        """A put or get that had waited has ended well."""
        if stall is self.producers:
            self.landed_put(waited)
        else:
            self.landed_get(waited)

    def unsettled(self, stall: StallClock) -> bool:
        """Returns whether there were more puts, or gets, than waits of them."""
        if stall is self.producers:
            return self.put_waits.fed() < self.puts
        return self.get_waits.fed() < self.gets

    def take_over(self, ledger: WaitLedger, now: float) -> None:
        """The callers that wait in the queue's former `ledger` wait here from now on."""
        others_now = ledger.clock()
        self.producers.take_over(ledger.producers, now, others_now=others_now)
        self.idle.take_over(ledger.idle, now, others_now=others_now)
        self.adopted = {**ledger.adopted} or NOBODY
        ledger.successor = self
