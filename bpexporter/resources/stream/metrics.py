"""The reading of a stream, and the metrics that are made of it."""

from __future__ import annotations

from typing import NamedTuple

from bpexporter.primitives.histogram import HistogramReading
from bpexporter.primitives.public import public
from bpexporter.resources.declaration import Metric, declaring


@public
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
    blocked_writers: int | None
    """Writers with a `drain()` that waits now; ``None`` for transports, which have none."""
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


_stream = declaring("stream", "backpressure_stream_", label="stream")

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
        "blocked_writers", "gauge", "writers", "blocked_writers", "Writers with a drain() that waits now.",
        "Held up right now; look at the peers of these connections.",
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
        "Growing second by second: the peer takes nothing.", merge="max", ages=True,
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
