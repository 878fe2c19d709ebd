"""The methods that replace those of asyncio's own transports: each write is seen, whoever makes it.

The originals do the work; what is recorded comes after it, and no error of ours reaches the application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.patching import ATTRIBUTE, Replaced, guarded
from bpexporter.resources.stream.connections import moved_from
from bpexporter.resources.stream.layers import is_deep, look, transport_at
from bpexporter.resources.stream.ledger import StreamLedger

# A buffer that takes long to add up, or that is over its mark, is looked at when it may have grown by a 64th part.
PART_SHIFT = 6


# Of asyncio's own those whose buffer can be seen.
BUFFERED: Any = asyncio.selector_events._SelectorTransport  # type: ignore[attr-defined]
SOCKETS: Any = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]


def size_of(data: Any) -> int:
    """Bytes of what was written; a view of wider items counts bytes too."""
    return len(data) if type(data) is bytes else memoryview(data).nbytes


def wrote(ledger: StreamLedger, size: int, *, over: bool) -> None:
    """`size` bytes were handed over, while the buffer was `over` its mark or not; what waits now is looked at."""
    ledger.written += size
    if over:
        ledger.wrote_over(size)
    if ledger.trusted:
        ledger.unlooked_bytes += size
        look_after_write(ledger)


def look_after_write(ledger: StreamLedger) -> None:
    """Look at what waits after a write, but not each time where that takes longer than to write."""
    if ledger.told and ledger.unlooked_bytes << PART_SHIFT < ledger.size:
        return
    owner = ledger.live_owner()
    if owner is None:
        return
    transport = transport_at(owner)
    if ledger.unlooked_bytes << PART_SHIFT < ledger.size and is_deep(transport):
        return
    level = look(transport, above(ledger))
    if level is not None:
        ledger.holds(level)


def above(ledger: StreamLedger) -> Any:
    """The transport above, which cannot be seen from below; ``None`` where there is none."""
    found = ledger.above() if ledger.above is not None else None
    return None if found is None else transport_at(found)


def is_over(ledger: StreamLedger) -> bool:
    """Returns whether the buffer is over its mark before a write: as the protocol was told, else as it looks."""
    if ledger.over_since is not None and not ledger.told:
        guarded(look_after_write, ledger)
    return ledger.over_since is not None


def _writing(original: Any) -> Any:
    def write(self: Any, data: Any) -> Any:
        ledger = self._bpexporter_ledger
        if ledger is None:
            return original(self, data)
        if ledger.over_since is not None:
            return _write_over(original, self, data, ledger)
        result = original(self, data)
        try:
            size = len(data) if type(data) is bytes else size_of(data)
            ledger.written += size
            if self._buffer:
                ledger.unlooked_bytes += size
                look_after_write(ledger)
        except Exception as error:
            faults.swallow(error, "write")
        return result

    return write


def _write_over(original: Any, transport: Any, data: Any, ledger: StreamLedger) -> Any:
    over = ledger.told or is_over(ledger)
    result = original(transport, data)
    try:
        wrote(ledger, len(data) if type(data) is bytes else size_of(data), over=over)
    except Exception as error:
        faults.swallow(error, "write")
    return result


def _writing_layered(original: Any) -> Any:
    def write(self: Any, data: Any) -> Any:
        ledger = self._bpexporter_ledger
        return original(self, data) if ledger is None else _write_over(original, self, data, ledger)

    return write


def _writing_lines(original: Any) -> Any:
    def writelines(self: Any, list_of_data: Any) -> Any:
        ledger = self._bpexporter_ledger
        if ledger is None:
            return original(self, list_of_data)
        over = is_over(ledger)
        lines = list(list_of_data)
        result = original(self, lines)
        guarded(_wrote_lines, ledger, lines, over)
        return result

    return writelines


def _wrote_lines(ledger: StreamLedger, lines: list[Any], over: bool) -> None:
    wrote(ledger, sum(map(size_of, lines)), over=over)


def _setting_protocol(original: Any, until_now: Callable[[Any], Any] | None = None) -> Any:
    def set_protocol(self: Any, protocol: Any) -> Any:
        ledger = self._bpexporter_ledger
        old = None
        if ledger is None:  # there is no protocol while the transport is made
            old = getattr(self, "_protocol", None) if until_now is None else until_now(self)
        result = original(self, protocol)
        if ledger is not None and not ledger.lost:
            guarded(ledger.instrument.changed, ledger)
        elif old is not None:
            guarded(moved_from, old)
        return result

    return set_protocol


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "write": _writing,
    "writelines": _writing_lines,
    "set_protocol": _setting_protocol,
}
# Of transports that stand above another one.
LAYERED: dict[str, Callable[[Any], Any]] = {
    "write": _writing_layered,
    "set_protocol": partial(_setting_protocol, until_now=methodcaller("get_protocol")),
}
_replaced: dict[tuple[type, str], Replaced] = {}
_marked: set[type] = set()


def is_counted(transport: Any) -> bool:
    """Returns whether what is written to `transport` can be counted there: for asyncio's own, not for uvloop's."""
    return type(transport).__module__.startswith("asyncio.")


def count(kind: type) -> None:
    """Let what is written to asyncio's transports of this `kind` be counted, and a change of protocol be heard."""
    for name in WRAPPERS:
        _replace(kind, name)


def hear_protocols(kind: type) -> None:
    """Let a change of protocol of asyncio's transports of this `kind` be heard."""
    _replace(kind, "set_protocol")


def _replace(kind: type, name: str) -> None:
    owner = next(one for one in kind.__mro__ if name in vars(one))
    if owner is asyncio.WriteTransport:  # its writelines() calls write(), which counts
        return
    for one in (kind, owner):
        if ATTRIBUTE not in vars(one):
            setattr(one, ATTRIBUTE, None)  # so that a look for a ledger costs nothing where there is none
            _marked.add(one)
    if (owner, name) not in _replaced:
        wraps = WRAPPERS if issubclass(kind, BUFFERED) else {**WRAPPERS, **LAYERED}
        _replaced[owner, name] = Replaced(owner, {name: wraps[name](vars(owner)[name])})
    _replaced[owner, name].install()


def uninstall() -> None:
    """Put the originals back."""
    for replaced in _replaced.values():
        replaced.uninstall()
    _replaced.clear()
    for kind in _marked:
        type.__delattr__(kind, ATTRIBUTE)
    _marked.clear()
