"""Every metric, declared once: its name, what it counts, what it means, how it is read and merged.

Floor 2. No metric name is written anywhere else in the package: exposition, the table in the docs, dashboards
and rules are made from this file or checked against it. A metric is added by one declaration here, a field of
the reading that it is read from, and a panel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bpexporter.clocks import BANDS
from bpexporter.ledgers.readings import LimiterReading, LoopReading, QueueReading, StreamReading

Kind = Literal["gauge", "counter", "histogram"]
Merge = Literal["sum", "max", "min"]


class ItselfReading(NamedTuple):
    """The exporter, at one moment."""

    build_info: tuple[int, ...]
    """1 for the version that runs."""
    collect_seconds: float
    """Seconds that the reading of all ledgers took."""
    collect_errors: int
    """Errors of our own that were swallowed in this process."""
    watched_objects: tuple[int, ...]
    """Live watched objects by kind, in the order of `RESOURCES`."""
    folded_names: tuple[int, ...]
    """Objects whose name was folded into ``__other__``, by kind."""


RESOURCES = ("queue", "stream", "limiter", "loop")
READINGS: dict[str, type[Any]] = {
    "queue": QueueReading,
    "stream": StreamReading,
    "limiter": LimiterReading,
    "loop": LoopReading,
    "itself": ItselfReading,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One declaration.

    `field` names the attribute of the subject's reading. `split` is a second label with the values `parts`;
    the field is then a tuple in that order. `merge` says how readings of several members, or of several
    processes, become one.
    """

    name: str
    kind: Kind
    unit: str
    subject: str
    field: str
    help: str
    meaning: str
    merge: Merge = "sum"
    split: str = ""
    parts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The label that carries the resource's name; empty for metrics of the exporter itself."""
        return "" if self.subject == "itself" else self.subject

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, in the order of exposition, without a histogram's ``le``."""
        return tuple(label for label in (self.label, self.split) if label)

    @property
    def family(self) -> str:
        """The name of the family: without ``_total``."""
        return self.name.removesuffix("_total")


def _declare(subject: str, prefix: str) -> Callable[..., Metric]:
    def declare(name: str, kind: Kind, unit: str, field: str, help: str, meaning: str, **more: Any) -> Metric:
        return Metric(
            name=prefix + name,
            kind=kind,
            unit=unit,
            subject=subject,
            field=field,
            help=help,
            meaning=meaning,
            **more,
        )

    return declare


_queue = _declare("queue", "backpressure_queue_")
_stream = _declare("stream", "backpressure_stream_")
_limiter = _declare("limiter", "backpressure_limiter_")
_loop = _declare("loop", "backpressure_loop_")
_itself = _declare("itself", "bpexporter_")

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
        "Producers are held up: the consumers of this queue are too slow.",
    ),
    _queue(
        "blocked_puts_total", "counter", "puts", "blocked_puts", "Puts that had to wait, counted when the wait begins.",
        "The queue is full more often.",
    ),
    _queue(
        "put_blocked_seconds_total", "counter", "seconds", "put_blocked_seconds",
        "Producer-seconds blocked, those still blocked included.",
        "Its rate is the mean number of blocked producers.",
    ),
    _queue(
        "stalled_seconds_total", "counter", "seconds", "stalled_seconds",
        "Wall seconds with at least one blocked producer, the present stall included.",
        "Its rate is the share of time in which somebody was held up, as the some line of Linux PSI.",
    ),
    _queue(
        "blocked_producers", "gauge", "producers", "blocked_producers", "Producers blocked now.",
        "Held up right now; look downstream for the cause.",
    ),
    _queue(
        "longest_block_seconds", "gauge", "seconds", "longest_block_seconds",
        "Age of the oldest put that is still blocked; 0 when none is.",
        "Growing second by second: nothing leaves the queue.", merge="max",
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
        "Spare capacity; 0 with a full queue: all consumers are busy or gone.",
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
        "Growing second by second: an item is left lying.", merge="max",
    ),
    _queue(
        "unfinished_tasks", "gauge", "items", "unfinished_tasks", "Items put and not yet task_done().",
        "Above the depth: in work. Growing for ever: task_done() is not called, join() would never end.",
    ),
)  # fmt: skip

