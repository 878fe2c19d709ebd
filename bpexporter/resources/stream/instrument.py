"""Watches `asyncio.StreamWriter` and transports, asyncio's and uvloop's: puts ledgers in, follows connections."""

from __future__ import annotations

import asyncio
import weakref
from asyncio.events import _get_running_loop
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bpexporter.resources.patching import ATTRIBUTE, held
from bpexporter.resources.protocols import Instrument
from bpexporter.resources.stream import connections, members, pauses, transports, writers
from bpexporter.resources.stream.connections import Group
from bpexporter.resources.stream.kernel import asked
from bpexporter.resources.stream.layers import (
    anchor_of,
    highest,
    is_trusted,
    look,
    protocol_of,
    protocols_of,
    socket_of,
    transport_at,
    transport_of,
)
from bpexporter.resources.stream.ledger import StreamLedger
from bpexporter.resources.stream.members import Member
from bpexporter.resources.stream.metrics import StreamReading
from bpexporter.resources.stream.reading import peak_of, ratio, reading_of

# The ledger of each connection, by id() of what lives as long as it.
_ledgers: dict[int, StreamLedger] = {}


class StreamInstrument(Instrument[Any, StreamReading]):
    """Watches connections: by an `asyncio.StreamWriter`, by a transport, or each that is made."""

    kind = "stream"
    clocks = (("drain", "blocked"),)

    def ledger_of(self, obj: Any) -> StreamLedger | None:
        """The ledger of the connection of `obj`, ``None`` where it is not watched."""
        ledger = held(obj)
        if not isinstance(ledger, StreamLedger) or ledger.live_owner() is None:
            ledger = _ledgers.get(id(self.owner_of(obj)))
        return ledger if ledger is not None and ledger.live_owner() is not None else None

    def owner_of(self, obj: Any) -> Any:
        """The object that lives as long as the connection of `obj`."""
        transport = transport_of(obj)
        found = anchor_of(transport) if is_trusted(transport) else transport
        return obj if found is None else found

    def uninstall(self) -> None:
        """Nothing is watched any more."""
        writers.uninstall()
        transports.uninstall()
        pauses.uninstall()
        _ledgers.clear()

    def attach(self, obj: Any, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> StreamLedger:
        """Give the connection of `obj` a ledger; raises ``TypeError`` for a transport of which no pauses can be told.

        A transport without a protocol is one that is lost already: there is nothing to tell.
        """
        ledger = StreamLedger(bounds=bounds, clock=clock)
        ledger.instrument = self
        transport = transport_of(obj)
        ledger.trusted = is_trusted(transport)
        protocol = protocol_of(obj)
        if protocol is None or getattr(protocol, "_connection_lost", False) is True:
            ledger.lost = True
        else:
            self._follow(ledger, protocol)
        owner = self.owner_of(obj)
        ledger.anchor = id(owner)
        loop = _get_running_loop()
        ledger.loop = None if loop is None else weakref.ref(loop)
        self._place(ledger, transport)
        if isinstance(obj, asyncio.StreamWriter):
            self.join(obj, ledger)
        self._first_look(ledger, transport_at(owner), protocol)
        _ledgers[ledger.anchor] = ledger
        return ledger

    def replace(
        self, obj: Any, former: StreamLedger, *, bounds: tuple[float, ...], clock: Callable[[], float]
    ) -> StreamLedger:
        """Go on under another name: the drains that wait have begun under the former one."""
        ledger: StreamLedger = super().replace(obj, former, bounds=bounds, clock=clock)
        if ledger.blocked is not None:
            ledger.blocked.begun = 0
        return ledger

    def join(self, obj: Any, ledger: StreamLedger) -> None:
        """A writer `obj` of the connection that `ledger` records: its drains are known from now on."""
        if not isinstance(obj, asyncio.StreamWriter) or held(obj) is ledger:
            return
        writers.DRAINS.install()
        if not ledger.by_transport:
            writers.WRITES.install()
        object.__setattr__(obj, ATTRIBUTE, ledger)
        if not ledger.has_drain:
            writers.adopt(protocol_of(obj), ledger)
        ledger.has_drain = True
        ledger.direct = writers.is_direct(protocol_of(obj))
        ledger.writer = weakref.ref(obj)
        if not ledger.lost:
            self._follow(ledger, protocol_of(obj))

    def _follow(self, ledger: StreamLedger, protocol: Any) -> None:
        if id(protocol) in ledger.protocols:
            return
        connections.drop(protocol)  # what is recorded need not be known to be there besides
        ledger.protocols += (pauses.follow(protocol, ledger),)

    def _follow_transport(self, ledger: StreamLedger, transport: Any) -> None:
        """Follow the protocol that `transport` has, which may be another than its writer's, as a child's input has."""
        protocol = protocols_of(transport)[-1]
        if pauses.can_be_followed(protocol):
            self._follow(ledger, protocol)
        ledger.protocol = next((key for key in ledger.protocols if key == id(protocol)), id(protocol))

    def _place(self, ledger: StreamLedger, transport: Any) -> None:
        """Let writes to `transport`, the one that the application knows, find the ledger."""
        ledger.by_transport = transports.is_counted(transport)
        if ledger.by_transport:
            transports.count(type(transport))
            object.__setattr__(transport, ATTRIBUTE, ledger)

    def _first_look(self, ledger: StreamLedger, transport: Any, protocol: Any) -> None:
        flag = getattr(protocol, "_paused", None)
        if not ledger.trusted:
            if flag is True:
                ledger.pause()
            return
        if not ledger.lost:
            self._follow_transport(ledger, transport)
            ledger.kernel = ledger.kernel_first = asked(socket_of(transport))
        level = look(transport, transports.above(ledger))
        if level is not None:
            if flag is True or (flag is None and level.is_over):
                ledger.pause()
            ledger.holds(level)

    def detach(self, obj: Any) -> None:
        """Take the ledger from the connection of `obj`."""
        if isinstance(obj, Group):
            obj.close()
            return
        ledger = held(obj) or _ledgers.get(id(self.owner_of(obj)))
        if isinstance(ledger, StreamLedger):
            self._forget(ledger)
            self._clear(ledger)

    def _clear(self, ledger: StreamLedger) -> None:
        """Take the ledger from the writer and the transports that hold it."""
        writer = ledger.writer() if ledger.writer is not None else None
        owner = ledger.owner() if ledger.owner is not None else None
        holders = [] if writer is None else [writer, transport_of(writer)]
        if owner is not None and ledger.by_transport:
            holders += [transport_at(owner), highest(transport_at(owner))]
        for one in holders:
            if held(one) is ledger:
                object.__delattr__(one, ATTRIBUTE)

    def _forget(self, ledger: StreamLedger) -> None:
        for key in ledger.protocols:
            pauses.leave(key, ledger)
        ledger.protocols = ()
        if _ledgers.get(ledger.anchor) is ledger:
            del _ledgers[ledger.anchor]

    # What the protocol and the application tell -----------------------------------------------------

    def has_protocol(self, ledger: StreamLedger, protocol: Any) -> bool:
        """Returns whether `protocol` is one of the connection; of one that is gone nobody knows."""
        owner = ledger.live_owner()
        return owner is None or protocol in protocols_of(transport_at(owner))

    def paused(self, ledger: StreamLedger) -> None:
        """The buffer is over its high-water mark: the one moment to see its level where no write is seen."""
        ledger.pause()
        if ledger.by_transport:
            return
        level = members.level_of(ledger)
        if level is not None and ledger.trusted:
            ledger.holds(level)
            ledger.told_at = level.size, ledger.written

    def resumed(self, ledger: StreamLedger) -> None:
        """The buffer is under its low-water mark."""
        ledger.resume()

    def changed(self, ledger: StreamLedger) -> None:
        """The transport has another protocol, as after an upgrade to a WebSocket or to TLS, which is told from now."""
        owner = ledger.live_owner()
        if owner is None:
            return
        transport = transport_at(owner)
        protocol = protocols_of(transport)[-1]
        ledger.protocol = id(protocol)
        if not pauses.can_be_followed(protocol):  # uvloop's TLS: the protocol above it is the one that is followed
            return
        self._place_above(ledger, transport)
        writer = ledger.writer() if ledger.writer is not None else None
        for key in ledger.protocols:
            if key != id(protocol) and (writer is None or key != id(protocol_of(writer))):
                pauses.leave(key, ledger)
        ledger.protocols = tuple(key for key in ledger.protocols if pauses.is_following(key, ledger))
        self._follow(ledger, protocol)
        level = look(transport, transports.above(ledger))
        if level is not None:
            ledger.told = ledger.told and level.is_over
            ledger.looked(level, ledger.clock())

    def _place_above(self, ledger: StreamLedger, transport: Any) -> None:
        top = highest(transport)
        if top is not transport and held(transport) is ledger:
            object.__setattr__(transport, ATTRIBUTE, None)  # what it is given now is counted above
        if held(top) is not ledger:
            self._place(ledger, top)

    def upgraded(self, ledger: StreamLedger, transport: Any) -> None:
        """The application writes to `transport` now, which is above the one that it has written to."""
        if not ledger.by_transport and transport is not transport_at(ledger.live_owner()):
            found = anchor_of(transport)
            ledger.above = None if found is None else weakref.ref(found)

    def ended(self, ledger: StreamLedger) -> None:
        """The connection is lost: what the kernel says now is the last that it says."""
        ledger.resume()
        self.last_word(ledger)
        self.end(ledger)

    def end(self, ledger: StreamLedger) -> None:
        """There is no connection any more: its name takes what was counted."""
        ledger.lost = True
        ledger.size = 0
        self._forget(ledger)
        if ledger.owner is not None:
            ledger.entry.registry.note(ledger)

    def last_word(self, ledger: StreamLedger) -> None:
        """Ask the kernel while there is still somebody to ask; what it said last stays where it says no more."""
        owner = ledger.owner() if ledger.owner is not None else None
        if owner is not None and ledger.trusted and not ledger.lost:
            ledger.kernel = asked(socket_of(transport_at(owner))) or ledger.kernel

    # Reading ------------------------------------------------------------------------------------

    def read(self, ledger: StreamLedger, now: float) -> StreamReading:
        """A reading of the connection at `now`."""
        return members.look_at(ledger, now, kernel=True)

    def stalled_seconds(self, ledger: Member, now: float) -> float:
        """Wall seconds with a blocked drain so far."""
        if isinstance(ledger, Group) or ledger.blocked is None:
            return 0.0
        return ledger.blocked.read(now).stalled_seconds

    def close(self, ledger: Member, now: float) -> StreamReading:
        """The totals of a connection that is lost or no longer watched; a drain that waits in it waits unseen."""
        if isinstance(ledger, Group):
            return connections.NOTHING
        self._forget(ledger)
        self._clear(ledger)
        ledger.resume()
        ledger.give_up(now)
        self.last_word(ledger)
        ledger.retired = True
        return reading_of(ledger, now, None, kernel_asked=False)

    def read_members(self, ledgers: Sequence[Member], clock: Callable[[], float]) -> Iterator[StreamReading]:
        """Readings of all `ledgers`; one that fails is left out and counted."""
        return members.read(ledgers, clock)

    def peak(self, ledger: Member, now: float) -> float | None:
        """Highest utilisation of the last 60 s."""
        return None if isinstance(ledger, Group) else ratio(peak_of(ledger, now), ledger.limit)

    def restart(self, ledger: StreamLedger, now: float) -> None:
        """Count from zero."""
        ledger.restart()
