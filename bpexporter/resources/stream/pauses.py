"""Pauses, told by the protocol's own `pause_writing()`, `resume_writing()` and `connection_lost()`.

They are the lowest point that all transports share, asyncio's and uvloop's. They are replaced in the class that
defines them; which of its protocols are followed is known by a table, since a protocol may have slots. That costs
nothing that counts: pauses are rare.

Who follows is a ledger, whose `instrument` is told. Connections that are only known to be there have a table of their
own: a busy server makes thousands a second.
"""

from __future__ import annotations

import weakref
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Any

from bpexporter.resources.patching import Replaced, guarded

Following = tuple[Any, Callable[[], Any] | None]

# Of classes that are made as a program runs, and of those among them that cannot be changed all the same.
HEAP, IMMUTABLE = 1 << 9, 1 << 8

# By id() of the protocol: who follows, and a weak reference to the protocol where there can be one.
_followers: dict[int, tuple[Following, ...]] = {}
# By id() of their protocol: connections that are only known to be there, by the group that knows them.
known: dict[int, Any] = {}
_hooked: dict[tuple[type, str], Replaced | Added] = {}
_heard: set[type] = set()


class Added:
    """A method of a class that inherits the original from one of an extension, which cannot be changed."""

    def __init__(self, owner: type, name: str, function: Any) -> None:
        self.owner, self.name, self.function = owner, name, function

    def install(self) -> None:
        """Add it."""
        setattr(self.owner, self.name, self.function)

    def uninstall(self) -> None:
        """Take it away, except where somebody else has replaced it in the meantime."""
        if vars(self.owner).get(self.name) is self.function:
            delattr(self.owner, self.name)


def _paused(original: Any) -> Any:
    def pause_writing(self: Any) -> None:
        original(self)
        group = known.get(id(self))
        if group is not None:
            guarded(group.told, self)
        _tell(self, "paused")

    return pause_writing


def _resumed(original: Any) -> Any:
    def resume_writing(self: Any) -> None:
        original(self)
        _tell(self, "resumed")

    return resume_writing


def _lost(original: Any) -> Any:
    def connection_lost(self: Any, exc: BaseException | None) -> None:
        key = id(self)
        if key in known:
            known.pop(key).connections.pop(key, None)
        if key in _followers:
            _tell(self, "ended")  # before: the socket is still open
        original(self, exc)

    return connection_lost


def _lost_below(original: Any) -> Any:
    def connection_lost(self: Any, exc: BaseException | None) -> None:
        _tell(self, "ended")
        # TLS tells the application's protocol later, when the socket is closed.
        _tell(getattr(self, "_app_protocol", None), "last_word")
        original(self, exc)

    return connection_lost


HOOKS: dict[str, Callable[[Any], Any]] = {
    "pause_writing": _paused,
    "resume_writing": _resumed,
    "connection_lost": _lost,
}


def _tell(protocol: Any, event: str) -> None:
    for follower, reference in _followers.get(id(protocol), ()):
        guarded(_told, follower, reference, protocol, event)


def _told(follower: Any, reference: Any, protocol: Any, event: str) -> None:
    # The protocol that was followed may be gone, and another one have been made where it was.
    if reference() is protocol if reference is not None else follower.instrument.has_protocol(follower, protocol):
        getattr(follower.instrument, event)(follower)


def hook(kind: type, name: str, wrap: Callable[[Any], Any]) -> None:
    """Let `wrap` replace the method `name` of `kind` where it is defined.

    Raises ``TypeError`` where there is none, or none that can be replaced.
    """
    owner = owner_of(kind, name)
    if owner is None:
        raise TypeError(f"cannot watch a transport whose protocol, {kind.__qualname__}, has no {name}() to replace")
    if (owner, name) not in _hooked:
        original = vars(owner).get(name)
        inherited = getattr(owner, name)
        _hooked[owner, name] = (
            Added(owner, name, wrap(inherited)) if original is None else Replaced(owner, {name: wrap(original)})
        )
    _hooked[owner, name].install()


def owner_of(kind: type, name: str) -> type | None:
    """The class whose method `name` is to be replaced for `kind`; ``None`` where there is none."""
    found = next((one for one in kind.__mro__ if name in vars(one)), None)
    return next((one for one in (found, kind) if found is not None and one is not None and _is_mutable(one)), None)


def _is_mutable(kind: type) -> bool:
    return kind.__flags__ & (HEAP | IMMUTABLE) == HEAP


def can_be_followed(protocol: Any) -> bool:
    """Returns whether the methods of the class of `protocol` can be replaced: not those of an extension."""
    return all(owner_of(type(protocol), name) is not None for name in HOOKS)


def hear(kind: type) -> None:
    """Let pauses and ends of protocols of this `kind` be told.

    Raises ``TypeError`` where the methods of the class cannot be replaced.
    """
    if kind not in _heard:
        hook(SSLProtocol, "connection_lost", _lost_below)
        for name, wrap in HOOKS.items():
            hook(kind, name, wrap)
        _heard.add(kind)


def follow(protocol: Any, follower: Any) -> int:
    """Tell `follower` when `protocol` is paused, resumed, or loses its connection; returns its id(), for `leave()`.

    Raises ``TypeError`` where the methods of its class cannot be replaced.
    """
    hear(type(protocol))
    try:
        reference: Any = weakref.ref(protocol)
    except TypeError:
        reference = None
    key = id(protocol)  # one integer for all that keep it
    _followers[key] = (*_followers.get(key, ()), (follower, reference))
    return key


def leave(key: int, follower: Any) -> None:
    """Tell `follower` no more of the protocol with this id()."""
    others = tuple(one for one in _followers.get(key, ()) if one[0] is not follower)
    if others:
        _followers[key] = others
    else:
        _followers.pop(key, None)


def is_following(key: int, follower: Any) -> bool:
    """Returns whether `follower` is told of the protocol with this id()."""
    return any(one[0] is follower for one in _followers.get(key, ()))


def is_followed(protocol: Any) -> bool:
    """Returns whether anybody is told of `protocol`."""
    following = _followers.get(id(protocol))
    return following is not None and any(reference is None or reference() is not None for _, reference in following)


def uninstall() -> None:
    """Put the originals back."""
    for replaced in _hooked.values():
        replaced.uninstall()
    _hooked.clear()
    _heard.clear()
    _followers.clear()
    known.clear()
