"""Connections that nobody watches: known to be there, and read; recorded from their first pause on.

A busy server makes thousands a second. So each costs one weak reference and two entries of tables, nothing is hooked
that it writes by, and what it holds is read from its transport when somebody asks. Once it pauses it gets a ledger.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from bpexporter.resources.ledger import MemberLedger
from bpexporter.resources.protocols import GIVE_WAY
from bpexporter.resources.stream import pauses
from bpexporter.resources.stream.layers import Level, anchor_of, look, protocols_of, transport_at
from bpexporter.resources.stream.metrics import StreamReading
from bpexporter.resources.stream.reading import reading_at

# Transports that stand above none and can be referred to.
PLAIN: set[Any] = {asyncio.selector_events._SelectorSocketTransport}  # type: ignore[attr-defined]
NOTHING = reading_at(Level(0, None, is_over=False, is_open=False))


class Connection(weakref.ref[Any]):
    """A weak reference to what lives as long as a connection."""

    __slots__ = ("group", "protocol")

    group: Group
    """Those that share its name."""
    protocol: int
    """id() of its protocol."""

    def told(self, protocol: Any) -> None:
        """`protocol` was paused, which may stand where one was that it had before."""
        owner = self()
        if owner is not None and protocols_of(transport_at(owner))[-1] is protocol:
            self.paused()

    def paused(self) -> None:
        """It is over its mark: it is recorded from now on."""
        owner = self()
        self.leave()
        if owner is not None:
            self.group.paused(transport_at(owner))

    def ended(self) -> None:
        """There is no connection any more; takes no lock."""
        self.group.connections.pop(self.protocol, None)

    def leave(self) -> None:
        """Know of it no more."""
        if pauses.known.get(self.protocol) is self:
            del pauses.known[self.protocol]
        if self.group.connections.get(self.protocol) is self:
            del self.group.connections[self.protocol]

    def moved(self, protocol: Any) -> None:
        """It has another protocol, as after an upgrade."""
        if id(protocol) != self.protocol and pauses.can_be_followed(protocol):
            self.leave()
            pauses.hear(type(protocol))
            self.protocol = id(protocol)
            pauses.known[self.protocol] = self.group.connections[self.protocol] = self


def _gone(connection: Connection) -> None:
    connection.leave()


class Group(MemberLedger):
    """The connections that share a name and of which nothing is recorded: a member of that name."""

    __slots__ = (
        "connections",  # by id() of their protocols
        "record",  # gives a transport a ledger under the name of the group
    )
    stands_for_many = True

    instrument: Any

    def __init__(self, record: Callable[[Any], None], *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.connections: dict[int, Connection] = {}
        self.record = record

    def add(self, transport: Any, protocol: Any) -> None:
        """A connection more, of a protocol whose pauses are told; one that cannot be referred to is left out."""
        anchor = transport if type(transport) in PLAIN else anchor_of(transport)
        if anchor is not None:
            connection = Connection(anchor, _gone)
            connection.group = self
            connection.protocol = key = id(protocol)
            pauses.known[key] = self.connections[key] = connection

    def restart(self) -> None:
        """Nothing is counted here."""

    def close(self) -> None:
        """Know none of them any more."""
        for connection in list(self.connections.copy().values()):
            connection.leave()

    def readings(self) -> Iterator[StreamReading]:
        """Returns the knowledge of each; one that is found over its mark is recorded from now on."""
        yield NOTHING
        for number, connection in enumerate(list(self.connections.copy().values()), 1):
            if not number % GIVE_WAY:
                time.sleep(0)
            owner = connection()
            reading = None if owner is None else self._reading(connection, transport_at(owner))
            if reading is not None:
                yield reading

    def _reading(self, connection: Connection, transport: Any) -> StreamReading | None:
        level = look(transport)
        if level is None:
            return None
        if level.protocol is not None:
            connection.moved(level.protocol)
        if level.is_over and level.is_open:
            connection.paused()
        return reading_at(level)

    def paused(self, transport: Any) -> None:
        """The connection of `transport` is over its mark."""
        self.record(transport)
        ledger = self.instrument.ledger_of(transport)
        if ledger is not None:
            self.instrument.paused(ledger)


def drop(protocol: Any) -> None:
    """Know of the connection of `protocol` no more, for it is recorded."""
    connection = pauses.known.get(id(protocol))
    if connection is not None:
        connection.leave()


def moved_from(old: Any) -> None:
    """A transport had the protocol `old`: whoever is known by it goes on with the new one."""
    connection = pauses.known.get(id(old))
    owner = None if connection is None else connection()
    if connection is not None and owner is not None:
        connection.moved(protocols_of(transport_at(owner))[-1])
