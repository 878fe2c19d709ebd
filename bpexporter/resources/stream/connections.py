"""Connections that nobody watches: known to be there, and read; recorded from their first pause on.

A busy server makes thousands a second. So each costs one weak reference and two entries of tables, nothing is hooked
that it writes by, and what it holds is read from its transport when somebody asks. Once it pauses it gets a ledger.
"""

from __future__ import annotations

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

NOTHING = reading_at(Level(0, None, is_over=False, is_open=False))


class Connection(weakref.ref[Any]):
    """A weak reference to what lives as long as a connection, which follows its protocol."""

    __slots__ = ("group", "protocol")

    group: Group
    protocol: int
    """id() of the protocol that is followed."""

    @property
    def instrument(self) -> Group:
        """The instrument that is told of pauses."""
        return self.group


class Group(MemberLedger):
    """The connections that share a name and of which nothing is recorded: a member of that name."""

    __slots__ = (
        "connections",  # by id() of each
        "record",  # gives a transport a ledger under the name of the group
    )

    instrument: Any

    def __init__(self, record: Callable[[Any], None], *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.connections: dict[int, Connection] = {}
        self.record = record

    def add(self, transport: Any, protocol: Any) -> None:
        """A connection more; one to which nobody can refer weakly is left out."""
        anchor = anchor_of(transport)
        if anchor is None:
            return
        connection = Connection(anchor, _gone)
        connection.group, connection.protocol = self, id(protocol)
        pauses.follow(protocol, connection)
        self.connections[id(connection)] = connection

    def restart(self) -> None:
        """Nothing is counted here."""

    def close(self) -> None:
        """Know none of them any more."""
        for connection in list(self.connections.copy().values()):
            drop(connection)

    def readings(self) -> Iterator[StreamReading]:
        """Yields a reading of each; one that is found over its mark is recorded from now on."""
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
        if transport.get_protocol() is not None:
            moved(connection, protocols_of(transport)[-1])
        if level.is_over and level.is_open:
            self.paused(connection)
        return reading_at(level)

    # Told by the protocol ---------------------------------------------------------------------------

    def has_protocol(self, connection: Connection, protocol: Any) -> bool:
        """Returns whether `protocol` is the one of `connection`."""
        owner = connection()
        return owner is not None and protocol in protocols_of(transport_at(owner))

    def paused(self, connection: Connection) -> None:
        """It is over its mark: it is recorded from now on."""
        owner = connection()
        drop(connection)
        if owner is not None:
            transport = transport_at(owner)
            self.record(transport)
            ledger = self.instrument.ledger_of(transport)
            if ledger is not None:
                self.instrument.paused(ledger)

    def resumed(self, connection: Connection) -> None:
        """Nothing is recorded, so nothing ends."""

    def ended(self, connection: Connection) -> None:
        """There is no connection any more."""
        drop(connection)

    def last_word(self, connection: Connection) -> None:
        """Nothing is recorded of what the kernel says."""


def _gone(connection: Connection) -> None:
    drop(connection)


def drop(connection: Any) -> None:
    """Know of `connection` no more; who else follows a protocol stays."""
    if isinstance(connection, Connection):
        pauses.leave(connection.protocol, connection)
        connection.group.connections.pop(id(connection), None)


def moved(connection: Connection, protocol: Any) -> None:
    """Follow `protocol`, as after an upgrade."""
    if id(protocol) != connection.protocol:
        pauses.leave(connection.protocol, connection)
        connection.protocol = id(protocol)
        pauses.follow(protocol, connection)


def moved_from(old: Any) -> None:
    """A transport had the protocol `old`: whoever is known by it goes on with the new one."""
    for follower in pauses.followers(old):
        if isinstance(follower, Connection):
            owner = follower()
            if owner is not None:
                moved(follower, protocols_of(transport_at(owner))[-1])
