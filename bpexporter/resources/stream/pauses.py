"""Pauses, told by the protocol's own `pause_writing()`, `resume_writing()` and `connection_lost()`.

They are the lowest point that all transports share, asyncio's and uvloop's. They are replaced in the class that
defines them; which of its protocols are watched is known by a table, since a protocol may have slots. That costs
nothing that counts: pauses are rare.
"""

from __future__ import annotations

from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Any

from bpexporter.resources.patching import Replaced, guarded
from bpexporter.resources.stream.ledger import StreamLedger

_ledgers: dict[int, tuple[StreamLedger, ...]] = {}
_hooked: dict[tuple[type, str], Replaced] = {}


def _paused(original: Any) -> Any:
    def pause_writing(self: Any) -> None:
        original(self)
        _tell(self, _pause)

    return pause_writing


def _resumed(original: Any) -> Any:
    def resume_writing(self: Any) -> None:
        original(self)
        _tell(self, StreamLedger.resume)

    return resume_writing


def _lost(original: Any) -> Any:
    def connection_lost(self: Any, exc: BaseException | None) -> None:
        _tell(self, _end)  # before: the socket is still open
        original(self, exc)

    return connection_lost


def _lost_below(original: Any) -> Any:
    def connection_lost(self: Any, exc: BaseException | None) -> None:
        _tell(self, _end)
        # TLS tells the application's protocol later, when the socket is closed.
        _tell(getattr(self, "_app_protocol", None), _last_word)
        original(self, exc)

    return connection_lost


HOOKS: dict[str, Callable[[Any], Any]] = {
    "pause_writing": _paused,
    "resume_writing": _resumed,
    "connection_lost": _lost,
}


def _tell(protocol: Any, what: Callable[[StreamLedger], None]) -> None:
    for ledger in _ledgers.get(id(protocol), ()):
        guarded(_told, ledger, protocol, what)


def _told(ledger: StreamLedger, protocol: Any, what: Callable[[StreamLedger], None]) -> None:
    # A transport may have changed its protocol, and another one have been made where the first one was.
    now = protocol if ledger.has_drain else ledger.instrument.protocol_of(ledger)
    if now is protocol or now is None:
        what(ledger)


def _pause(ledger: StreamLedger) -> None:
    ledger.instrument.paused(ledger)


def _end(ledger: StreamLedger) -> None:
    ledger.instrument.ended(ledger)


def _last_word(ledger: StreamLedger) -> None:
    ledger.instrument.last_word(ledger)


def _hook(owner: type, name: str, hook: Callable[[Any], Any]) -> None:
    if (owner, name) not in _hooked:
        _hooked[owner, name] = Replaced(owner, {name: hook(vars(owner)[name])})
    _hooked[owner, name].install()


def follow(protocol: Any, ledger: StreamLedger) -> None:
    """Tell `ledger` when `protocol` is paused, resumed, or loses its connection.

    Raises ``TypeError`` where the methods of its class cannot be replaced.
    """
    _hook(SSLProtocol, "connection_lost", _lost_below)
    for name, hook in HOOKS.items():
        owner = next((kind for kind in type(protocol).__mro__ if name in vars(kind)), None)
        if owner is None:
            raise TypeError(f"cannot watch a transport whose protocol, {type(protocol).__qualname__}, has no {name}()")
        _hook(owner, name, hook)
    ledger.protocol = id(protocol)
    _ledgers[ledger.protocol] = (*_ledgers.get(ledger.protocol, ()), ledger)


def follow_to(protocol: Any, ledger: StreamLedger) -> None:
    """Tell `ledger` of `protocol` instead of the one before."""
    leave(ledger)
    ledger.protocol = id(protocol)
    follow(protocol, ledger)


def leave(ledger: StreamLedger) -> None:
    """Tell `ledger` no more."""
    left = tuple(one for one in _ledgers.get(ledger.protocol, ()) if one is not ledger)
    if left:
        _ledgers[ledger.protocol] = left
    else:
        _ledgers.pop(ledger.protocol, None)


def uninstall() -> None:
    """Put the originals back."""
    for replaced in _hooked.values():
        replaced.uninstall()
    _hooked.clear()
    _ledgers.clear()
