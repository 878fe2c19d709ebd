"""The reading of a queue, and the metrics that are made of it."""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.primitives.bands import BANDS
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.primitives.public import public
from bpexporter.resources.declaration import Metric, declaring


@public
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
    requested: int = 1
    """0 where nobody has asked for the name: it was found."""


_queue = declaring("queue", "backpressure_queue_", label="queue")

QUEUE_METRICS: tuple[Metric, ...] = (
    _queue(
        "members", "gauge", "queues", "members", "Live queues of this name.",
        "Growing without end: queues are made and never dropped.",
    ),
    _queue(
        "unbounded_members", "gauge", "queues", "unbounded_members", "Live queues of this name with no maxsize.",
        "Above 0: nothing holds producers back, so memory is the only limit.",
    ),
    _queue(
        "capacity_items", "gauge", "items", "capacity_items", "Sum of the maxsize of the bounded queues.",
        "Changes only with members or configuration.",
    ),
    _queue(
        "depth_items", "gauge", "items", "depth_items", "Items waiting.",
        "Consumers take out less than producers put in.",
    ),
    _queue(
        "utilization_ratio", "gauge", "ratio", "utilization_ratio",
        "Highest depth divided by maxsize of the bounded queues, 0 to 1.",
        "At 0.8 and over the queue is saturated; at 1 the next put waits.", merge="max",
    ),
    _queue(
        "peak_utilization_ratio", "gauge", "ratio", "peak_utilization_ratio",
        "Highest utilisation reached in the last 60 s, whoever scrapes and how often.",
        "Far above the present utilisation: bursts that a scrape does not see.", merge="max",
    ),
    _queue(
        "occupancy_seconds_total", "counter", "seconds", "occupancy_seconds",
        "Exact time with the depth in a band: empty, low (under 0.5), mid (under 0.8), high (under 1), full.",
        "The rate of a band is the share of time spent in it, whatever the scrape interval.",
        split="band", parts=BANDS,
    ),
    _queue(
        "put_wait_seconds", "histogram", "seconds", "put_wait_seconds",
        "How long each item that went in had waited for room; 0 when there was some.",
        "Producers are held up: the consumers of this queue are too slow.", needs_bound=True, needs_wait="blocked_puts",
    ),
    _queue(
        "blocked_puts_total", "counter", "puts", "blocked_puts", "Puts that had to wait, counted when the wait begins.",
        "The queue is full more often.", needs_bound=True,
    ),
    _queue(
        "put_blocked_seconds_total", "counter", "seconds", "put_blocked_seconds",
        "Producer-seconds blocked, those still blocked included.",
        "Its rate is the mean number of blocked producers.", needs_bound=True,
    ),
    _queue(
        "stalled_seconds_total", "counter", "seconds", "stalled_seconds",
        "Wall seconds with at least one blocked producer, the present stall included.",
        "Its rate is the share of time in which somebody was held up, as the some line of Linux PSI.", needs_bound=True,
    ),
    _queue(
        "blocked_producers", "gauge", "producers", "blocked_producers", "Producers blocked now.",
        "Held up right now; look downstream for the cause.", needs_bound=True,
    ),
    _queue(
        "longest_block_seconds", "gauge", "seconds", "longest_block_seconds",
        "Age of the oldest put that is still blocked; 0 when none is.",
        "Growing second by second: nothing leaves the queue.", merge="max", ages=True, needs_bound=True,
    ),
    _queue(
        "get_wait_seconds", "histogram", "seconds", "get_wait_seconds",
        "How long each get that got something had waited; 0 when there was something.",
        "Consumers starve: the cause is upstream.",
    ),
    _queue(
        "get_idle_seconds_total", "counter", "seconds", "get_idle_seconds",
        "Consumer-seconds idle, those still waiting included.",
        "Its rate is the mean number of idle consumers: spare capacity.",
    ),
    _queue(
        "idle_consumers", "gauge", "consumers", "idle_consumers", "Consumers waiting for an item now.",
        "Spare capacity; 0 with a full queue: all consumers are busy or gone. Of a queue that hands out what is given "
        "back, such as connections, they are held up: watch it with pool=True.",
    ),
    _queue("puts_total", "counter", "items", "puts", "Items in.", "Its rate is the arrival rate."),
    _queue("gets_total", "counter", "items", "gets", "Items out.", "Its rate is the throughput; 0 while full: stuck."),
    _queue(
        "refused_puts_total", "counter", "puts", "refused_puts",
        "Puts refused: full (put_nowait), cancelled (a blocked put given up, time-outs included), shutdown.",
        "Work is being lost or shed.", split="reason", parts=("full", "cancelled", "shutdown"),
    ),
    _queue(
        "residence_seconds", "histogram", "seconds", "residence_seconds",
        "Put-to-get time of tracer items, a sample of all items.",
        "Items are older when they are worked on.",
    ),
    _queue(
        "oldest_item_age_seconds", "gauge", "seconds", "oldest_item_age_seconds",
        "Age of the item longest known to be waiting, a lower bound.",
        "Growing second by second: an item is left lying.", merge="max", ages=True,
    ),
    _queue(
        "unfinished_tasks", "gauge", "items", "unfinished_tasks", "Items put and not yet task_done().",
        "Above the depth: in work. Growing for ever: task_done() is not called, join() would never end.",
    ),
)  # fmt: skip
