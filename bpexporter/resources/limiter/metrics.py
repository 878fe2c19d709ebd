"""The reading of a limiter, and the metrics that are made of it."""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.primitives.histogram import HistogramReading
from bpexporter.primitives.public import public
from bpexporter.resources.declaration import Metric, declaring


@public
class LimiterReading(NamedTuple):
    """One limiter, or the limiters of one name, at one moment. ``None`` is what is not known."""

    members: int
    """Live limiters."""
    capacity_permits: float | None
    """Sum of the permits."""
    in_use_permits: float | None
    """Permits that are held."""
    waiting_work: int | None
    """Work that was submitted and has not begun; ``None`` for what is no executor."""
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
    refused_acquires: tuple[int] | None
    """Acquires given up: cancelled."""
    requested: int = 1
    """0 where nobody has asked for the name: it was found."""


_limiter = declaring("limiter", "backpressure_limiter_", label="limiter")

LIMITER_METRICS: tuple[Metric, ...] = (
    _limiter(
        "members", "gauge", "limiters", "members", "Live limiters of this name.",
        "Growing without end: limiters are made and never dropped.",
    ),
    _limiter(
        "capacity_permits", "gauge", "permits", "capacity_permits", "Sum of the permits.",
        "Changes only with members; a release too many makes a plain semaphore larger.",
    ),
    _limiter(
        "in_use_permits", "gauge", "permits", "in_use_permits", "Permits that are held.",
        "More work at once, or work that takes longer.",
    ),
    _limiter(
        "waiting_work_items", "gauge", "items", "waiting_work", "Work submitted to executors that has not begun.",
        "More is submitted than the workers do; nobody is held up until somebody awaits it.",
    ),
    _limiter(
        "utilization_ratio", "gauge", "ratio", "utilization_ratio", "Highest in use divided by capacity, 0 to 1.",
        "At 0.8 and over the limiter is saturated; at 1 the next acquire waits.", merge="max",
    ),
    _limiter(
        "peak_utilization_ratio", "gauge", "ratio", "peak_utilization_ratio",
        "Highest utilisation reached in the last 60 s, whoever scrapes and how often.",
        "Far above the present utilisation: bursts that a scrape does not see.", merge="max",
    ),
    _limiter(
        "acquire_wait_seconds", "histogram", "seconds", "acquire_wait_seconds",
        "How long each acquire that got a permit had waited; 0 when one was free.",
        "Tasks are held up: permits are held too long, or there are too few.", needs_wait="blocked_acquires",
    ),
    _limiter(
        "blocked_acquires_total", "counter", "acquires", "blocked_acquires",
        "Acquires that had to wait, counted when the wait begins.", "No permit is free more often.",
    ),
    _limiter(
        "acquire_blocked_seconds_total", "counter", "seconds", "acquire_blocked_seconds",
        "Task-seconds blocked, those still blocked included.", "Its rate is the mean number of blocked tasks.",
    ),
    _limiter(
        "stalled_seconds_total", "counter", "seconds", "stalled_seconds",
        "Wall seconds with at least one blocked task, the present stall included.",
        "Its rate is the share of time in which somebody was held up.",
    ),
    _limiter(
        "waiting_tasks", "gauge", "tasks", "waiting_tasks", "Tasks that wait for a permit now.",
        "Held up right now; look at what the holders of the permits do.",
    ),
    _limiter(
        "longest_block_seconds", "gauge", "seconds", "longest_block_seconds",
        "Age of the oldest acquire that is still blocked; 0 when none is.",
        "Growing second by second: no permit comes back.", merge="max", ages=True,
    ),
    _limiter(
        "refused_acquires_total", "counter", "acquires", "refused_acquires",
        "Acquires given up: cancelled, time-outs included.", "Work is being lost or shed.",
        split="reason", parts=("cancelled",),
    ),
)  # fmt: skip
