"""The reading of a loop, and the metrics that are made of it."""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.primitives.histogram import HistogramReading
from bpexporter.primitives.public import public
from bpexporter.resources.declaration import Metric, declaring


@public
class LoopReading(NamedTuple):
    """One event loop, or the loops of one name, at one moment."""

    members: int
    """Live loops."""
    busy_seconds: float
    """Seconds in which the loop did not wait in its selector, the present step included."""
    busy_ratio: float | None
    """Share of the last 10 s in which the busiest loop was busy."""
    lag_seconds: HistogramReading
    """Seconds that a timer of the loop ran late, every 0.1 to 0.5 s."""
    stalled_seconds: float
    """Seconds that timers ran late in all, over 2 ms each; the present stall included."""
    tasks: int
    """Tasks of the loop that are not done."""


_loop = declaring("loop", "backpressure_loop_", label="loop")

LOOP_METRICS: tuple[Metric, ...] = (
    _loop(
        "members", "gauge", "loops", "members", "Live event loops of this name.",
        "More than one: their seconds add up. Growing without end: loops are made and never closed.",
    ),
    _loop(
        "busy_seconds_total", "counter", "seconds", "busy_seconds",
        "Seconds in which the loop did not wait for events, the present step included; of uvloop's a lower bound.",
        "Its rate is the share of time in which the loop worked; near 1 it can take no more, however brief its steps.",
    ),
    _loop(
        "busy_ratio", "gauge", "ratio", "busy_ratio",
        "Share of about the last 10 s in which the busiest loop of this name was busy, 0 to 1.",
        "Near 1 one loop of the name can take no more, though the mean over all of them is low.", merge="max",
    ),
    _loop(
        "lag_seconds", "histogram", "seconds", "lag_seconds",
        "How late the loop ran a timer, asked for every 0.1 to 0.5 s.",
        "Something holds the loop: a callback that does not give way, a busy machine, or the GIL.",
    ),
    _loop(
        "stalled_seconds_total", "counter", "seconds", "stalled_seconds",
        "Seconds that the loop was late, over 2 ms each time, the present stall included.",
        "Its rate is the share of time in which the loop was stuck; nothing of the program ran.",
    ),
    _loop(
        "tasks", "gauge", "tasks", "tasks", "Tasks of the loop that are not done.",
        "Growing without end: tasks are made faster than they end, or they hang.",
    ),
)  # fmt: skip
