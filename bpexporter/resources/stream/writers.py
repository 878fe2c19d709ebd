"""The methods that replace those of `asyncio.StreamWriter`.

The originals do the work; what is recorded comes after it, and no error of ours reaches the application. Where writes
are counted by the transport, as asyncio's are, only `drain()` and `start_tls()` are replaced.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any

from bpexporter.resources.adopting import follow
from bpexporter.resources.fingerprints import is_known
from bpexporter.resources.listening import waiting_token
from bpexporter.resources.patching import Replaced, guarded, unwatched
from bpexporter.resources.stream.ledger import StreamLedger
from bpexporter.resources.stream.transports import is_over, size_of, wrote


def _ledger_of(writer: Any) -> StreamLedger | None:
    try:
        ledger: StreamLedger | None = writer._bpexporter_ledger
    except Exception:
        unwatched(writer)
        return None
    return ledger


def write(self: Any, data: Any) -> None:
    ledger = _ledger_of(self)
    if ledger is None or ledger.by_transport:
        self._transport.write(data)
        return
    over = is_over(ledger)
    self._transport.write(data)
    guarded(_wrote, ledger, (data,), over)


def writelines(self: Any, data: Any) -> None:
    ledger = _ledger_of(self)
    if ledger is None or ledger.by_transport:
        self._transport.writelines(data)
        return
    over = is_over(ledger)
    lines = data if isinstance(data, (list, tuple)) else list(data)
    self._transport.writelines(lines)
    guarded(_wrote, ledger, lines, over)


def _wrote(ledger: StreamLedger, lines: Any, over: bool) -> None:
    wrote(ledger, sum(map(size_of, lines)), over=over)


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
    if ledger.told:
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


def adopt(protocol: Any, ledger: StreamLedger) -> None:
    """Time the drains that wait already, in frames that do not know this ledger."""
    waiters = getattr(protocol, "_drain_waiters", None)
    for waiter in list(waiters) if isinstance(waiters, deque) else ():
        if not waiter.done():
            ledger.begin(id(waiter))
            follow(waiter, partial(_ended, ledger))


def _ended(ledger: StreamLedger, waiter: Any, given_up: bool) -> None:
    failed = given_up or waiter._exception is not None  # to ask by `exception()` would silence asyncio's complaint
    (ledger.gave_up if failed else ledger.drained)(id(waiter))


async def start_tls(self: Any, *args: Any, **kwargs: Any) -> None:
    await START_TLS(self, *args, **kwargs)
    ledger = _ledger_of(self)
    if ledger is not None:
        guarded(ledger.instrument.upgraded, ledger, self._transport)


DRAIN: Any = vars(asyncio.StreamWriter)["drain"]
START_TLS: Any = vars(asyncio.StreamWriter)["start_tls"]
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
    """Returns whether what `drain()` would do with `protocol` is known."""
    return KNOWN and getattr(getattr(protocol, "_drain_helper", None), "__func__", None) is HELPER


DRAINS = Replaced(asyncio.StreamWriter, {"drain": drain, "start_tls": start_tls})
WRITES = Replaced(asyncio.StreamWriter, {"write": write, "writelines": writelines})


def uninstall() -> None:
    """Put the originals back."""
    DRAINS.uninstall()
    WRITES.uninstall()
