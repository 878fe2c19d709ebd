"""Each connection that a loop opens or accepts, asyncio's or uvloop's, is known of.

`create_server()`, `create_connection()` and their kin are replaced in the classes of the loops, since the transports of
uvloop cannot be changed. What their factories make is met again when its `connection_made()` is called.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
from asyncio import base_events, sslproto
from collections.abc import Callable
from typing import Any

from bpexporter.primitives.threads import OWN_THREADS
from bpexporter.resources.patching import guarded
from bpexporter.resources.stream import pauses, transports
from bpexporter.resources.stream.connections import Group

# Who gives the group in which connections of a protocol's class are known, by that class and by where they are
# accepted; ``None`` where they are not wanted.
Grouping = Callable[[type, str], Group | None]

OPENING = {
    "create_connection": False,
    "create_unix_connection": False,
    "create_server": True,
    "create_unix_server": True,
    "connect_accepted_socket": True,
}

_originals: dict[tuple[type, str], Any] = {}
_groups: dict[tuple[type, str], Group | None] = {}
_expected: dict[int, Maker] = {}
_grouping: Grouping | None = None


class Maker:
    """Whose factory makes protocols: a server, or all clients."""

    def __init__(self, *, is_server: bool) -> None:
        self.is_server = is_server
        self.places: dict[type, str] = {}

    def made(self, protocol: Any) -> None:
        """`protocol` is to be connected; streams have writers, which are found by themselves."""
        kind = type(protocol)
        if kind is not asyncio.StreamReaderProtocol and _grouping is not None:
            if kind not in self.places:
                pauses.hook(kind, "connection_made", _connected)
                self.places[kind] = ""
            _expected[id(protocol)] = self

    def connected(self, protocol: Any, transport: Any) -> None:
        """`protocol` is connected; whoever follows it already knows more."""
        if pauses.followers(protocol):
            return
        kind = type(protocol)
        place = self.places[kind]
        if not place and self.is_server:
            place = self.places[kind] = _place(transport)
        key = (kind, place)
        if key not in _groups:
            _groups[key] = None if _grouping is None else _grouping(kind, place)
        group = _groups[key]
        if group is not None:
            group.add(transport, protocol)


CLIENTS = Maker(is_server=False)


def _place(transport: Any) -> str:
    address = transport.get_extra_info("sockname")
    return str(address[1]) if isinstance(address, tuple) else "unix"


def _connected(original: Any) -> Any:
    def connection_made(self: Any, transport: Any) -> None:
        maker = _expected.pop(id(self), None)
        original(self, transport)
        if maker is not None:
            guarded(maker.connected, self, transport)

    return connection_made


def _making(factory: Any, maker: Maker) -> Any:
    def make() -> Any:
        protocol = factory()
        guarded(maker.made, protocol)
        return protocol

    return make


def _opening(original: Any, is_server: bool) -> Any:
    @functools.wraps(original)
    def opening(self: Any, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        if callable(protocol_factory) and threading.get_ident() not in OWN_THREADS:
            maker = Maker(is_server=True) if is_server else CLIENTS
            protocol_factory = _making(protocol_factory, maker)
        return original(self, protocol_factory, *args, **kwargs)

    if sys.version_info >= (3, 12) and inspect.iscoroutinefunction(original):
        inspect.markcoroutinefunction(opening)
    return opening


def hook_loop(kind: type) -> None:
    """Let each connection that a loop of this class, or of one below, makes be known of."""
    for name, is_server in OPENING.items():
        owner = next((one for one in kind.__mro__ if name in vars(one)), asyncio.AbstractEventLoop)
        if owner is asyncio.AbstractEventLoop:
            continue
        target = owner if owner.__flags__ & pauses.HEAP else kind
        if (target, name) not in _originals:
            _originals[target, name] = vars(target).get(name)
            setattr(target, name, _opening(getattr(target, name), is_server))


def install(grouping: Grouping) -> None:
    """Know of each connection from now on, in the group that `grouping` gives."""
    global _grouping
    _grouping = grouping
    _groups.clear()
    hook_loop(base_events.BaseEventLoop)
    hook_loop(asyncio.SelectorEventLoop)
    for kind in (transports.SOCKETS, sslproto._SSLProtocolTransport):
        transports.hear_protocols(kind)


def uninstall() -> None:
    """Put the originals back."""
    global _grouping
    _grouping = None
    for (kind, name), original in _originals.items():
        if original is None:
            delattr(kind, name)
        else:
            setattr(kind, name, original)
    _originals.clear()
    _groups.clear()
    _expected.clear()
