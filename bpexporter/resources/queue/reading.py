"""A reading of a queue's ledger.

May be called from any thread, while another feeds the ledger: what must agree is copied in straight
lines, and asked for again where the feeding path was sorting meanwhile.
"""

from __future__ import annotations

from bpexporter.primitives.histogram import Durations, HistogramReading
from bpexporter.primitives.limits import DEEP, INFINITY
from bpexporter.primitives.numbers import share
from bpexporter.primitives.peaks import PEAK_WINDOW
from bpexporter.primitives.stall_clock import Waiting
from bpexporter.resources.queue.ages import oldest_age
from bpexporter.resources.queue.ledger import QueueLedger
from bpexporter.resources.queue.levels import Levels
from bpexporter.resources.queue.metrics import QueueReading

GONE: dict[str, object] = {
    "members": 0,
    "unbounded_members": 0,
    "capacity_items": None,
    "depth_items": 0,
    "utilization_ratio": None,
    "peak_utilization_ratio": None,
    "blocked_producers": 0,
    "longest_block_seconds": 0.0,
    "idle_consumers": 0,
    "oldest_item_age_seconds": 0.0,
    "unfinished_tasks": 0,
}


def read(ledger: QueueLedger, levels: Levels | None, now: float) -> QueueReading:
    """A reading at `now`; `levels` is ``None`` for a queue that is gone or no longer watched."""
    # The next put or get dates the peak: whatever comes after is newer than this reading.
    ledger.band_floor = ledger.fast_get_min = ledger.falling_depth = DEEP
    if levels is not None:
        ledger.observe(levels.depth, levels.capacity, now)
    puts, put_waits = landed_puts(ledger)
    gets, get_waits = landed_gets(ledger)
    producers, idle = ledger.producers.read(now), ledger.idle.read(now)
    refused = (ledger.refused_full, ledger.refused_cancelled, ledger.refused_shutdown)
    totals = {
        "occupancy_seconds": ledger.occupancy(now),
        "put_wait_seconds": put_waits,
        "blocked_puts": producers.begun,
        "put_blocked_seconds": producers.caller_seconds,
        "stalled_seconds": producers.stalled_seconds,
        "get_wait_seconds": get_waits,
        "get_idle_seconds": idle.caller_seconds,
        "puts": puts,
        "gets": gets,
        "refused_puts": refused,
        "residence_seconds": residence_of(ledger),
    }
    present = GONE if levels is None else _present(ledger, levels, producers, idle, now)
    return QueueReading(**totals, **present)  # type: ignore[arg-type]


def _present(ledger: QueueLedger, levels: Levels, producers: Waiting, idle: Waiting, now: float) -> dict[str, object]:
    depth, capacity = levels.depth, levels.capacity
    limit = capacity if capacity is not None and 0 < capacity < INFINITY else None
    peak = max(depth, ledger.peaks.read(now), left_before(ledger, depth, now))
    return {
        "members": 1,
        "unbounded_members": int(limit is None and capacity is not None),
        "capacity_items": limit,
        "depth_items": depth,
        "utilization_ratio": share(depth, limit) if limit is not None else None,
        "peak_utilization_ratio": share(peak, limit) if limit is not None else None,
        "blocked_producers": producers.callers,
        "longest_block_seconds": producers.longest,
        "idle_consumers": idle.callers,
        "oldest_item_age_seconds": oldest_age(ledger, levels, now),
        "unfinished_tasks": levels.unfinished,
    }


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
    for _ in range(100):
        waits.settle()
        counts, seconds = waits.counts, waits.sorted_seconds + waits.briefly
        state = (ledger.puts, ledger.landing_put, counts and counts[:], seconds, waits.busy, len(waits.raw))
        if not state[4]:
            break
    return _landed(waits, *state)


def landed_gets(ledger: QueueLedger) -> tuple[int, HistogramReading]:
    waits = ledger.get_waits
    for _ in range(100):
        waits.settle()
        counts, seconds = waits.counts, waits.sorted_seconds + waits.briefly
        state = (ledger.gets, ledger.landing_get, counts and counts[:], seconds, waits.busy, len(waits.raw))
        if not state[4]:
            break
    return _landed(waits, *state)


def residence_of(ledger: QueueLedger) -> HistogramReading:
    residence = ledger.residence
    if residence is None:
        return ledger.put_waits.reading(None, 0.0, 0)
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
