"""The members of a name, looked at one after the other: connections that are recorded, and those that are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bpexporter.faults import faults
from bpexporter.resources.stream import transports
from bpexporter.resources.stream.connections import Group
from bpexporter.resources.stream.kernel import asked
from bpexporter.resources.stream.layers import Level, look, socket_of, transport_at
from bpexporter.resources.stream.ledger import StreamLedger
from bpexporter.resources.stream.metrics import StreamReading
from bpexporter.resources.stream.reading import reading_of

# Of so many connections of a name the kernel is asked in one reading, at about 3 microseconds each; the others in the
# next.
ASKED = 1_000
# After so many connections a reading gives way to other threads.
GIVE_WAY = 100

# A member of a name: a connection that is recorded, or all of those that are only known to be there.
Member = StreamLedger | Group


def read(ledgers: Sequence[Member], clock: Callable[[], float]) -> Iterator[StreamReading]:
    """Readings of all `ledgers`; one that fails is left out and counted."""
    first = _first_asked(ledgers)
    for number, ledger in enumerate(ledgers):
        if not (number + 1) % GIVE_WAY:
            time.sleep(0)
        try:
            if isinstance(ledger, Group):
                yield from ledger.readings()
            else:
                yield look_at(ledger, clock(), kernel=(number - first) % len(ledgers) < ASKED)
        except Exception as error:
            faults.swallow(error, "reading a stream")


def look_at(ledger: StreamLedger, now: float, *, kernel: bool) -> StreamReading:
    """A reading of one connection at `now`; `kernel`: ask the kernel too."""
    _end_with_its_loop(ledger)
    level = level_of(ledger)
    owner = ledger.live_owner()
    kernel_asked = False
    if level is not None and owner is not None and ledger.trusted:
        _look(ledger, level, now)
        if kernel:
            kernel_asked = _ask(ledger, transport_at(owner))
    return reading_of(ledger, now, level, kernel_asked=kernel_asked)


def level_of(ledger: StreamLedger) -> Level | None:
    """Returns what waits in the connection now, or was last seen to; ``None`` where it is recorded no more."""
    owner = ledger.live_owner()
    if owner is None:
        return None
    known = Level(ledger.size, ledger.limit, is_over=False, is_open=not ledger.lost)
    return (look(transport_at(owner), transports.above(ledger)) or known) if ledger.trusted else known


def _look(ledger: StreamLedger, level: Level, now: float) -> None:
    if not ledger.lost and id(level.protocol) != ledger.protocol and level.protocol is not None:
        ledger.instrument.changed(ledger)
    ledger.looked(level, now)
    if not ledger.by_transport:
        ledger.grew(level)


def _ask(ledger: StreamLedger, transport: Any) -> bool:
    told = asked(socket_of(transport))
    if told is None:
        return False
    ledger.kernel = told
    return True


def _end_with_its_loop(ledger: StreamLedger) -> None:
    """Nothing of a loop that is closed goes on; it was seen to until the last reading."""
    loop = ledger.loop() if ledger.loop is not None else None
    if loop is not None and loop.is_closed() and not ledger.lost and ledger.owner is not None:
        ledger.ends(ledger.over_seen)
        ledger.told = False
        ledger.give_up(ledger.over_seen)
        ledger.instrument.end(ledger)


def _first_asked(ledgers: Sequence[Member]) -> int:
    """Returns the index in `ledgers` from which the kernel is asked: where the last reading of this name ended."""
    if len(ledgers) <= ASKED:
        return 0
    entry = ledgers[0].entry
    first = entry.next_asked % len(ledgers)
    entry.next_asked = first + ASKED
    return first
