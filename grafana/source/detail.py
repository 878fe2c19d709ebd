"""The detail dashboard: everything about one queue, one stream and one limiter."""

from __future__ import annotations

from typing import Any

from bpexporter.primitives.bands import BANDS
from grafana.source import dashboards
from grafana.source.detail_others import limiter, stream
from grafana.source.overview import by_name
from grafana.source.panels import (
    ANY,
    BAD,
    CALM,
    DRAWN,
    FAIR,
    GOOD,
    NEUTRAL,
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

ABOUT = (
    "Everything about one queue, one stream and one limiter, each chosen above; every process that has it is a line of "
    "its own. Links on the overview open it with the right one."
)
HERE = "{{instance}}"
COLORS = dict(zip(BANDS, ("text", GOOD, "yellow", FAIR, BAD), strict=True))


def colored(colors: dict[str, str]) -> list[Panel]:
    """A fixed colour for each named series."""
    return [by_name(name, color={"mode": "fixed", "fixedColor": color}) for name, color in colors.items()]


def now() -> list[Panel]:
    """The numbers of now."""
    small = {"width": 3, "height": 4}
    return [
        stat(
            "Utilisation",
            [Query("max({queue.utilization_ratio})")],
            unit="percentunit",
            limits=UTILIZATION,
            **small,
            do="At 80 % saturated, at 100 % the next put waits. No number: the queue has no bound.",
        ),
        stat(
            "Depth",
            [Query("sum({queue.depth_items})")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="Compare with the capacity beside it.",
        ),
        stat(
            "Capacity",
            [Query("sum({queue.capacity_items})")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="A larger one hides bursts and lets items grow older; it does not make consumers quicker.",
        ),
        stat(
            "Blocked producers",
            [Query("sum({queue.blocked_producers})")],
            unit="short",
            limits=ANY,
            **small,
            do="Held up right now. They are the victims.",
        ),
        stat(
            "Longest block",
            [Query("max({queue.longest_block_seconds})")],
            unit="s",
            limits=steps((GOOD, None), (FAIR, 1), (BAD, 60)),
            **small,
            do="Growing second by second: nothing leaves the queue.",
        ),
        stat(
            "Idle consumers",
            [Query("sum({queue.idle_consumers})")],
            unit="short",
            limits=steps((CALM, None)),
            **small,
            do="Spare capacity. 0 with a full queue: all consumers are busy, or gone.",
        ),
        stat(
            "Unfinished",
            [Query("sum({queue.unfinished_tasks})")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="Waiting and in work. Growing for ever: task_done() is not called.",
        ),
        stat(
            "Queues of this name",
            [Query("sum({queue.members})", "all"), Query("sum({queue.unbounded_members})", "unbounded")],
            unit="short",
            limits=NEUTRAL,
            **small,
            do="Growing without end: queues are made and never dropped.",
        ),
    ]


def levels() -> list[Panel]:
    """How full, and for how long."""
    # a query for each, so that they lie on each other in their order and not in that of the alphabet
    bands = [Query(f'sum(rate({{queue.occupancy_seconds_total|band="{band}"}}{RATE}))', band) for band in BANDS]
    return [
        lines(
            "Utilisation and its peak",
            [
                Query("{queue.utilization_ratio}", HERE),
                Query("{queue.peak_utilization_ratio}", f"peak {HERE}"),
            ],
            unit="percentunit",
            max=1,
            limits=UTILIZATION_AREA,
            custom=DRAWN,
            do="The peak is that of the last 60 s: bursts that the scrapes miss. A peak far above the line with little "
            "pressure is a queue that does its work.",
        ),
        lines(
            "Time by how full it is",
            bands,
            unit="percentunit",
            custom={**STACKED, "stacking": {"mode": "percent", "group": "A"}},
            legend=SHORT_LEGEND,
            overrides=colored(COLORS),
            do="Exact, whatever the scrape interval. Mostly empty and mostly full by turns: bursts; a larger queue or "
            "steadier producers help. Mostly full: consumers are too slow.",
        ),
        lines(
            "Depth and head-room",
            [
                Query("sum({queue.depth_items})", "waiting"),
                Query("sum({queue.capacity_items} - {queue.depth_items})", "head-room before producers are blocked"),
            ],
            unit="short",
            decimals=0,
            custom={**STACKED, "stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40},
            legend=SHORT_LEGEND,
            overrides=colored({"waiting": FAIR, "head-room before producers are blocked": GOOD}),
            do="Where the upper part has gone, the next put waits. With unbounded queues under this name there is no "
            "head-room to speak of.",
        ),
        lines(
            "Throughput",
            [
                Query(f"sum(rate({{queue.puts_total}}{RATE}))", "in"),
                Query(f"sum(rate({{queue.gets_total}}{RATE}))", "out"),
            ],
            unit="cps",
            legend=SHORT_LEGEND,
            do="In above out: it fills. Out at its usual rate while producers are blocked: more comes in than ever. "
            "Out below its usual: consumers have become slow.",
        ),
    ]


def producers() -> list[Panel]:
    """Who is held up in front of the queue."""
    return [
        lines(
            "Pressure",
            [Query(some("queue"), HERE)],
            unit="percentunit",
            max=1,
            limits=PRESSURE,
            width=8,
            do="The share of the time with a producer blocked, as the `some` line of Linux PSI. Half the time: "
            "throughput is limited here, or further downstream.",
        ),
        lines(
            "Blocked producers",
            [
                Query(f"rate({{queue.put_blocked_seconds_total}}{RATE})", f"mean {HERE}"),
                Query("{queue.blocked_producers}", f"at the scrape {HERE}"),
            ],
            unit="short",
            width=8,
            do="The mean is exact; what the scrape happened to see is beside it.",
        ),
        lines(
            "Puts that had to wait",
            [Query(f"rate({{queue.blocked_puts_total}}{RATE})", HERE)],
            unit="cps",
            width=8,
            do="Many short waits: the queue is at its limit, and works. Few and long: see the quantiles.",
        ),
        heatmap(
            "How long puts wait for room",
            "{queue.put_wait_seconds.bucket}",
            do="The lowest band did not wait. A band that moves up: consumers become slower.",
        ),
        quantiles(
            "Wait for room, quantiles",
            "{queue.put_wait_seconds.bucket}",
            do="The time that backpressure adds to what the producer does, a request perhaps.",
        ),
    ]


def consumers() -> list[Panel]:
    """Who takes out, and how old the items are."""
    return [
        heatmap(
            "How long items wait (sample)",
            "{queue.residence_seconds.bucket}",
            do="From put to get, of tracer items. The latency that the queue adds; a smaller one adds less.",
        ),
        quantiles(
            "Wait of items, quantiles (sample)",
            "{queue.residence_seconds.bucket}",
            do="Compare with what your users may wait.",
        ),
        lines(
            "Oldest item",
            [Query("{queue.oldest_item_age_seconds}", HERE)],
            unit="s",
            width=8,
            do="Climbing at 45 degrees: one item is left lying.",
        ),
        lines(
            "Idle consumers",
            [
                Query(f"rate({{queue.get_idle_seconds_total}}{RATE})", f"mean {HERE}"),
                Query("{queue.idle_consumers}", f"at the scrape {HERE}"),
            ],
            unit="short",
            width=8,
            do="Spare capacity. None while producers are blocked: add consumers, or make them quicker.",
        ),
        lines(
            "Refused or given up, by reason",
            [Query(f"sum by (reason) (rate({{queue.refused_puts_total}}{RATE}))", "{{reason}}")],
            unit="cps",
            width=8,
            limits=ANY,
            legend=SHORT_LEGEND,
            do="full: put_nowait found no room; cancelled: a put was given up; shutdown: the queue was shut down.",
        ),
        quantiles(
            "Wait of consumers for an item, quantiles",
            "{queue.get_wait_seconds.bucket}",
            do="Long waits: consumers starve, and the cause is upstream.",
        ),
        lines(
            "Unfinished tasks",
            [Query("{queue.unfinished_tasks}", HERE)],
            unit="short",
            decimals=0,
            do="A floor that rises from burst to burst: task_done() is forgotten somewhere; join() would not end.",
        ),
    ]


def detail() -> dict[str, Any]:
    """The dashboard."""
    queue = [row("Queue $queue"), *now(), *levels(), *producers(), *consumers()]
    return dashboards.dashboard(
        dashboards.DETAIL,
        "Backpressure detail",
        ABOUT,
        [*queue, *stream(), *limiter()],
        several=False,
        links=[dashboards.link("Overview", dashboards.OVERVIEW), dashboards.live_page()],
    )
