"""A reading of a queue's ledger.

May be called from any thread, while another feeds the ledger: what must agree is copied in straight
lines, and asked for again where the feeding path was sorting meanwhile.
"""

from __future__ import annotations

from typing import Any

from bpexporter.primitives.histogram import Durations, HistogramReading
from bpexporter.primitives.limits import DEEP, INFINITY
from bpexporter.primitives.numbers import share
from bpexporter.primitives.peaks import PEAK_WINDOW
from bpexporter.resources.queue.ages import oldest_age
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import Levels
from bpexporter.resources.queue.metrics import QueueReading

# So often a ledger is asked again whose durations are being sorted.
ATTEMPTS = 100
Present = tuple[int, int, float | None, Any, float | None, float | None]
"""Members, unbounded members, capacity, depth, utilisation and its peak."""
GONE: Present = 0, 0, None, 0, None, None


def read(ledger: QueueLedger, levels: Levels | None, now: float) -> QueueReading:
    """A reading at `now`; `levels` is ``None`` for a queue that is gone or no longer watched."""
    # The next put or get dates the peak: whatever comes after is newer than this reading.
    ledger.band_floor = ledger.fast_get_min = ledger.falling_depth = DEEP
    if levels is None:
        present, oldest = GONE, 0.0
    else:
        ledger.look(levels, now)
        present, oldest = _present(ledger, levels, now), oldest_age(ledger, levels, now)
    puts, put_waits = landed_puts(ledger)
    gets, get_waits = landed_gets(ledger)
    blocked, blocked_seconds, stalled_seconds, longest, begun = ledger.producers.read(now)
    idle, idle_seconds, *_ = ledger.idle.read(now)
    if levels is None:
        blocked = idle = 0
        longest = 0.0
    # In the order of the fields: to name them takes a fifth of all this.
    values = (
        *present,
        ledger.occupancy(now),
        *(put_waits, begun, blocked_seconds, stalled_seconds, blocked, longest),
        *(get_waits, idle_seconds, idle, puts, gets),
        (ledger.refused_full, ledger.refused_cancelled, ledger.refused_shutdown),
        *(residence_of(ledger), oldest, levels.unfinished if levels is not None else 0),
        1,  # somebody may have asked for the name: whoever knows the name says if not
    )
    return QueueReading(*values)


def _present(ledger: QueueLedger, levels: Levels, now: float) -> Present:
    depth, capacity = levels.depth, levels.capacity
    if capacity is None or not 0 < capacity < INFINITY:
        return 1, int(capacity is not None), None, depth, None, None
    peak = ledger.peaks.read(now)
    if not ledger.exact or ledger.puts - ledger.gets - ledger.unaccounted_items > depth:
        peak = max(peak, left_before(ledger, depth, now))
    highest = share(peak, capacity) if peak > depth else None
    utilization = share(depth, capacity)
    return 1, 0, capacity, depth, utilization, utilization if highest is None else highest


def left_before(ledger: QueueLedger, depth: int, now: float) -> int:
    # What the last put or get has left, where more than is there now: a host has cleared its queue, and nobody
    # has been there since. It is dated from the first reading that finds it so.
    left = ledger.left_level()
    if left <= depth:
        return 0
    if ledger.cleared[0] != ledger.puts:
        ledger.cleared = ledger.puts, now
    return left if now - ledger.cleared[1] <= PEAK_WINDOW else 0


def landed_puts(ledger: QueueLedger) -> tuple[int, HistogramReading]:
    waits = ledger.put_waits
    for _ in range(ATTEMPTS):
        if waits.raw or waits.busy:
            waits.settle()
        counts, seconds = waits.counts, waits.sorted_seconds + waits.briefly
        state = ledger.puts, ledger.landing_put, counts and counts[:], seconds, waits.busy, len(waits.raw)
        if not state[4]:
            break
    return _landed(waits, *state)


def landed_gets(ledger: QueueLedger) -> tuple[int, HistogramReading]:
    waits = ledger.get_waits
    for _ in range(ATTEMPTS):
        if waits.raw or waits.busy:
            waits.settle()
        counts, seconds, gets = waits.counts, waits.sorted_seconds + waits.briefly, ledger.countdown_end
        gets -= ledger.countdown
        state = gets, ledger.landing_get, counts and counts[:], seconds, waits.busy, len(waits.raw)
        if not state[4]:
            break
    return _landed(waits, *state)


def residence_of(ledger: QueueLedger) -> HistogramReading:
    residence = ledger.residence
    if residence is None:
        return ledger.put_waits.reading(None, 0.0, 0)
    if residence.raw or residence.busy:
        residence.settle()
    counts = residence.counts
    return residence.reading(counts and counts[:], residence.sorted_seconds, 0)


def _landed(
    waits: Durations, count: int, landing: int, counts: list[int] | None, total: float, _busy: bool, late: int
) -> tuple[int, HistogramReading]:
    """The operations whose wait is in the histogram already, and that histogram with the zero waits.

    One that is counted but whose wait is not yet sorted in belongs to the next reading: so the count and the
    histogram always agree, and neither goes back.
    """
    count -= late + (count > landing)
    sorted_in = sum(counts) if counts else 0
    return count, waits.reading(counts, total, max(0, count - sorted_in))
