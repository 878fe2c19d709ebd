"""The detail dashboard's rows for a stream and for a limiter."""

from __future__ import annotations

from grafana.source.panels import (
    ANY,
    BAD,
    DRAWN,
    FAIR,
    GOOD,
    NEUTRAL,
    OVER_AREA,
    PRESSURE,
    RATE,
    SHORT_LEGEND,
    STACKED,
    UTILIZATION,
    UTILIZATION_AREA,
    Panel,
    Query,
    heatmap,
    lines,
    quantiles,
    row,
    some,
    stat,
    steps,
)

HERE = "{{instance}}"
LONG = steps((GOOD, None), (FAIR, 1), (BAD, 60))
OVER = steps((GOOD, None), (FAIR, 1))


def stream() -> list[Panel]:
    """Everything about one stream."""
    small = {"width": 4, "height": 4}
    return [
        row("Stream $stream"),
        stat(
            "Open writers",
            [Query("sum({stream.open_writers})")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="Growing without end: connections are made and never closed.",
        ),
        stat(
            "Paused writers, and those held up",
            [Query("sum({stream.paused_writers})", "paused"), Query("sum({stream.blocked_writers})", "held up")],
            unit="short",
            limits=ANY,
            **small,
            do="Over their mark now. Whoever drains them waits.",
        ),
        stat(
            "Worst buffer",
            [Query("max({stream.utilization_ratio})")],
            unit="percentunit",
            limits=OVER,
            **small,
            do="Over 100 %: paused.",
        ),
        stat(
            "Longest drain now",
            [Query("max({stream.longest_block_seconds})")],
            unit="s",
            limits=LONG,
            **small,
            do="Growing second by second: the peer takes nothing.",
        ),
        stat(
            "In asyncio's buffers",
            [Query("sum({stream.buffered_bytes})", "buffered"), Query("sum({stream.buffer_limit_bytes})", "limit")],
            unit="bytes",
            limits=NEUTRAL,
            **small,
            do="Over the limit: somebody does not wait.",
        ),
        stat(
            "Unsent in the kernel",
            [Query("sum({stream.kernel_unsent_bytes})")],
            unit="bytes",
            limits=NEUTRAL,
            **small,
            do="A backlog that the program does not see. No number: not TCP, or not Linux.",
        ),
        lines(
            "Buffer and its peak",
            [Query("{stream.utilization_ratio}", HERE), Query("{stream.peak_utilization_ratio}", f"peak {HERE}")],
            unit="percentunit",
            limits=OVER_AREA,
            custom=DRAWN,
            do="Over 100 % the worst writer is paused.",
        ),
        lines(
            "Pressure, and writers held up",
            [
                Query(some("stream"), f"pressure {HERE}"),
                Query(f"rate({{stream.drain_blocked_seconds_total}}{RATE})", f"writers in drain() {HERE}"),
                Query(f"rate({{stream.paused_seconds_total}}{RATE})", f"writers paused {HERE}"),
            ],
            unit="short",
            limits=PRESSURE,
            do="Paused far above blocked: somebody writes without waiting. Both high: the peer is slow.",
        ),
        heatmap("How long drain() takes", "{stream.drain_seconds.bucket}", do="The lowest band did not wait."),
        quantiles(
            "Time in drain(), quantiles",
            "{stream.drain_seconds.bucket}",
            do="The time that the peer adds to what the writer does.",
        ),
        lines(
            "Written, and written while paused",
            [
                Query(f"sum(rate({{stream.written_bytes_total}}{RATE}))", "written"),
                Query(f"sum(rate({{stream.unheeded_bytes_total}}{RATE}))", "unheeded"),
            ],
            unit="Bps",
            width=8,
            legend=SHORT_LEGEND,
            do="Unheeded is backpressure ignored: await drain() after each write.",
        ),
        lines(
            "Drains blocked, writes unheeded",
            [
                Query(f"sum(rate({{stream.blocked_drains_total}}{RATE}))", "drains that waited"),
                Query(f"sum(rate({{stream.unheeded_writes_total}}{RATE}))", "writes while paused"),
            ],
            unit="cps",
            width=8,
            legend=SHORT_LEGEND,
            do="The first is backpressure heeded, the second ignored.",
        ),
        lines(
            "Unsent bytes",
            [Query("sum({stream.buffered_bytes})", "asyncio"), Query("sum({stream.kernel_unsent_bytes})", "kernel")],
            unit="bytes",
            width=8,
            custom=STACKED,
            legend=SHORT_LEGEND,
            do="The kernel fills first, asyncio's buffer after it: by then the peer has been slow for a while.",
        ),
        lines(
            "What TCP waits for",
            [
                Query(f"sum(rate({{stream.tcp_busy_seconds_total}}{RATE}))", "sending"),
                Query(f"sum by (cause) (rate({{stream.tcp_limited_seconds_total}}{RATE}))", "limited by {{cause}}"),
            ],
            unit="short",
            width=24,
            legend=SHORT_LEGEND,
            do="Mean number of writers with something to send, and of those the ones held up by the peer's window "
            "(receiver) or by the kernel's buffer (send_buffer). The rest is the network.",
        ),
    ]


def limiter() -> list[Panel]:
    """Everything about one limiter."""
    small = {"width": 4, "height": 4}
    return [
        row("Limiter $limiter"),
        stat(
            "Permits in use",
            [Query("sum({limiter.in_use_permits})")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="Compare with the number of permits beside it.",
        ),
        stat(
            "Permits",
            [Query("sum({limiter.capacity_permits})", "permits"), Query("sum({limiter.members})", "limiters")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="More than was configured: somebody releases too often; a BoundedSemaphore would tell who.",
        ),
        stat(
            "Utilisation",
            [Query("max({limiter.utilization_ratio})")],
            unit="percentunit",
            limits=UTILIZATION,
            **small,
            do="At 100 % the next task waits.",
        ),
        stat(
            "Waiting tasks",
            [Query("sum({limiter.waiting_tasks})")],
            unit="short",
            limits=ANY,
            **small,
            do="Held up right now. Look at what the holders of the permits do.",
        ),
        stat(
            "Longest wait now",
            [Query("max({limiter.longest_block_seconds})")],
            unit="s",
            limits=LONG,
            **small,
            do="Growing second by second: no permit comes back.",
        ),
        stat(
            "Acquires",
            [Query(f"sum(rate({{limiter.acquire_wait_seconds.count}}{RATE}))")],
            unit="cps",
            limits=NEUTRAL,
            **small,
            do="Lower than usual while tasks wait: permits are held for longer.",
        ),
        lines(
            "Utilisation and its peak",
            [Query("{limiter.utilization_ratio}", HERE), Query("{limiter.peak_utilization_ratio}", f"peak {HERE}")],
            unit="percentunit",
            max=1,
            limits=UTILIZATION_AREA,
            custom=DRAWN,
            do="At 100 % the next task waits.",
        ),
        lines(
            "Pressure",
            [Query(some("limiter"), HERE)],
            unit="percentunit",
            max=1,
            limits=PRESSURE,
            do="The share of the time with a task that waits for a permit.",
        ),
        heatmap("How long acquire takes", "{limiter.acquire_wait_seconds.bucket}", do="The lowest band did not wait."),
        quantiles(
            "Wait for a permit, quantiles",
            "{limiter.acquire_wait_seconds.bucket}",
            do="The time that the limiter adds to each piece of work.",
        ),
        lines(
            "Tasks held up",
            [
                Query(f"rate({{limiter.acquire_blocked_seconds_total}}{RATE})", f"mean {HERE}"),
                Query("{limiter.waiting_tasks}", f"at the scrape {HERE}"),
            ],
            unit="short",
            width=8,
            do="The mean is exact.",
        ),
        lines(
            "Acquires that had to wait",
            [Query(f"rate({{limiter.blocked_acquires_total}}{RATE})", HERE)],
            unit="cps",
            width=8,
            do="Many short waits: the limiter does its work. Few and long: see the quantiles.",
        ),
        lines(
            "Given up",
            [Query(f"sum by (reason) (rate({{limiter.refused_acquires_total}}{RATE}))", "{{reason}}")],
            unit="cps",
            width=8,
            limits=ANY,
            legend=SHORT_LEGEND,
            do="Cancelled or timed out: work is lost, unless it is tried again.",
        ),
    ]
