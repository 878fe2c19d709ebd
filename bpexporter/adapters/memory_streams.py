"""Watches anyio's memory object streams: what both their ends share is a queue.

Items change hands in `send_nowait()` and `receive_nowait()`, also those of callers that wait: who waits is in the same
order in anyio's own lists and in ours, since both are written in the same step.
"""

from __future__ import annotations

import functools
import math
import sys
from functools import partial
from typing import Any

from bpexporter.adapters.ledgers import ledger_of
from bpexporter.adapters.queues import QueueInstrument, count_get, count_put
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.adopting import follow
from bpexporter.resources.listening import LONG_WAIT, task_token, waiting_token
from bpexporter.resources.patching import guarded
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import Levels
from bpexporter.resources.queue.metrics import QueueReading

MODULE = "anyio.streams.memory"
ENDED = ("BrokenResourceError", "ClosedResourceError")
# Waits that another task has ended by sending or receiving, until who has waited goes on: seconds, and when.
_handed_over: dict[object, tuple[float, float]] = {}


class Instrument(QueueInstrument):
    """Watches what both ends of a memory object stream share."""

    def install(self) -> None:
        """Put the methods in that record."""
        module = sys.modules[MODULE]
        sending, receiving = module.MemoryObjectSendStream, module.MemoryObjectReceiveStream
        send, receive = sending.send, receiving.receive
        self.replaced.replace(sending, "send_nowait", partial(send_nowait, send.__code__))
        self.replaced.replace(receiving, "receive_nowait", partial(receive_nowait, receive.__code__))
        self.replaced.replace(sending, "send", partial(waiting, "producers"))
        self.replaced.replace(receiving, "receive", partial(waiting, "idle"))

    def levels_of(self, state: Any) -> Levels:
        """Without a bound the capacity is 0, and without a buffer there is none."""
        most, buffer = state.max_buffer_size, state.buffer
        return Levels(len(buffer), most, 0 if math.isinf(most) else most or None, None, buffer)

    def adopt(self, state: Any, ledger: QueueLedger) -> None:
        """Go on with those that wait at either end."""
        adopt(ledger, ledger.producers, state.waiting_senders)
        adopt(ledger, ledger.idle, state.waiting_receivers)

    def read(self, ledger: QueueLedger, now: float) -> QueueReading:
        """A reading of the stream at `now`; one without a buffer has room for nothing."""
        reading = super().read(ledger, now)
        has_none = reading.members and not reading.unbounded_members and reading.capacity_items is None
        return reading._replace(capacity_items=0.0) if has_none else reading


# What takes the place of the library's methods ---------------------------------------------------------------


def send_nowait(waits_in: Any, original: Any) -> Any:
    """Sends, and records."""

    @functools.wraps(original)
    def send(self: Any, item: Any) -> None:
        ledger = ledger_of(self._state)
        if ledger is None:
            original(self, item)
            return
        state = self._state
        receivers = len(state.waiting_receivers)
        try:
            original(self, item)
        except Exception as error:
            refused = type(error).__name__ == "WouldBlock"
            if refused and sys._getframe(1).f_code is waits_in:
                guarded(begin, ledger, ledger.producers)
            elif refused:
                ledger.refused_full += 1
            raise
        guarded(sent, ledger, state, item, receivers)

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
        guarded(received, ledger, self._state, item, senders)
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
        guarded(goes_on, ledger, getattr(ledger, side))
        return got

    return wait


# What is recorded --------------------------------------------------------------------------------------------


def begin(ledger: QueueLedger, stall: StallClock) -> None:
    """The present task waits."""
    ledger.begin_wait(stall, waiting_token(stall))


def goes_on(ledger: QueueLedger, stall: StallClock) -> None:
    """The present task has got what it came for; where it had waited, another has ended its wait, which is told now."""
    token = task_token()
    ended = _handed_over.pop(token, None)
    if ended is not None:
        ledger.tell_wait(stall, token, *ended)
        ledger.tell_operation(stall, ended[1])
    elif token in stall.waiting:
        ledger.end_wait(stall, token)


def gave_up(ledger: QueueLedger, side: str, error: BaseException) -> None:
    """The present task has not got what it came for."""
    stall: StallClock = getattr(ledger, side)
    token = task_token()
    _handed_over.pop(token, None)
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
            now = ledger.clock()
            waited = stall.end(token, now)
            if waited > LONG_WAIT and ledger.listener is not None:
                _handed_over[token] = waited, now
            return waited
    return None


def sent(ledger: QueueLedger, state: Any, item: Any, receivers: int) -> None:
    """`item` went into the buffer, or to one of so many receivers that waited."""
    went = receivers - len(state.waiting_receivers)
    if went:  # who was about to be cancelled has been passed over
        waited = first_of(ledger, ledger.idle, skipped=went - 1)
        ledger.puts += 1
        ledger.lands(ledger.idle, waited or 0.0)
        listener, ledger.listener = ledger.listener, None  # the one that gets it is not the present task
        try:
            count_get(ledger, item, len(state.buffer), state.max_buffer_size)
        finally:
            ledger.listener = listener
        ledger.tell_operation(ledger.producers, ledger.clock())
        if waited is not None:
            ledger.landed_get(waited)
        return
    count_put(ledger, item, len(state.buffer), state.max_buffer_size)


def received(ledger: QueueLedger, state: Any, item: Any, senders: int) -> None:
    """`item` came out of the buffer, where that of the first of so many senders that waited has taken a place."""
    landed = senders > len(state.waiting_senders)
    waited = first_of(ledger, ledger.producers) if landed else None
    ledger.lands(ledger.producers, waited or 0.0)
    ledger.puts += landed
    count_get(ledger, item, len(state.buffer), state.max_buffer_size)
    if waited is not None:
        ledger.landed_put(waited)


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
