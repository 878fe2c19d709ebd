"""The ledger of a stream: what writes, drains and pauses of one writer leave.

There may be many thousand writers, most of which are never held up: what only those need that are is made
when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bpexporter.primitives.histogram import Durations
from bpexporter.primitives.peaks import PEAK_SLOT, PeakWindow
from bpexporter.primitives.stall_clock import StallClock
from bpexporter.resources.ledger import MemberLedger

NOBODY = StallClock()  # read where nobody has waited; never fed


class Kernel(NamedTuple):
    """What the kernel says of one TCP connection."""

    unsent: int
    """Bytes that the peer has not yet taken."""
    busy: float
    """Seconds with something to send."""
    receiver: float
    """Of those, seconds limited by the peer's window."""
    send_buffer: float
    """Of those, seconds limited by the send buffer."""


class Row(NamedTuple):
    """What one ledger adds to the reading of its name; a column is summed, or its highest is taken."""

    paused: int
    drains: int
    blocked_drains: int
    blocked_seconds: float
    stalled_seconds: float
    paused_seconds: float
    written: int
    unheeded_writes: int
    unheeded_bytes: int
    longest: float
    brief_seconds: float


class StreamLedger(MemberLedger):
    """What is recorded of one `asyncio.StreamWriter`, or of one transport."""

    __slots__ = (
        "bounds",
        *("drains", "written", "unheeded_writes", "unheeded_bytes", "has_drain", "counts_bytes"),
        *("paused", "blocked", "pauses", "waits", "size", "limit", "trusted", "protocol", "direct", "selecting"),
        *("top", "top_at", "peaks", "kernel", "lost"),
    )

    instrument: Any

    def __init__(
        self, *, bounds: tuple[float, ...], clock: Callable[[], float], has_drain: bool, counts_bytes: bool
    ) -> None:
        super().__init__(clock=clock)
        self.bounds = bounds
        self.has_drain, self.counts_bytes = has_drain, counts_bytes
        self.paused = self.lost = False
        self.size, self.limit = 0, 0
        self.trusted = False  # whether the transport is one whose methods any thread may call
        self.selecting: type | None = None  # its class, where that shows whether anything waits in the buffer
        self.direct = False  # whether drain() is one that we know
        self.protocol = 0  # id() of the protocol that is told of pauses
        self.restart()

    def restart(self) -> None:
        """Count from zero, with the writer as it is now."""
        self.drains = self.written = self.unheeded_writes = self.unheeded_bytes = 0
        self.blocked: StallClock | None = None
        self.pauses: StallClock | None = None
        self.waits: Durations | None = None
        self.top, self.top_at = 0, 0.0
        self.peaks: PeakWindow | None = None
        self.kernel: Kernel | None = None
        if self.paused:
            self.paused = False
            self.pause()

    # Recording: called by the instrument, on the thread of the writer's loop -----------------------------

    def pause(self) -> None:
        """The buffer is over its high-water mark; to be told so again changes nothing."""
        if self.paused or self.lost:
            return
        self.pauses = self.pauses or StallClock()
        self.pauses.begin(self.clock, self.clock())
        self.paused = True

    def resume(self) -> None:
        """The buffer is under its low-water mark, or there is no connection any more."""
        self.paused = False
        if self.pauses is not None:
            self.pauses.end(self.clock, self.clock())

    def wrote(self, size: int, paused: bool) -> None:
        """`size` bytes were handed over, while the writer was `paused` or not."""
        self.written += size
        if paused:
            self.unheeded_writes += 1
            self.unheeded_bytes += size

    def holds(self, level: int) -> None:
        """After a write `level` bytes are in the buffer."""
        self.size = level
        if not level:
            return
        now = self.clock()
        if level > self.top or now - self.top_at >= PEAK_SLOT:
            self.top, self.top_at = level, now
            self.peaks = self.peaks or PeakWindow()
            self.peaks.add(level, now)
            if self.listener is not None:
                self.blocked = self.blocked or StallClock(side="drain")
                self.tell_operation(self.blocked, now)

    def begin(self, token: object) -> None:
        """A drain of this `token` waits."""
        self.blocked = self.blocked or StallClock(side="drain")
        self.begin_wait(self.blocked, token)

    def gave_up(self, token: object) -> None:
        """The drain of this `token` was cancelled, or has failed."""
        if self.blocked is not None:
            self.end_wait(self.blocked, token)

    def give_up(self, now: float) -> None:
        """Nobody waits any more as far as is known: what is recorded ends here, and would else count for ever."""
        blocked = self.blocked or NOBODY
        for token in list(blocked.waiting.copy()):
            blocked.end(token, now)

    def drained(self, token: object) -> None:
        """The drain of this `token` is completed."""
        waited = 0.0 if self.blocked is None else self.end_wait(self.blocked, token)
        waits = self.waits = self.waits or Durations(self.bounds)
        waits.feed(waited)
        self.drains += 1

    # Reading ------------------------------------------------------------------------------------

    def row(self, now: float, counts: list[int]) -> Row:
        """What it adds at `now`; drains that took longer than the first bucket are added to `counts`."""
        drains, brief_seconds = self.drains, 0.0
        if self.waits is not None:
            drains, brief_seconds = self._settled(self.waits, counts)
        blocked = (self.blocked or NOBODY).read(now) if self.blocked is not None else NOTHING
        pauses = self.pauses.read(now) if self.pauses is not None else NOTHING
        return Row(
            int(self.paused),
            drains,
            blocked.begun,
            blocked.caller_seconds,
            blocked.stalled_seconds,
            pauses.caller_seconds,
            self.written,
            self.unheeded_writes,
            self.unheeded_bytes,
            blocked.longest,
            brief_seconds,
        )

    def _settled(self, waits: Durations, counts: list[int]) -> tuple[int, float]:
        for _ in range(100):
            waits.settle()
            seconds, sorted_in = waits.total + waits.briefly, waits.counts
            drains, late, own, busy = self.drains, len(waits.raw), sorted_in and sorted_in[:], waits.busy
            if not busy:
                break
        for index, count in enumerate(own or ()):
            counts[index] += count
        return drains - late, seconds

    def peak(self, now: float) -> float:
        """Most bytes in the buffer in the last 60 s."""
        return max(self.size, self.peaks.read(now)) if self.peaks is not None else self.size


NOTHING = NOBODY.read(0.0)
