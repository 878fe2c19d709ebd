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


class StreamReading(NamedTuple):
    """One stream writer or transport, or those of one name, at one moment. ``None`` is what is not known."""

    open_writers: int
    """Live writers that are not closing."""
    paused_writers: int
    """Writers over their high-water mark now."""
    buffered_bytes: int | None
    """Bytes in asyncio's write buffers."""
    buffer_limit_bytes: int | None
    """Sum of the high-water marks."""
    utilization_ratio: float | None
    """Highest buffer/high-water mark."""
    peak_utilization_ratio: float | None
    """Highest buffer/high-water mark of the last 60 s."""
    drain_seconds: HistogramReading | None
    """Seconds in each completed `drain()`; ``None`` for transports, which have none."""
    blocked_drains: int | None
    """Drains that had to wait."""
    drain_blocked_seconds: float | None
    """Writer-seconds blocked in `drain()`, those still blocked included."""
    stalled_seconds: float | None
    """Wall seconds with a blocked writer, the present stall included; several members add up."""
    longest_block_seconds: float | None
    """Age in seconds of the oldest drain that is still blocked."""
    paused_seconds: float
    """Writer-seconds over the high-water mark, whether or not anybody drains."""
    written_bytes: int | None
    """Bytes handed to `write()` and `writelines()`."""
    unheeded_writes: int | None
    """Writes while paused."""
    unheeded_bytes: int | None
    """Bytes written while paused."""
    kernel_unsent_bytes: int | None
    """Bytes in the kernel that the peer has not yet taken."""
    tcp_busy_seconds: float | None
    """Seconds that TCP had something to send."""
    tcp_limited_seconds: tuple[float, float] | None
    """Of those, seconds limited by: receiver, send_buffer."""
    kernel_writers: int
    """Writers of which the kernel was asked for this reading; what it said of the others is older."""


class LimiterReading(NamedTuple):
    """One semaphore, or the semaphores of one name, at one moment. ``None`` is what is not known."""

    members: int
    """Live semaphores."""
    capacity_permits: int | None
    """Sum of the permits."""
    in_use_permits: int | None
    """Permits that are held."""
    utilization_ratio: float | None
    """Highest in use/capacity."""
    peak_utilization_ratio: float | None
    """Highest in use/capacity of the last 60 s."""
    acquire_wait_seconds: HistogramReading
    """Seconds that each acquire which got a permit had waited."""
    blocked_acquires: int
    """Acquires that had to wait."""
    acquire_blocked_seconds: float
    """Task-seconds blocked, those still blocked included."""
    stalled_seconds: float
    """Wall seconds with a blocked task, the present stall included."""
    waiting_tasks: int
    """Tasks that wait for a permit now."""
    longest_block_seconds: float
    """Age in seconds of the oldest acquire that is still blocked."""
    refused_acquires: tuple[int]
    """Acquires given up: cancelled."""


class LoopReading(NamedTuple):
    """One event loop, or the loops of one name, at one moment."""

    lag_seconds: HistogramReading
    """Seconds that a timer of the loop ran late, every 0.1 to 0.5 s."""
    stalled_seconds: float
    """Seconds that timers ran late in all, over 2 ms each; the present stall included."""
    tasks: int
    """Tasks of the loop that are not done."""
