"""Writes over the high-water mark to which nobody seems to listen.

Several writes and one drain are well: what is bounded by the drain is no reason to wake anybody. So a write counts
when nobody has waited in `drain()` for a while after it. Where there is no `drain()` it counts when writes go on for a
while.
"""

from __future__ import annotations

# Seconds in which a writer may notice that it is over its mark.
GRACE = 0.1


class Unheeded:
    """Writes and bytes that were handed over while the buffer was over its mark."""

    __slots__ = (
        "bytes",  # of writes that nobody has heeded
        "pending_bytes",  # of those that may still be followed by a drain
        "pending_since",  # when the first of these was; None where there is none
        "pending_writes",  # writes that may still be followed by a drain
        "writes",  # writes that nobody has heeded
    )

    def __init__(self) -> None:
        self.writes = self.bytes = self.pending_writes = self.pending_bytes = 0
        self.pending_since: float | None = None

    def add(self, size: int, now: float) -> None:
        """A write of `size` bytes over the mark."""
        since = self.pending_since
        if since is None:
            since = self.pending_since = now
        self.pending_writes += 1
        self.pending_bytes += size
        if now - since >= GRACE:
            self._count()

    def heeded(self, now: float, *, drains: bool) -> None:
        """Somebody waits in `drain()` from now on, or the buffer is under its mark.

        What is older than the grace stays counted where `drains` are known, for it may have been read.
        """
        if drains and self.is_due(now):
            self._count()
        self.pending_writes = self.pending_bytes = 0
        self.pending_since = None

    def is_due(self, now: float) -> bool:
        """Returns whether what is pending has waited for a drain long enough."""
        since = self.pending_since
        return since is not None and now - since >= GRACE

    def read(self, now: float, *, drains: bool) -> tuple[int, int]:
        """Writes and bytes by `now`; may be called from any thread."""
        writes, size = self.writes, self.bytes
        pending_writes, pending_bytes = self.pending_writes, self.pending_bytes
        if drains and self.is_due(now):
            return writes + pending_writes, size + pending_bytes
        return writes, size

    def _count(self) -> None:
        # In straight lines without a call: a reader sees all of it or nothing.
        writes, size = self.pending_writes, self.pending_bytes
        self.pending_writes = self.pending_bytes = 0
        self.writes += writes
        self.bytes += size
