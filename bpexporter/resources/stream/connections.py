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

# Classes of transports that were met, of those that stand above no other and can be referred to.
_plain: set[type] = set()
# Up to so many connections of a group none is looked for that has gone without a word.
FEW = 256
NOTHING = reading_at(Level(0, None, is_over=False, is_open=False))


class Group(MemberLedger):
    """The connections that share a name and of which nothing is recorded: a member of that name."""

    __slots__ = (
        "connections",  # weak references to what lives as long as they do, by id() of their protocols
        "most",  # with so many it is time to forget those whose loop ended before they did
        "record",  # gives a transport a ledger under the name of the group
    )

    instrument: Any

    def __init__(self, record: Callable[[Any], None], *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.connections: dict[int, weakref.ref[Any]] = {}
        self.most = FEW
        self.record = record

    def add(self, transport: Any, protocol: Any) -> None:
        """A connection more, of a protocol whose pauses are told; one that cannot be referred to is left out."""
        anchor = transport if type(transport) in _plain else _anchor(transport)
        if anchor is not None:
            key = id(protocol)
            pauses.known[key] = self
            self.connections[key] = weakref.ref(anchor)
            if len(self.connections) > self.most:
                self._tidy()

    def _tidy(self) -> None:
        for key, reference in self.connections.copy().items():
            if reference() is None:
                self.leave(key)
        self.most = max(FEW, 2 * len(self.connections))

    def restart(self) -> None:
        """Nothing is counted here."""

    def close(self) -> None:
        """Know none of them any more."""
        for key in self.connections.copy():
            self.leave(key)

    def leave(self, key: int) -> None:
        """Know no more of the connection whose protocol has this id()."""
        if pauses.known.get(key) is self:
            del pauses.known[key]
        self.connections.pop(key, None)

    def transport(self, key: int) -> Any:
        """The transport of the connection whose protocol has, or had, this id(); ``None`` where there is none."""
        reference = self.connections.get(key)
        owner = None if reference is None else reference()
        return None if owner is None else transport_at(owner)

    def moved(self, key: int, protocol: Any) -> None:
        """The connection whose protocol had this id() has another one, as after an upgrade."""
        new, reference = id(protocol), self.connections.get(key)
        if new != key and reference is not None and pauses.can_be_followed(protocol):
            self.leave(key)
            pauses.hear(type(protocol))
            pauses.known[new] = self
            self.connections[new] = reference

    # What is told, and what is found at readings ---------------------------------------------------------------

    def told(self, protocol: Any) -> None:
        """`protocol` was paused, which may stand where one was that a connection had before."""
        transport = self.transport(id(protocol))
        if transport is not None and protocols_of(transport)[-1] is protocol:
            self.paused(id(protocol), transport)

    def paused(self, key: int, transport: Any) -> None:
        """The connection of `transport` is over its mark: it is recorded from now on."""
        self.leave(key)
        self.record(transport)
        ledger = self.instrument.ledger_of(transport)
        if ledger is not None:
            self.instrument.paused(ledger)

    def readings(self) -> Iterator[StreamReading]:
        """Returns the knowledge of each; one that is found over its mark is recorded from now on."""
        yield NOTHING
        for number, key in enumerate(self.connections.copy(), 1):
            if not number % GIVE_WAY:
                time.sleep(0)
            transport = self.transport(key)
            reading = None if transport is None else self._reading(key, transport)
            if reading is not None:
                yield reading

    def _reading(self, key: int, transport: Any) -> StreamReading | None:
        level = look(transport)
        if level is None:
            return None
        if level.protocol is not None and id(level.protocol) != key:
            self.moved(key, level.protocol)
            key = id(level.protocol)
        if level.is_over and level.is_open:
            self.paused(key, transport)
        return reading_at(level)


def _anchor(transport: Any) -> Any:
    anchor = anchor_of(transport)
    if anchor is transport and not hasattr(transport, "_ssl_protocol"):
        _plain.add(type(transport))
    return anchor


def drop(protocol: Any) -> None:
    """Know of the connection of `protocol` no more, for it is recorded."""
    group = pauses.known.get(id(protocol))
    if group is not None:
        group.leave(id(protocol))


def moved_from(old: Any) -> None:
    """A transport had the protocol `old`: whoever is known by it goes on with the new one."""
    group = pauses.known.get(id(old))
    if group is not None:
        transport = group.transport(id(old))
        if transport is not None:
            group.moved(id(old), protocols_of(transport)[-1])
