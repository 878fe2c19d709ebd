"""The methods that replace those of `asyncio.StreamWriter`, and `write()` of asyncio's own transports.

The originals do the work; what is recorded comes after it, and no error of ours reaches the application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.fingerprints import is_known
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import Replaced, guarded, unwatched
from bpexporter.resources.stream.ledger import StreamLedger


def write(self: Any, data: Any) -> None:
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is None:
        self._transport.write(data)
        return
    paused = ledger.paused
    transport = self._transport
    transport.write(data)
    try:
        size = len(data) if type(data) is bytes else size_of(data)
        ledger.written += size
        if paused:
            ledger.unheeded_writes += 1
            ledger.unheeded_bytes += size
        if transport.__class__ is ledger.selecting and not transport._buffer:
            if ledger.size:
                ledger.holds(0)
        elif ledger.trusted:
            ledger.holds(transport.get_write_buffer_size())
    except Exception as error:
        faults.swallow(error, "write")


def writelines(self: Any, data: Any) -> None:
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is None:
        self._transport.writelines(data)
        return
    paused = ledger.paused
    lines = data if isinstance(data, (list, tuple)) else list(data)
    self._transport.writelines(lines)
    guarded(_wrote, ledger, lines, paused, self._transport)


async def drain(self: Any) -> None:
    try:
        ledger = self._bpexporter_ledger
    except Exception:
        ledger = None
        unwatched(self)
    if ledger is None:
        await DRAIN(self)
        return
    if ledger.direct:
        reader, protocol = self._reader, self._protocol
        if not (
            (reader is not None and reader.exception() is not None)
            or protocol._paused
            or protocol._connection_lost
            or self._transport.is_closing()
        ):
            ledger.drains += 1  # there is nothing that the original would wait for or raise
            return
    if ledger.paused:
        await _blocked(self, ledger)
    else:
        await DRAIN(self)
        ledger.drains += 1


async def _blocked(self: Any, ledger: StreamLedger) -> None:
    token = waiting_token(ledger.blocked)
    guarded(ledger.begin, token)
    try:
        await DRAIN(self)
    except BaseException:
        guarded(ledger.gave_up, token)
        raise
    guarded(ledger.drained, token)


def size_of(data: Any) -> int:
    """Bytes of what was written; a view of wider items counts bytes too."""
    return memoryview(data).nbytes


def _wrote(ledger: StreamLedger, lines: Iterable[Any], paused: bool, transport: Any) -> None:
    ledger.wrote(sum(map(size_of, lines)), paused)
    if ledger.trusted:
        ledger.holds(transport.get_write_buffer_size())


DRAIN: Any = vars(asyncio.StreamWriter)["drain"]
HELPER: Any = vars(asyncio.streams.FlowControlMixin)["_drain_helper"]
KNOWN_SOURCES = {
    (3, 11): "4facd706da2ff10e",
    (3, 12): "90ba80b88ad69500",
    (3, 13): "e276419d55d05528",
    (3, 14): "57f2ddfc664c9a1c",
    (3, 15): "89679f46789caacb",
}
KNOWN = is_known((DRAIN, HELPER), KNOWN_SOURCES)


def is_direct(protocol: Any) -> bool:
    """Whether what `drain()` would do with `protocol` is known."""
    return KNOWN and getattr(getattr(protocol, "_drain_helper", None), "__func__", None) is HELPER


WRITER = Replaced(asyncio.StreamWriter, {"write": write, "writelines": writelines, "drain": drain})


# Transports ----------------------------------------------------------------------------------------------


def _writing(original: Any) -> Any:
    def write(self: Any, data: Any) -> Any:
        ledger = getattr(self, "_bpexporter_ledger", None)
        if ledger is None:
            return original(self, data)
        paused = ledger.paused
        result = original(self, data)
        guarded(_wrote, ledger, (data,), paused, self)
        return result

    return write


def _writing_lines(original: Any) -> Any:
    def writelines(self: Any, list_of_data: Any) -> Any:
        ledger = getattr(self, "_bpexporter_ledger", None)
        if ledger is None:
            return original(self, list_of_data)
        paused = ledger.paused
        lines = list(list_of_data)
        result = original(self, lines)
        guarded(_wrote, ledger, lines, paused, self)
        return result

    return writelines


def _setting_protocol(original: Any) -> Any:
    def set_protocol(self: Any, protocol: Any) -> Any:
        result = original(self, protocol)
        ledger = getattr(self, "_bpexporter_ledger", None)
        if ledger is not None and not ledger.lost:
            guarded(ledger.instrument.changed, ledger, self)
        return result

    return set_protocol


_transports: dict[tuple[type, str], Replaced] = {}
WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "write": _writing,
    "writelines": _writing_lines,
    "set_protocol": _setting_protocol,
}


def count_bytes(transport: Any) -> bool:
    """Let what is written to `transport` be counted; whether that can be done: for asyncio's own, not for uvloop's.

    Of asyncio's own a change of protocol is heard as well; of others it is found at the next reading.
    """
    kind = type(transport)
    if not kind.__module__.startswith("asyncio."):
        return False
    for name, wrapper in WRAPPERS.items():
        owner = next(one for one in kind.__mro__ if name in vars(one))
        if owner is not asyncio.WriteTransport:  # its writelines() calls write(), which counts
            if (owner, name) not in _transports:
                _transports[owner, name] = Replaced(owner, {name: wrapper(vars(owner)[name])})
            _transports[owner, name].install()
    return True


def uninstall() -> None:
    """Put the originals back."""
    for replaced in (WRITER, *_transports.values()):
        replaced.uninstall()
    _transports.clear()
