"""Watches `asyncio.StreamWriter` and transports, asyncio's and uvloop's: puts ledgers in, follows their lives."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.patching import ATTRIBUTE, held
from bpexporter.resources.protocols import Instrument
from bpexporter.resources.stream import methods as stream_methods
from bpexporter.resources.stream import pauses as stream_pauses
from bpexporter.resources.stream.columns import Columns, socket_of, transport_of
from bpexporter.resources.stream.kernel import asked
from bpexporter.resources.stream.ledger import StreamLedger
from bpexporter.resources.stream.metrics import StreamReading

TRUSTED = ("asyncio.", "uvloop")
# Of so many writers of a name the kernel is asked in one reading, at about 3 microseconds each; the others in the next.
ASKED = 1_000
# After so many writers a reading gives way to other threads.
GIVE_WAY = 200

# Transports that cannot hold an attribute (uvloop's), by identity; what is recorded no more is gone by itself.
_ledgers: weakref.WeakValueDictionary[int, StreamLedger] = weakref.WeakValueDictionary()


# Those of asyncio's transports that show what waits in them without adding it up.
SELECTING: Any = asyncio.selector_events._SelectorTransport  # type: ignore[attr-defined]


def is_trusted(transport: Any) -> bool:
    """Whether any thread may ask `transport` for its levels."""
    return type(transport).__module__.startswith(TRUSTED)


class StreamInstrument(Instrument[StreamLedger, StreamReading]):
    """Watches `asyncio.StreamWriter`, its subclasses, and transports that write."""

    kind = "stream"
    clocks = (("drain", "blocked"),)

    def ledger_of(self, obj: Any) -> StreamLedger | None:
        """The ledger of `obj`, ``None`` where it is not watched."""
        ledger = held(obj) or _ledgers.get(id(obj))
        if not isinstance(ledger, StreamLedger) or ledger.retired:
            return None
        return ledger if ledger.owner is None or ledger.owner() is obj else None

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        stream_methods.uninstall()
        stream_pauses.uninstall()
        _ledgers.clear()

    def attach(self, obj: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> StreamLedger:
        """Give `obj` a ledger; raises ``TypeError`` for a transport of which no pauses can be told.

        A transport without a protocol is one that is lost already: there is nothing to tell.
        """
        writer = isinstance(obj, asyncio.StreamWriter)
        transport = transport_of(obj)
        protocol = obj._protocol if writer else transport.get_protocol()
        ledger = StreamLedger(bounds=bounds, clock=clock, has_drain=writer, counts_bytes=True)
        ledger.instrument = self
        if protocol is None or getattr(protocol, "_connection_lost", False) is True:
            ledger.lost = True
        else:
            stream_pauses.follow(protocol, ledger)
        if writer:
            stream_methods.WRITER.install()
        else:
            ledger.counts_bytes = stream_methods.count_bytes(transport)
        self._place(obj, transport, protocol, ledger)
        return ledger

    def _place(self, obj: Any, transport: Any, protocol: Any, ledger: StreamLedger) -> None:
        try:
            object.__setattr__(obj, ATTRIBUTE, ledger)
        except AttributeError:
            _ledgers[id(obj)] = ledger
        ledger.trusted = is_trusted(transport)
        ledger.direct = stream_methods.is_direct(protocol)
        if isinstance(transport, SELECTING) and hasattr(transport, "_buffer"):
            ledger.selecting = type(transport)
        if ledger.trusted:
            ledger.limit = transport.get_write_buffer_limits()[1]
            ledger.holds(transport.get_write_buffer_size())
        flag = getattr(protocol, "_paused", None)
        if flag is True or (flag is None and ledger.size > ledger.limit > 0):
            ledger.pause()

    def detach(self, obj: Any) -> None:
        """Take the ledger from `obj`."""
        ledger = held(obj) or _ledgers.pop(id(obj), None)
        if ledger is not None:
            stream_pauses.leave(ledger)
        if held(obj) is not None:
            object.__delattr__(obj, ATTRIBUTE)

    def protocol_of(self, ledger: StreamLedger) -> Any:
        """The protocol that a transport has now; ``None`` where it is gone."""
        transport = ledger.owner() if ledger.owner is not None else None
        return None if transport is None else transport.get_protocol()

    def paused(self, ledger: StreamLedger) -> None:
        """The buffer is over its high-water mark: the one moment to see its level where no write is seen."""
        ledger.pause()
        transport = None if ledger.counts_bytes or ledger.owner is None else ledger.owner()
        if transport is not None and ledger.trusted:
            ledger.holds(transport.get_write_buffer_size())

    def changed(self, ledger: StreamLedger, transport: Any) -> None:
        """The transport has another protocol, as after an upgrade to a WebSocket, which is told of pauses now."""
        stream_pauses.follow_to(transport.get_protocol(), ledger)
        if transport.get_write_buffer_size() > ledger.limit:
            ledger.pause()
        if ledger.paused and transport.get_write_buffer_size() <= ledger.limit:  # in the meantime, in the loop's thread
            ledger.resume()

    def ended(self, ledger: StreamLedger) -> None:
        """The connection is lost: what the kernel says now is the last that it says."""
        ledger.resume()
        self.last_word(ledger)
        ledger.lost = True
        ledger.size = 0
        stream_pauses.leave(ledger)
        if ledger.owner is not None:
            ledger.entry.registry.note(ledger)

    def last_word(self, ledger: StreamLedger) -> None:
        """Ask the kernel while there is still somebody to ask; what it said last stays where it says no more."""
        obj = ledger.owner() if ledger.owner is not None else None
        if obj is not None and ledger.trusted and not ledger.lost:
            ledger.kernel = asked(socket_of(transport_of(obj))) or ledger.kernel

    # Reading ------------------------------------------------------------------------------------

    def read(self, ledger: StreamLedger, now: float) -> StreamReading:
        """A reading of the writer at `now`."""
        return self.read_members([ledger], lambda: now)[0]

    def stalled_seconds(self, ledger: StreamLedger, now: float) -> float:
        """Wall seconds with a blocked drain so far."""
        return ledger.blocked.read(now).stalled_seconds if ledger.blocked is not None else 0.0

    def close(self, ledger: StreamLedger, now: float) -> StreamReading:
        """The totals of a writer that is gone, closed or no longer watched; a drain that waits in it waits unseen."""
        stream_pauses.leave(ledger)
        ledger.resume()
        ledger.give_up(now)
        self.last_word(ledger)
        ledger.retired = True
        return self.read(ledger, now)

    def read_members(self, ledgers: Sequence[StreamLedger], clock: Callable[[], float]) -> list[StreamReading]:
        """One reading of all `ledgers`; one that fails is left out and counted."""
        columns = Columns(ledgers[0])
        turn = _next_turn(ledgers)
        for number, ledger in enumerate(ledgers):
            if not (number + 1) % GIVE_WAY:
                time.sleep(0)
            try:
                columns.add(ledger, clock(), kernel=(number - turn) % len(ledgers) < ASKED)
            except Exception as error:
                faults.swallow(error, "reading a stream")
        return [columns.reading()]

    def peak(self, ledger: StreamLedger, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        return ledger.peak(now) / ledger.limit if ledger.limit else None

    def restart(self, ledger: StreamLedger, now: float) -> None:
        """Count from zero."""
        ledger.restart()


def _next_turn(ledgers: Sequence[StreamLedger]) -> int:
    """From which of `ledgers` on the kernel is asked; each reading goes on where the last one of this name ended."""
    if len(ledgers) <= ASKED:
        return 0
    entry = ledgers[0].entry
    turn = entry.next_asked % len(ledgers)
    entry.next_asked = turn + ASKED
    return turn
