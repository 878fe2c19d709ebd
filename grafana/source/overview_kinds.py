"""The rows of the overview for streams, limiters, event loops and the exporter itself."""

from __future__ import annotations

from grafana.source import thresholds
from grafana.source.overview_queues import SHARE, by, legend, linked, pressure
from grafana.source.panels import (
    ANY,
    BAD,
    CLEAR,
    DRAWN,
    NEUTRAL,
    OVER_AREA,
    PRESSURE,
    RATE,
    SHORT_LEGEND,
    STACKED,
    UTILIZATION_AREA,
    Panel,
    Query,
    heatmap,
    lines,
    quantiles,
    row,
    stat,
    steps,
    worst,
)
from grafana.source.queries import some


def streams() -> list[Panel]:
    """Streams."""
    named, links = legend("stream"), linked("stream")
    limited = (
        f"sum by (job, stream, cause) (rate({{stream.tcp_limited_seconds_total}}{RATE}))\n"
        f"/ on (job, stream) group_left sum by (job, stream) (rate({{stream.tcp_busy_seconds_total}}{RATE}) > 0)"
    )
    return [
        row("Streams"),
        lines(
            "Write buffer of the worst writer",
            [Query(worst(by("stream", "{stream.utilization_ratio}")), named)],
            unit="percentunit",
            limits=OVER_AREA,
            custom=DRAWN,
            links=links,
            do="Over 100 % (dashed) the writer is paused. Over it for a moment after a large write is normal; to stay "
            "there while backpressure is ignored is not.",
        ),
        pressure(
            "stream",
            "a writer",
            "Somebody waits in drain(). Look at the panel of causes: the peer, the send buffer, or the network.",
        ),
        heatmap(
            "How long drain() takes",
            "{stream.drain_seconds.bucket}",
            do="The lowest band are drains that did not wait. Bands of seconds: peers take less than is written.",
        ),
        lines(
            "Unsent: in asyncio's buffers, and in the kernel",
            [
                Query(worst(by("stream", "{stream.buffered_bytes}", "sum")), f"asyncio {named}"),
                Query(worst(by("stream", "{stream.kernel_unsent_bytes}", "sum")), f"kernel {named}"),
            ],
            unit="bytes",
            links=links,
            do="The kernel's part grows first: drain() returns at once while it takes the bytes. A backlog there with "
            "an empty asyncio buffer is backpressure that the program has not felt yet.",
        ),
        lines(
            "Backpressure ignored",
            [Query(worst(by("stream", f"rate({{stream.unheeded_bytes_total}}{RATE})", "sum")), named)],
            unit="Bps",
            limits=ANY,
            links=links,
            do="Bytes written while the writer was paused. Await drain() after each write there; until then memory is "
            "the only limit.",
        ),
        lines(
            "What TCP waits for",
            [Query(worst(limited), f"{named} {{{{cause}}}}")],
            **SHARE,
            links=links,
            do="receiver: the peer does not read, so look at the peer. send_buffer: the kernel's buffer is too small "
            "for the way. Neither: the network. Shares of the time in which there was something to send.",
        ),
    ]


def limiters() -> list[Panel]:
    """Limiters."""
    named, links = legend("limiter"), linked("limiter")
    return [
        row("Limiters"),
        lines(
            "Permits in use",
            [Query(worst(by("limiter", "{limiter.utilization_ratio}")), named)],
            **SHARE,
            limits=UTILIZATION_AREA,
            custom=DRAWN,
            links=links,
            do="At 100 % the next task waits. That is what a limiter is for; look at the pressure beside it to see "
            "whether anybody does.",
        ),
        pressure(
            "limiter",
            "a task",
            "Half the time and more: too few permits, or what is done under a permit has become slow.",
        ),
        lines(
            "Tasks held up",
            [Query(worst(by("limiter", f"rate({{limiter.acquire_blocked_seconds_total}}{RATE})", "sum")), named)],
            unit="short",
            width=8,
            links=links,
            do="The mean number of tasks that wait for a permit.",
        ),
        heatmap(
            "How long acquire takes",
            "{limiter.acquire_wait_seconds.bucket}",
            width=12,
            do="The lowest band are acquires that did not wait.",
        ),
        lines(
            "Work that executors have not begun",
            [Query(worst(by("limiter", "{limiter.waiting_work_items}", "sum")), named)],
            unit="short",
            decimals=0,
            width=12,
            links=links,
            do="More is submitted than the workers do. Nobody is held up until somebody awaits it.",
        ),
        lines(
            "Acquires given up",
            [Query(worst(by("limiter", f"rate({{limiter.refused_acquires_total}}{RATE})", "sum")), named)],
            unit="cps",
            width=8,
            limits=ANY,
            links=links,
            do="Tasks that were cancelled or timed out while they waited. Work is lost, unless it is tried again.",
        ),
    ]