STREAM_METRICS: tuple[Metric, ...] = (
    _stream(
        "open_writers", "gauge", "writers", "open_writers", "Writers that are open.",
        "Growing without end: connections are made and never closed.",
    ),
    _stream(
        "paused_writers", "gauge", "writers", "paused_writers", "Writers over their high-water mark now.",
        "Peers read more slowly than the application writes.",
    ),
    _stream(
        "buffered_bytes", "gauge", "bytes", "buffered_bytes", "Bytes in asyncio's write buffers.",
        "What the kernel does not take; memory of the application.",
    ),
    _stream(
        "buffer_limit_bytes", "gauge", "bytes", "buffer_limit_bytes", "Sum of the high-water marks.",
        "Changes only with writers or configuration.",
    ),
    _stream(
        "utilization_ratio", "gauge", "ratio", "utilization_ratio",
        "Worst writer's buffer divided by its high-water mark.",
        "Over 1 after one large write is normal; to stay there while unheeded writes grow is not.", merge="max",
    ),
    _stream(
        "peak_utilization_ratio", "gauge", "ratio", "peak_utilization_ratio",
        "Highest buffer divided by high-water mark of the last 60 s, whoever scrapes and how often.",
        "Far above the present utilisation: bursts that a scrape does not see.", merge="max",
    ),
    _stream(
        "drain_seconds", "histogram", "seconds", "drain_seconds", "Time in each completed drain().",
        "Writers are held up: the peer, or the way to it, is too slow.",
    ),
    _stream(
        "blocked_drains_total", "counter", "drains", "blocked_drains",
        "Drains that had to wait, counted when the wait begins.", "The buffer is over its mark more often.",
    ),
    _stream(
        "drain_blocked_seconds_total", "counter", "seconds", "drain_blocked_seconds",
        "Writer-seconds blocked in drain(), present ones included.",
        "Its rate is the mean number of blocked writers.",
    ),
    _stream(
        "stalled_seconds_total", "counter", "seconds", "stalled_seconds",
        "Wall seconds with at least one blocked writer, the present stall included.",
        "Its rate is the share of time in which somebody was held up.",
    ),
    _stream(
        "longest_block_seconds", "gauge", "seconds", "longest_block_seconds",
        "Age of the oldest drain that is still blocked; 0 when none is.",
        "Growing second by second: the peer takes nothing.", merge="max",
    ),
    _stream(
        "paused_seconds_total", "counter", "seconds", "paused_seconds",
        "Writer-seconds over the high-water mark, whether or not anybody drains.",
        "Peers are slow; compare with the time blocked in drain(), which is the part that was heeded.",
    ),
    _stream(
        "written_bytes_total", "counter", "bytes", "written_bytes", "Bytes handed to write() and writelines().",
        "Its rate is the throughput that the application asks for.",
    ),
    _stream(
        "unheeded_writes_total", "counter", "writes", "unheeded_writes", "Writes while paused: backpressure ignored.",
        "Somebody writes without drain(): memory is the only limit.",
    ),
    _stream(
        "unheeded_bytes_total", "counter", "bytes", "unheeded_bytes", "Bytes written while paused.",
        "How much of the buffer nobody has asked leave for.",
    ),
    _stream(
        "kernel_unsent_bytes", "gauge", "bytes", "kernel_unsent_bytes",
        "Bytes in the kernel that the peer has not yet taken (Linux TCP).",
        "A backlog that asyncio does not see; drain() returns at once while it grows.",
    ),
    _stream(
        "tcp_busy_seconds_total", "counter", "seconds", "tcp_busy_seconds",
        "Seconds in which TCP had something to send (Linux).", "Its rate is the mean number of sending writers.",
    ),
    _stream(
        "tcp_limited_seconds_total", "counter", "seconds", "tcp_limited_seconds",
        "Of the sending time, that limited by the peer's window (receiver) or by the send buffer (send_buffer).",
        "receiver: the peer does not read. send_buffer: the kernel's buffer is too small for the way.",
        split="cause", parts=("receiver", "send_buffer"),
    ),
)  # fmt: skip

LIMITER_METRICS: tuple[Metric, ...] = (
    _limiter(
        "members", "gauge", "limiters", "members", "Live semaphores of this name.",
        "Growing without end: semaphores are made and never dropped.",
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
        "Tasks are held up: permits are held too long, or there are too few.",
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
        "Growing second by second: no permit comes back.", merge="max",
    ),
    _limiter(
        "refused_acquires_total", "counter", "acquires", "refused_acquires",
        "Acquires given up: cancelled, time-outs included.", "Work is being lost or shed.",
        split="reason", parts=("cancelled",),
    ),
)  # fmt: skip

LOOP_METRICS: tuple[Metric, ...] = (
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

ITSELF_METRICS: tuple[Metric, ...] = (
    _itself(
        "build_info", "gauge", "", "build_info", "1, with the version of bpexporter as a label.",
        "Does not grow.", merge="max", split="version", parts=("0.1.0",),
    ),
    _itself(
        "collect_seconds", "gauge", "seconds", "collect_seconds", "Time that the reading of all ledgers took.",
        "More is watched, or the machine is busy.", merge="max",
    ),
    _itself(
        "collect_errors_total", "counter", "errors", "collect_errors",
        "Errors of bpexporter's own, swallowed so that the application does not see them.",
        "Readings may be missing: the log says why.",
    ),
    _itself(
        "watched_objects", "gauge", "objects", "watched_objects", "Live watched objects by kind.",
        "Growing without end: objects are made and never dropped.", split="kind", parts=RESOURCES,
    ),
    _itself(
        "folded_names_total", "counter", "objects", "folded_names",
        "Objects counted under __other__ because there were too many names.",
        "A name is made from something unbounded, such as a connection or a user.",
        split="kind", parts=RESOURCES,
    ),
)  # fmt: skip

METRICS: tuple[Metric, ...] = QUEUE_METRICS + STREAM_METRICS + LIMITER_METRICS + LOOP_METRICS + ITSELF_METRICS


def metrics_of(subject: str) -> tuple[Metric, ...]:
    """The metrics that are read from the readings of `subject`."""
    return tuple(metric for metric in METRICS if metric.subject == subject)
