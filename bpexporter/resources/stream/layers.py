"""The layers of a connection, from its socket up to where the application writes, and what waits in them.

asyncio's TLS is a transport above the one that has the socket; each buffers for itself, and may stand above another
TLS. The lowest one lives as long as the connection, whatever happens to writers above it, so it is what a ledger
refers to. uvloop's TLS shows its upper layer only, to which nobody can refer weakly: its `ssl.SSLObject`, which lives
as long, stands for it and keeps it.

Levels are read of asyncio's and uvloop's own transports, from any thread: their methods look at a number or a length
and at nothing that a second thread could upset.
"""

from __future__ import annotations

import asyncio
import weakref
from asyncio.sslproto import SSLProtocol
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

TRUSTED = ("asyncio.", "uvloop")
# The transport that an `ssl.SSLObject` of uvloop's stands for.
ABOVE = "_bpexporter_transport"
# Up to so many pieces of a buffer are added up at each write: they take a microsecond.
FEW_PIECES = 64


class Level(NamedTuple):
    """The bytes that wait in a connection at one moment."""

    size: int
    """Bytes in the write buffers of all its layers."""
    limit: int | None
    """The high-water mark of the layer to which the application writes; ``None`` where it is not known."""
    is_over: bool
    """A layer holds more than that: TLS may be a little under its mark, and the transport below it a little over."""
    is_open: bool
    """No layer is closing."""
    protocol: Any = None
    """The protocol of the highest layer, where it was looked for."""


def transport_of(obj: Any) -> Any:
    """The transport of a writer; a transport is its own."""
    return object.__getattribute__(obj, "_transport") if isinstance(obj, asyncio.StreamWriter) else obj


def protocol_of(obj: Any) -> Any:
    """The protocol whose pauses a writer waits out; of a transport that of the application."""
    if isinstance(obj, asyncio.StreamWriter):
        return object.__getattribute__(obj, "_protocol")
    return obj.get_protocol()


def socket_of(transport: Any) -> Any:
    """The socket of `transport`; ``None`` where it has none, and where it can tell no more, as TLS that was closed."""
    try:
        return transport.get_extra_info("socket")
    except AttributeError:
        return None


def is_trusted(transport: Any) -> bool:
    """Returns whether any thread may ask `transport` for its levels."""
    return type(transport).__module__.startswith(TRUSTED)


def anchor_of(transport: Any) -> Any:
    """The object that lives as long as the connection of `transport`; ``None`` where none can be referred to weakly."""
    below = lowest(transport)
    try:
        weakref.ref(below)
    except TypeError:
        return _standing_for(below)
    return below


def lowest(transport: Any) -> Any:
    """The transport that has the socket, as far down as can be seen."""
    while isinstance(above := getattr(transport, "_ssl_protocol", None), SSLProtocol) and above._transport is not None:
        transport = above._transport
    return transport


def _standing_for(transport: Any) -> Any:
    found = transport.get_extra_info("ssl_object")
    if found is not None:
        setattr(found, ABOVE, transport)
    return found


def transport_at(anchor: Any) -> Any:
    """The transport for which `anchor` stands."""
    return getattr(anchor, ABOVE, anchor)


def protocols_of(transport: Any) -> list[Any]:
    """The protocols above the lowest `transport`: those of its TLS layers, that of the application last."""
    found = [transport.get_protocol()]
    while isinstance(found[-1], SSLProtocol):
        found.append(found[-1]._app_protocol)
    return found


def highest(transport: Any) -> Any:
    """The transport to which the application writes, above the lowest `transport`."""
    for protocol in protocols_of(transport)[:-1]:
        with suppress(RuntimeError):  # it had one, and has lost its connection
            transport = protocol._get_app_transport()
    return transport


def look(transport: Any, above: Any = None) -> Level | None:
    """Returns what waits in the connection whose lowest transport is `transport`, and in what is `above` it unseen.

    ``None`` where the loop's thread changes the buffer while it is added up, again and again.
    """
    for _ in range(3):
        try:
            return _look(transport, above)
        except RuntimeError:
            continue
    return None


def _look(transport: Any, above: Any) -> Level:
    size, limit, protocol = transport.get_write_buffer_size(), _mark(transport), transport.get_protocol()
    if isinstance(protocol, SSLProtocol) or above is not None:
        return _look_through(transport, protocol, above)
    return Level(size, limit, size > limit, not transport.is_closing(), protocol)


def _look_through(transport: Any, protocol: Any, above: Any) -> Level:
    sizes, limit, is_open = [transport.get_write_buffer_size()], _mark(transport), not transport.is_closing()
    while isinstance(protocol, SSLProtocol):
        tls: Any = protocol
        sizes.append(tls._get_write_buffer_size())
        limit = tls._outgoing_high_water
        upper = tls._app_transport
        is_open = is_open and (upper is None or not upper.is_closing())
        protocol = tls._app_protocol
    if above is not None:
        sizes.append(above.get_write_buffer_size())
        limit = _mark(above)
        is_open = is_open and not above.is_closing()
    return Level(sum(sizes), limit, max(sizes) > limit, is_open, protocol)


def _mark(transport: Any) -> int:
    mark: int = transport.get_write_buffer_limits()[1]
    return mark


def is_deep(transport: Any) -> bool:
    """Returns whether to add up what waits in the lowest `transport` costs more than a write does."""
    buffer = getattr(transport, "_buffer", None)
    return type(buffer) is deque and len(buffer) > FEW_PIECES
