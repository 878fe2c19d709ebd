"""Readings: frozen copies of ledgers, one field for each metric. ``None`` is what is not known.

Floor 1. How readings of members that share a name are merged is declared in the catalogue.
"""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.histogram import HistogramReading


class QueueReading(NamedTuple):
    """One queue, or the queues of one name, at one moment. ``None`` is what is not known."""

    members: int
    """Live queues."""
    unbounded_members: int
    """Live queues without a `maxsize`."""
    capacity_items: float | None
    """Sum of `maxsize` over the bounded members."""
    depth_items: int | None
    """Items waiting."""
    utilization_ratio: float | None
    """Highest depth/maxsize of the bounded members."""
    peak_utilization_ratio: float | None
    """Highest depth/maxsize of the last 60 s."""
    occupancy_seconds: tuple[float, ...]
    """Seconds in each band: empty, low, mid, high, full."""
    put_wait_seconds: HistogramReading
    """Seconds that each item which went in had waited for room."""
    blocked_puts: int
    """Puts that had to wait."""
    put_blocked_seconds: float
    """Producer-seconds blocked, those still blocked included."""
    stalled_seconds: float
    """Wall seconds with a blocked producer, the present stall included."""
    blocked_producers: int
    """Producers blocked now."""
    longest_block_seconds: float
    """Age in seconds of the oldest put that is still blocked."""
    get_wait_seconds: HistogramReading
    """Seconds that each get which got something had waited."""
    get_idle_seconds: float
    """Consumer-seconds idle, those still waiting included."""
    idle_consumers: int
    """Consumers waiting now."""
    puts: int
    """Items in."""
    gets: int
    """Items out."""
    refused_puts: tuple[int, int, int]
    """Puts refused: full, cancelled, shutdown."""
    residence_seconds: HistogramReading
    """Put-to-get seconds of tracer items."""
    oldest_item_age_seconds: float
    """Seconds that the item longest known to be waiting has waited, a lower bound."""
    unfinished_tasks: int | None
    """Items put and not yet done."""


class LoopReading(NamedTuple):
    """One event loop, or the loops of one name, at one moment."""

    lag_seconds: HistogramReading
    """Seconds that a timer of the loop ran late, every 0.1 to 0.5 s."""
    stalled_seconds: float
    """Seconds that timers ran late in all, over 2 ms each; the present stall included."""
    tasks: int
    """Tasks of the loop that are not done."""