def loops() -> list[Panel]:
    """Event loops."""
    named = legend("loop")
    return [
        row("Event loops"),
        quantiles(
            "How late the loop is",
            "{loop.lag_seconds.bucket}",
            width=8,
            do="Milliseconds are well. Tenths of a second: a callback computes or blocks; every queue of the loop "
            "looks slow for it. Run with PYTHONASYNCIODEBUG=1 to have it named.",
        ),
        lines(
            "How busy the loop is",
            [
                Query(worst(by("loop", some("loop", RATE, "busy_seconds_total"))), named),
                Query(worst(by("loop", "{loop.busy_ratio}", "max")), named + " (busiest)"),
            ],
            **SHARE,
            width=8,
            limits=steps((CLEAR, None), (BAD, thresholds.BUSY.value)),
            custom=DRAWN,
            do="Near 1 the loop can take no more, however brief each of its steps is: move what computes to a thread "
            "or a process, or run more workers.",
        ),
        lines(
            "Time in which the loop was stuck",
            [Query(worst(by("loop", some("loop", RATE))), named)],
            **SHARE,
            width=8,
            limits=PRESSURE,
            do="Nothing of the program runs in that time, so first mend this, then look at queues.",
        ),
        lines(
            "Tasks",
            [Query(worst(by("loop", "{loop.tasks}", "sum")), named)],
            unit="short",
            decimals=0,
            width=12,
            do="Growing without end: tasks are made faster than they end. A semaphore or a bounded queue in front "
            "of what makes them is backpressure.",
        ),
        lines(
            "Loops",
            [Query(worst(by("loop", "{loop.members}", "sum")), named)],
            unit="short",
            decimals=0,
            width=12,
            do="Growing without end: loops are made and never closed.",
        ),
    ]


def exporter() -> list[Panel]:
    """The exporter itself."""
    small = {"height": 6}
    return [
        row("Exporter"),
        stat(
            "Processes",
            [Query("count by (version) ({itself.build_info})", "{{version}}")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="How many processes show their backpressure, by version. Fewer than you run: not all are scraped.",
        ),
        lines(
            "Watched",
            [Query("sum by (kind) ({itself.watched_objects})", "{{kind}}")],
            unit="short",
            decimals=0,
            width=7,
            custom=STACKED,
            legend=SHORT_LEGEND,
            **small,
            do="Growing without end: objects are made and never dropped.",
        ),
        lines(
            "Time to collect",
            [Query("max by (job, instance) ({itself.collect_seconds})", "{{instance}}")],
            unit="s",
            width=6,
            legend=SHORT_LEGEND,
            **small,
            do="Milliseconds are well. It grows with the number of names; see whether one is made from something "
            "unbounded.",
        ),
        lines(
            "Errors, and names folded",
            [
                Query(f"sum by (job, instance) (rate({{itself.collect_errors_total}}{RATE}))", "errors {{instance}}"),
                Query(f"sum by (kind) (rate({{itself.folded_names_total}}{RATE}))", "folded {{kind}}"),
            ],
            unit="cps",
            width=7,
            limits=ANY,
            legend=SHORT_LEGEND,
            **small,
            do="Both are 0 in health. Errors: the application's log says why. Folded: too many names, counted as "
            "`__other__`.",
        ),
        *processes(),
    ]


def processes() -> list[Panel]:
    """Many processes that one sidecar shows."""
    small = {"height": 6}
    return [
        lines(
            "Processes of a sidecar",
            [Query("sum by (state) ({itself.processes})", "{{state}}")],
            unit="short",
            decimals=0,
            width=6,
            legend=SHORT_LEGEND,
            **small,
            do="killed grows: processes end without a word; the page of the sidecar shows what they said last.",
        ),
        lines(
            "Age of the oldest publication",
            [Query("max by (job, instance) ({itself.process_age_seconds})", "{{instance}}")],
            unit="s",
            width=6,
            legend=SHORT_LEGEND,
            **small,
            do="Over 5 s: a process cannot publish. Its interpreter is stuck, or it is stopped.",
        ),
        lines(
            "Pressure in the worst process",
            [
                Query(
                    worst("max by (job, kind, resource) ({itself.worst_process_pressure_ratio})"),
                    "{{kind}} {{resource}}",
                )
            ],
            unit="percentunit",
            max=1,
            width=6,
            limits=PRESSURE,
            custom=DRAWN,
            legend=SHORT_LEGEND,
            **small,
            do="Far above the pressure of all together: one process of many is held up.",
        ),
        lines(
            "Left out by a sidecar",
            [
                Query("sum by (reason) ({itself.files_left_out})", "files: {{reason}}"),
                Query("sum by (job, instance) ({itself.histograms_left_out})", "histograms {{instance}}"),
            ],
            unit="short",
            decimals=0,
            width=6,
            limits=ANY,
            legend=SHORT_LEGEND,
            **small,
            do="Files: something else writes into the folder. Histograms: processes with different buckets share it.",
        ),
    ]
