"""Watches anyio's memory object streams: what both their ends share is a queue.

Items change hands in `send_nowait()` and `receive_nowait()`, also those of callers that wait: who waits is in the same
order in anyio's own lists and in ours, since both are written in the same step.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from bpexporter.adapters.ledgers import drop, keep, ledger_of
from bpexporter.adapters.limiters import part_of
from bpexporter.adapters.replacing import Replacements
from bpexporter.adapters.shape import Sort
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.adopting import follow
from bpexporter.resources.listening import task_token, waiting_token
from bpexporter.resources.patching import guarded
from bpexporter.resources.protocols import Instrument as Protocol
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import FIFO, Levels
from bpexporter.resources.queue.metrics import QueueReading
from bpexporter.resources.queue.reading import read

MODULE = "anyio.streams.memory"
ENDED = ("BrokenResourceError", "ClosedResourceError")


def levels_of(state: Any) -> Levels:
    """What a stream says of itself: without a bound its capacity is 0, and without a buffer there is none."""
    most, buffer = state.max_buffer_size, state.buffer
    capacity = 0 if math.isinf(most) else most or None
    return Levels(len(buffer), most, capacity, None, buffer)


class Instrument(Protocol[QueueLedger, QueueReading]):
    """Watches what both ends of a memory object stream share."""

    kind = "queue"
    clocks = (("put", "producers"), ("get", "idle"))

    def __init__(self, sort: Sort) -> None:
        self.sort = sort
        self._replaced = Replacements()

    def install(self) -> None:
        """Put the methods in that record."""
        if self._replaced:
            return
        module = sys.modules[MODULE]
        sending, receiving = module.MemoryObjectSendStream, module.MemoryObjectReceiveStream
        send, receive = sending.send, receiving.receive
        self._replaced.replace(sending, "send_nowait", partial(send_nowait, send.__code__))
        self._replaced.replace(receiving, "receive_nowait", partial(receive_nowait, receive.__code__))
        self._replaced.replace(sending, "send", partial(waiting, "producers"))
        self._replaced.replace(receiving, "receive", partial(waiting, "idle"))

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        self._replaced.undo()

    def owner_of(self, stream: Any) -> Any:
        """What both ends share."""
        return part_of(self.sort, stream)

    def ledger_of(self, stream: Any) -> QueueLedger | None:
        """The ledger of `stream`, ``None`` where it is not watched."""
        ledger = ledger_of(self.owner_of(stream))
        return ledger if isinstance(ledger, QueueLedger) else None

    def attach(self, stream: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> QueueLedger:
        """Give `stream` a ledger, and go on with those that wait at it already."""
        self.install()
        state = self.owner_of(stream)
        ledger = QueueLedger(order=FIFO, visible=True, bounds=bounds, clock=clock, levels=levels_of(state))
        keep(state, ledger)
        adopt(ledger, ledger.producers, state.waiting_senders)
        adopt(ledger, ledger.idle, state.waiting_receivers)
        return ledger

    def join(self, stream: Any, ledger: QueueLedger) -> None:
        """`stream` is an end of what is recorded already."""

    def detach(self, stream: Any) -> None:
        """Take the ledger from `stream`."""
        drop(self.owner_of(stream))

    def read(self, ledger: QueueLedger, now: float) -> QueueReading:
        """A reading of the stream at `now`; runs none of the host's code."""
        state = ledger.live_owner()
        reading = read(ledger, None if state is None else levels_of(state), now)
        if state is not None and state.max_buffer_size == 0:
            return reading._replace(capacity_items=0.0)
        return reading

    def close(self, ledger: QueueLedger, now: float) -> QueueReading:
        """The totals of a stream that is gone or no longer watched."""
        self.end_waits(ledger, now)
        return read(ledger, None, now)

    def end_waits(self, ledger: QueueLedger, now: float) -> None:
        """Nobody waits any more."""
        for stall in (ledger.producers, ledger.idle):
            stall.end_all(now)

    def peak(self, ledger: QueueLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        capacity = ledger.capacity_items
        level = max(ledger.left_level(), ledger.peaks.read(now))
        return min(1.0, level / capacity) if capacity and not math.isinf(capacity) else None

    def restart(self, ledger: QueueLedger, now: float) -> None:
        """Count from zero."""
        state = ledger.live_owner()
        if state is not None:
            ledger.restart(bounds=ledger.put_waits.bounds, levels=levels_of(state))

    def stalled_seconds(self, ledger: QueueLedger, now: float) -> float:
        """Wall seconds with a blocked sender so far."""
        return ledger.producers.read(now).stalled_seconds


# What takes the place of the library's methods ---------------------------------------------------------------


def send_nowait(waits_in: Any, original: Any) -> Any:
    """Sends, and records."""

    @functools.wraps(original)
    def send(self: Any, item: Any) -> None:
        ledger = ledger_of(self._state)
        if ledger is None:
            original(self, item)
            return
        receivers = len(self._state.waiting_receivers)
        try:
            original(self, item)
        except Exception as error:
            refused = type(error).__name__ == "WouldBlock"
            if refused and sys._getframe(1).f_code is waits_in:
                guarded(begin, ledger, ledger.producers)
            elif refused:
                ledger.refused_full += 1
            raise
        guarded(sent, ledger, self._state, item, receivers)

    return send


def receive_nowait(waits_in: Any, original: Any) -> Any:
    """Receives, and records."""

    @functools.wraps(original)
    def receive(self: Any) -> Any:
        ledger = ledger_of(self._state)
        if ledger is None:
            return original(self)
        senders = len(self._state.waiting_senders)
        try:
            item = original(self)
        except Exception as error:
            if type(error).__name__ == "WouldBlock" and sys._getframe(1).f_code is waits_in:
                guarded(begin, ledger, ledger.idle)
            raise
        guarded(received, ledger, self._state, senders)
        return item

    return receive


def waiting(side: str, original: Any) -> Any:
    """Waits by the original: of those that did not get what they came for the wait ends here."""

    @functools.wraps(original)
    async def wait(self: Any, *args: Any) -> Any:
        ledger = ledger_of(self._state)
        if ledger is None:
            return await original(self, *args)
        try:
            got = await original(self, *args)
        except BaseException as error:
            guarded(gave_up, ledger, side, error)
            raise
        stall = getattr(ledger, side)
        if stall.waiting:
            ledger.end_wait(stall, task_token())  # where somebody else has handed it over
        return got

    return wait


# What is recorded --------------------------------------------------------------------------------------------


def begin(ledger: QueueLedger, stall: StallClock) -> None:
    """The present task waits."""
    ledger.begin_wait(stall, waiting_token(stall))


def gave_up(ledger: QueueLedger, side: str, error: BaseException) -> None:
    """The present task has not got what it came for."""
    stall: StallClock = getattr(ledger, side)
    token = task_token()
    waited = token in stall.waiting
    ledger.end_wait(stall, token)
    if side == "producers" and type(error).__name__ in ENDED:
        ledger.refused_shutdown += 1
    elif side == "producers" and waited:
        ledger.refused_cancelled += 1


def first_of(ledger: QueueLedger, stall: StallClock, *, skipped: int = 0) -> float | None:
    """Ends the wait of the caller whose turn it was; the seconds that it took, ``None`` where nobody is known to."""
    for number, token in enumerate(stall.waiting):
        if number == skipped:
            return ledger.end_wait(stall, token)
    return None


def sent(ledger: QueueLedger, state: Any, item: Any, receivers: int) -> None:
    """`item` went into the buffer, or to one of so many receivers that waited."""
    ledger.puts += 1
    went = receivers - len(state.waiting_receivers)
    if went:  # who was about to be cancelled has been passed over
        waited = first_of(ledger, ledger.idle, skipped=went - 1)
        got(ledger, state)
        if waited is not None:
            ledger.landed_get(waited)
        return
    depth, most = len(state.buffer), state.max_buffer_size
    if not ledger.band_floor < depth <= ledger.fast_put_max or most is not ledger.capacity:
        ledger.note_put(item, depth, most)


def received(ledger: QueueLedger, state: Any, senders: int) -> None:
    """An item came out of the buffer, where that of the first of so many senders that waited has taken a place."""
    if senders > len(state.waiting_senders):
        waited = first_of(ledger, ledger.producers)
        ledger.puts += 1
        got(ledger, state)
        if waited is not None:
            ledger.landed_put(waited)
        return
    got(ledger, state)


def got(ledger: QueueLedger, state: Any) -> None:
    """An item is out."""
    ledger.countdown -= 1
    depth = len(state.buffer)
    if ledger.countdown < 0 or not ledger.fast_get_min <= depth + 1 <= ledger.fast_get_max:
        ledger.note_get(depth, state.max_buffer_size)
    elif depth + 1 == ledger.falling_depth:
        ledger.fall()


def adopt(ledger: QueueLedger, stall: StallClock, waiters: Any) -> None:
    """Those that wait already go on, with the future for which each waits as its token."""
    for event in list(waiters):
        future = next(iter(getattr(event, "_event", event)._waiters), None)
        if future is not None:
            ledger.begin_wait(stall, id(future))
            follow(future, partial(ended, ledger, stall))


def ended(ledger: QueueLedger, stall: StallClock, future: Any, given_up: bool) -> None:
    """The wait of a caller that had waited before is over; where it got what it came for, that is recorded already."""
    waited = id(future) in stall.waiting
    ledger.end_wait(stall, id(future))
    if waited and given_up and stall is ledger.producers:
        ledger.refused_cancelled += 1
