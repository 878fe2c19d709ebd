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
from asyncio import sslproto
from collections.abc import Callable
from typing import Any

from bpexporter.faults import faults
from bpexporter.primitives.threads import OWN_THREADS
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
_kept: list[Group] = []  # of settings that hold no more, with connections that are still there
_hears: dict[type, bool] = {}
_expected: dict[int, Maker] = {}
_grouping: Grouping | None = None


class Maker:
    """The owner of a factory that makes protocols: a server, or all clients."""

    def __init__(self, *, is_server: bool) -> None:
        self.is_server = is_server
        self.groups: dict[type, Group | None] = {}

    def connected(self, protocol: Any, transport: Any) -> None:
        """`protocol` is connected; whoever follows it already knows more."""
        kind, groups = type(protocol), self.groups
        group = groups[kind] if kind in groups else self._group(kind, transport)
        if group is not None and not pauses.is_followed(protocol):
            group.add(transport, protocol)

    def _group(self, kind: type, transport: Any) -> Group | None:
        key = (kind, _place(transport) if self.is_server else "")
        if key not in _groups:
            _groups[key] = None if _grouping is None else _grouping(*key)
        self.groups[kind] = _groups[key]
        return _groups[key]


def _is_heard(kind: type, protocol: Any) -> bool:
    """Returns whether `protocol` is met again when it is connected; streams have writers, which find themselves."""
    if _grouping is None:
        return False
    _hears[kind] = kind is not asyncio.StreamReaderProtocol and pauses.can_be_followed(protocol)
    if _hears[kind]:
        pauses.hear(kind)
        pauses.hook(kind, "connection_made", _connected)
    return _hears[kind]


CLIENTS = Maker(is_server=False)


def _place(transport: Any) -> str:
    address = transport.get_extra_info("sockname")
    return str(address[1]) if isinstance(address, tuple) else "unix"


def _connected(original: Any) -> Any:
    def connection_made(self: Any, transport: Any) -> None:
        maker = _expected.pop(id(self), None)
        original(self, transport)
        if maker is not None:
            try:
                maker.connected(self, transport)
            except Exception as error:
                faults.swallow(error, "a connection")

    return connection_made


def _making(factory: Any, maker: Maker) -> Any:
    def make() -> Any:
        protocol = factory()
        try:
            kind = type(protocol)
            if _hears[kind] if kind in _hears else _is_heard(kind, protocol):
                _expected[id(protocol)] = maker
        except Exception as error:
            faults.swallow(error, "a new protocol")
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
        owner = pauses.owner_of(kind, name)
        if owner is not None and owner is not asyncio.AbstractEventLoop and (owner, name) not in _originals:
            _originals[owner, name] = vars(owner).get(name)
            setattr(owner, name, _opening(getattr(owner, name), is_server))


def install(grouping: Grouping) -> None:
    """Know of each connection from now on, in the group that `grouping` gives."""
    global _grouping
    _grouping = grouping
    _kept.extend(group for group in _groups.values() if group is not None and group.connections)
    _groups.clear()
    CLIENTS.groups.clear()
    hook_loop(asyncio.BaseEventLoop)
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
    for table in (_originals, _groups, _kept, _hears, _expected, CLIENTS.groups):
        table.clear()
