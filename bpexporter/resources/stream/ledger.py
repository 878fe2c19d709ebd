"""The ledger of a stream: what writes, drains and pauses of one connection leave.

There may be many thousand connections, most of which are never held up: what only those need that are is made
when it is first needed.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from bpexporter.primitives.histogram import Durations
from bpexporter.primitives.peaks import PEAK_SLOT, PeakWindow
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.ledger import MemberLedger
from bpexporter.resources.stream.kernel import Kernel
from bpexporter.resources.stream.layers import Level
from bpexporter.resources.stream.unheeded import Unheeded


class StreamLedger(MemberLedger):
    """The ledger of one connection, watched by its writer or by its transport."""

    __slots__ = (
        # The connection. Written by the instrument.
        "bounds",  # of the histogram, in seconds
        "has_drain",  # a writer of it is watched, so drains are known
        "by_transport",  # each write is counted by its transport; else by the writer that is watched, if one is
        "direct",  # drain() is one that we know
        "trusted",  # any thread may ask its transport for levels
        "anchor",  # id() of what lives as long as the connection
        "writer",  # weak reference to the writer that was watched last; None for a transport
        "above",  # weak reference to what stands for a layer above, which cannot be seen from below; else None
        "loop",  # weak reference to its loop; None where it is not known
        "protocol",  # id() of the transport's protocol when it was last looked for
        "protocols",  # id() of each protocol that is told of pauses
        "lost",  # there is no connection any more
        # Bytes written, and drains. Set by the loop's thread.
        "drains",  # drain() completed
        "written",  # bytes
        "unheeded",  # writes to which nobody listens; None before the first over the mark
        "blocked",  # the drains that wait; None before the first
        "waits",  # durations of drains that had to wait; None before the first
        # Bytes that wait in the buffer. Set after writes by the loop's thread, and by readings.
        "size",  # bytes, when it was last looked at
        "limit",  # the high-water mark; None where it is not known
        "unlooked_bytes",  # written since it was last looked at
        "top",  # most bytes of the present slot of the peak window
        "top_at",  # when that was seen
        "peaks",  # most bytes of the last minute; None before anything had to wait
        # Time over the mark. Written as `size` is; compared by each write.
        "told",  # the protocol was told to pause
        "told_at",  # bytes in the buffer, and written, when it was told where not each write is seen; else None
        "over_since",  # when it came over its mark; None while it is under it
        "over_seen",  # when it was last seen over it
        "over_seconds",  # seconds over it, without the present stretch
        # The kernel's figures.
        "kernel",  # its last figures; None where it has none
        "kernel_first",  # its first figures
    )

    instrument: Any

    def __init__(self, *, bounds: tuple[float, ...], clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.bounds = bounds
        self.has_drain = self.by_transport = self.direct = self.trusted = self.told = self.lost = False
        self.anchor = self.protocol = 0
        self.writer: weakref.ref[asyncio.StreamWriter] | None = None
        self.above: weakref.ref[Any] | None = None
        self.loop: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self.protocols: tuple[int, ...] = ()
        self.size = 0
        self.limit: int | None = None
        self.told_at: tuple[int, int] | None = None
        self.over_since: float | None = None
        self.kernel: Kernel | None = None
        self.restart()

    def restart(self) -> None:
        """Count from zero, with the connection as it is now."""
        self.drains = self.written = 0
        self.unheeded: Unheeded | None = None
        self.blocked: StallClock | None = None
        self.waits: Durations | None = None
        self.unlooked_bytes = 0
        self.top, self.top_at = 0, 0.0
        self.peaks: PeakWindow | None = None
        self.over_seconds = self.over_seen = 0.0
        if self.over_since is not None:
            self.over_since = self.over_seen = self.clock()
        self.kernel_first = self.kernel

    # Time over the mark -------------------------------------------------------------------------
    #
    # Two threads write here: the loop's, which is told and looks at writes, and the reader's, which looks. So each
    # change stands in straight lines without a call: there the interpreter does not change threads.

    def pause(self) -> None:
        """The protocol was told that the buffer is over its high-water mark; to be told so again changes nothing."""
        if self.lost:
            return
        now = self.clock()
        self.told = True
        if self.over_since is None:
            self.over_since = now

    def resume(self) -> None:
        """The buffer is under its low-water mark, or there is no connection any more."""
        self.ends(self.clock())
        self.told, self.told_at = False, None

    def looked(self, level: Level, now: float) -> None:
        """`level` waits in the buffer: it may be over the mark though the protocol was not told."""
        self.size, self.limit = level.size, level.limit
        if self.told:
            self.over_seen = now
        elif level.is_over:
            self.over_seen = now
            if self.over_since is None and not self.lost:
                self.over_since = now
        elif self.over_since is not None:
            self.ends(self.over_seen)

    def ends(self, when: float) -> None:
        """It was over its mark until `when`, if at all."""
        now = self.clock()
        since = self.over_since
        if since is not None:
            self.over_since = None
            self.over_seconds += when - since if when > since else 0.0
        if self.unheeded is not None:
            self.unheeded.heeded(now, drains=self.has_drain)

    # Writes: called on the thread of the loop -----------------------------------------------------

    def wrote_over(self, size: int) -> None:
        """`size` bytes were handed over while the buffer was over its mark."""
        unheeded = self.unheeded = self.unheeded or Unheeded()
        unheeded.add(size, self.clock())

    def holds(self, level: Level) -> None:
        """After a write `level` is in the buffer."""
        self.unlooked_bytes = 0
        now, size = self.clock(), level.size
        self.looked(level, now)
        if size and (size > self.top or now - self.top_at >= PEAK_SLOT):
            self.top, self.top_at = size, now
            self.peaks = self.peaks or PeakWindow()
            self.peaks.add(size, now)
            if self.listener is not None:
                self.blocked = self.blocked or StallClock(side="drain")
                self.tell_operation(self.blocked, now)

    def grew(self, level: Level) -> None:
        """`level` waits at a reading, where not each write is seen: what came since the pause was written past us.

        By more than the whole mark: what frames a message is no reason to wake anybody.
        """
        told_at = self.told_at
        extra = 0 if told_at is None else level.size - told_at[0] - (self.written - told_at[1])
        if told_at is not None and extra > (level.limit or 0):
            unheeded = self.unheeded = self.unheeded or Unheeded()
            unheeded.writes += 1
            unheeded.bytes += extra
            self.told_at = told_at[0] + extra, told_at[1]

    # Drains: called on the thread of the loop -------------------------------------------------------

    def begin(self, token: object) -> None:
        """A drain of this `token` waits."""
        self.blocked = self.blocked or StallClock(side="drain")
        self.begin_wait(self.blocked, token)
        if self.unheeded is not None:
            self.unheeded.heeded(self.clock(), drains=True)

    def gave_up(self, token: object) -> None:
        """The drain of this `token` was cancelled, or has failed."""
        if self.blocked is not None:
            self.end_wait(self.blocked, token)

    def drained(self, token: object) -> None:
        """The drain of this `token` is completed."""
        waited = 0.0 if self.blocked is None else self.end_wait(self.blocked, token)
        waits = self.waits = self.waits or Durations(self.bounds)
        waits.feed(waited)
        self.drains += 1

    def give_up(self, when: float) -> None:
        """Nobody waits any more as far as is known: what is recorded ends here, and would else count for ever."""
        if self.blocked is not None:
            for token, begun in self.blocked.waiting.copy().items():
                self.blocked.end(token, max(begun, when))
