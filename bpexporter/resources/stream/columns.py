"""The readings of the writers of one name, while they are put together.

Levels are read from the transport itself: at each write, on its own thread, and at a reading, from any thread. The
latter only of asyncio's and uvloop's own transports, whose methods look at a number or a length and at nothing that a
second thread could upset; of others the last level that was seen at a write is taken.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.stream.kernel import asked
from bpexporter.resources.stream.ledger import Row, StreamLedger
from bpexporter.resources.stream.metrics import StreamReading


def transport_of(obj: Any) -> Any:
    """The transport of a writer; a transport is its own."""
    return object.__getattribute__(obj, "_transport") if isinstance(obj, asyncio.StreamWriter) else obj


def socket_of(transport: Any) -> Any:
    """The socket of `transport`; ``None`` where it has none, and where it can tell no more, as TLS that was closed."""
    try:
        return transport.get_extra_info("socket")
    except AttributeError:
        return None


class Columns:
    """What the writers of one name say, a column for each figure."""

    def __init__(self, first: StreamLedger) -> None:
        self.bounds = first.bounds
        self.counts = [0] * (len(first.bounds) + 1)
        self.rows: list[Row] = []
        self.buffered = self.limits = self.open = self.asked = 0
        self.ratio: float | None = None
        self.peak: float | None = None
        self.has_drain = self.counts_bytes = False
        self.kernels: list[Any] = []

    def add(self, ledger: StreamLedger, now: float, *, kernel: bool) -> None:
        """One writer more; `kernel`: ask the kernel too."""
        row = ledger.row(now, self.counts)
        owner = ledger.live_owner()
        if owner is not None:
            self._levels(ledger, transport_of(owner), now, kernel)
        if ledger.kernel is not None:
            self.kernels.append(ledger.kernel if owner is not None else ledger.kernel._replace(unsent=0))
        self.has_drain |= ledger.has_drain
        self.counts_bytes |= ledger.counts_bytes
        self.rows.append(row)

    def _levels(self, ledger: StreamLedger, transport: Any, now: float, kernel: bool) -> None:
        if ledger.trusted:
            size, limit = _size(transport, ledger), transport.get_write_buffer_limits()[1]
            ledger.limit = limit
            if not ledger.has_drain and id(transport.get_protocol()) != ledger.protocol and not ledger.lost:
                ledger.instrument.changed(ledger, transport)
            self.open += not transport.is_closing()
            if kernel:
                self._ask(ledger, transport)
        else:
            size, limit = ledger.size, ledger.limit
            self.open += not ledger.lost
        self.buffered += size
        self.limits += limit
        if limit:
            self.ratio = max(self.ratio or 0, size / limit)
            peak = max(size, ledger.peaks.read(now)) if ledger.peaks is not None else size
            self.peak = max(self.peak or 0, peak / limit)

    def _ask(self, ledger: StreamLedger, transport: Any) -> None:
        told = asked(socket_of(transport))
        if told is not None:
            ledger.kernel = told
            self.asked += 1

    def reading(self) -> StreamReading:
        """All of them."""
        total = Row(*map(sum, zip(*self.rows, strict=True))) if self.rows else Row(*[0] * len(Row._fields))
        kernel = [sum(column) for column in zip(*self.kernels, strict=True)] if self.kernels else None
        return StreamReading(
            open_writers=self.open,
            paused_writers=total.paused,
            buffered_bytes=self.buffered,
            buffer_limit_bytes=self.limits,
            utilization_ratio=self.ratio,
            peak_utilization_ratio=self.peak,
            drain_seconds=self._drains(total) if self.has_drain else None,
            blocked_drains=total.blocked_drains if self.has_drain else None,
            drain_blocked_seconds=total.blocked_seconds if self.has_drain else None,
            stalled_seconds=total.stalled_seconds if self.has_drain else None,
            longest_block_seconds=max((row.longest for row in self.rows), default=0.0) if self.has_drain else None,
            paused_seconds=total.paused_seconds,
            written_bytes=total.written if self.counts_bytes else None,
            unheeded_writes=total.unheeded_writes if self.counts_bytes else None,
            unheeded_bytes=total.unheeded_bytes if self.counts_bytes else None,
            kernel_unsent_bytes=kernel[0] if kernel else None,
            tcp_busy_seconds=kernel[1] if kernel else None,
            tcp_limited_seconds=(kernel[2], kernel[3]) if kernel else None,
            kernel_writers=self.asked,
        )

    def _drains(self, total: Row) -> HistogramReading:
        counts = self.counts
        counts[0] += max(0, total.drains - sum(counts))
        return HistogramReading(self.bounds, tuple(counts), total.brief_seconds)


def _size(transport: Any, ledger: StreamLedger) -> int:
    for _ in range(3):
        try:
            return int(transport.get_write_buffer_size())
        except RuntimeError:  # the loop's thread changed the buffer while it was added up
            continue
    return ledger.size
