"""The reading of one connection, of one that is only known to be there, and of many."""

from __future__ import annotations

from typing import Any

from bpexporter.primitives.histogram import HistogramReading
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.stream.kernel import Kernel
from bpexporter.resources.stream.layers import Level
from bpexporter.resources.stream.ledger import StreamLedger
from bpexporter.resources.stream.metrics import StreamReading

NOBODY = StallClock().read(0.0)


def ratio(size: float, limit: int | None) -> float | None:
    """`size` as a part of `limit`; where that is 0 each byte is over it, as if one were let in."""
    return None if limit is None else size / (limit or 1)


def reading_of(ledger: StreamLedger, now: float, level: Level | None, *, kernel_asked: bool) -> StreamReading:
    """Returns the reading of `ledger` at `now`, with `level` in its buffers; ``None``: it can be asked no more.

    `kernel_asked`: the kernel was asked for this reading.
    """
    size, limit = (level.size, level.limit) if level is not None else (0, None)
    blocked = ledger.blocked.read(now) if ledger.blocked is not None else NOBODY
    writes, unheeded_bytes = _unheeded(ledger, now)
    told, seconds = ledger.told, over_seconds(ledger, now)
    drains = ledger.has_drain
    kernel = _kernel(ledger, is_there=level is not None)
    return StreamReading(
        open_writers=int(level is not None and level.is_open),
        paused_writers=int(told or (level is not None and level.is_over)),
        buffered_bytes=size,
        buffer_limit_bytes=limit or 0,
        utilization_ratio=ratio(size, limit),
        peak_utilization_ratio=ratio(max(size, peak_of(ledger, now)), limit),
        blocked_writers=int(blocked.callers > 0) if drains else None,
        drain_seconds=_drain_seconds(ledger) if drains else None,
        blocked_drains=blocked.begun if drains else None,
        drain_blocked_seconds=blocked.caller_seconds if drains else None,
        stalled_seconds=blocked.stalled_seconds if drains else None,
        longest_block_seconds=blocked.longest if drains else None,
        paused_seconds=seconds,
        written_bytes=ledger.written if drains or ledger.by_transport else None,
        unheeded_writes=writes,
        unheeded_bytes=unheeded_bytes,
        kernel_unsent_bytes=None if kernel is None else kernel.unsent,
        tcp_busy_seconds=None if kernel is None else kernel.busy,
        tcp_limited_seconds=None if kernel is None else (kernel.receiver, kernel.send_buffer),
        kernel_writers=int(kernel_asked),
    )


def reading_at(level: Level) -> StreamReading:
    """Returns the reading of a connection of which nothing is recorded."""
    size, limit = level.size, level.limit
    return StreamReading(
        int(level.is_open), int(level.is_over), size, limit or 0, ratio(size, limit), ratio(size, limit),
        None, None, None, None, None, None, 0.0, None, None, None, None, None, None, 0,
    )  # fmt: skip


def over_seconds(ledger: StreamLedger, now: float) -> float:
    """Seconds over the mark by `now`."""
    # In straight lines without a call: a consistent pair.
    seconds, since = ledger.over_seconds, ledger.over_since
    return seconds if since is None else seconds + max(0.0, now - since)


def peak_of(ledger: StreamLedger, now: float) -> float:
    """Most bytes in the buffer at writes of the last 60 s."""
    return ledger.peaks.read(now) if ledger.peaks is not None else 0


def _unheeded(ledger: StreamLedger, now: float) -> tuple[Any, Any]:
    if ledger.unheeded is None:
        return (0, 0) if ledger.has_drain or ledger.by_transport else (None, None)
    return ledger.unheeded.read(now, drains=ledger.has_drain)


def _kernel(ledger: StreamLedger, *, is_there: bool) -> Kernel | None:
    last, first = ledger.kernel, ledger.kernel_first
    if last is None:
        return None
    shown = last if first is None else last.since(first)
    return shown if is_there else shown._replace(unsent=0)


def _drain_seconds(ledger: StreamLedger) -> HistogramReading:
    waits = ledger.waits
    if waits is None:
        return HistogramReading(ledger.bounds, (ledger.drains, *[0] * len(ledger.bounds)), 0.0)
    for _ in range(100):
        waits.settle()
        seconds, sorted_in = waits.sorted_seconds + waits.briefly, waits.counts
        drains, late, counts, busy = ledger.drains, len(waits.raw), sorted_in and sorted_in[:], waits.busy
        if not busy:
            break
    return waits.reading(counts, seconds, max(0, drains - late - sum(counts or ())))
