"""The overview's row of queues, and how its series are named, linked and joined."""

from __future__ import annotations

from grafana.source.dashboards import to_detail
from grafana.source.panels import (
    ANY,
    BAD,
    DRAWN,
    GOOD,
    PRESSURE,
    RATE,
    UTILIZATION_AREA,
    Panel,
    Query,
    heatmap,
    lines,
    row,
    scarcest,
    some,
    steps,
    worst,
)

SHARE = {"unit": "percentunit", "max": 1}


def by(kind: str, template: str, how: str = "max") -> str:
    """One series for each name; the fullest of several instances, unless `how` says otherwise."""
    return f"{how} by (job, {kind}) ({template})"


def legend(kind: str) -> str:
    """How a series is called."""
    return f"{{{{{kind}}}}} ({{{{job}}}})"


def linked(kind: str) -> list[Panel]:
    """The link of a series to the details of its resource."""
    return to_detail(kind, f"__field.labels.{kind}", "__field.labels.job")


def pressure(kind: str, who: str, do: str) -> Panel:
    """The share of the time with somebody blocked, a member."""
    return lines(
        f"Pressure: time with {who} held up",
        [Query(worst(by(kind, some(kind))), legend(kind))],
        **SHARE,
        limits=PRESSURE,
        links=linked(kind),
        do=f"{do} Of several under one name it is the mean: one bad one of hundreds shows in the longest wait, the "
        "highest peak and the time over the mark.",
    )


def queues() -> list[Panel]:
    """Queues."""
    named, links = legend("queue"), linked("queue")
    used = "{queue.capacity_items} - {queue.depth_items}\nand {queue.unbounded_members} == 0"
    return [
        row("Queues"),
        lines(
            "Queue utilisation",
            [Query(worst(by("queue", "{queue.utilization_ratio}")), named)],
            **SHARE,
            limits=UTILIZATION_AREA,
            custom=DRAWN,
            links=links,
            do="Over the dashed line (80 %) the queue is saturated. Long there: its consumers are too slow or too "
            "few. Saw teeth that return to 0 are healthy bursts.",
        ),
        lines(
            "Head-room before producers are blocked",
            [Query(scarcest(by("queue", used, "min")), named)],
            unit="short",
            decimals=0,
            limits=steps((BAD, None), (GOOD, 1)),
            links=links,
            min=0,
            do="How many items still fit. At 0 the next put waits. A line that falls steadily tells how much time "
            "is left; unbounded queues have no line here. Of several queues under one name it is the sum: look at the "
            "utilisation, which is that of the fullest.",
        ),
        pressure(
            "queue",
            "a producer",
            "As the `some` line of Linux PSI. Walk downstream: of the queues that stall, the last one on the way of "
            "the data has the consumer that is too slow.",
        ),
        lines(
            "Producers held up",
            [Query(worst(by("queue", f"rate({{queue.put_blocked_seconds_total}}{RATE})", "sum")), named)],
            unit="short",
            links=links,
            do="The mean number of blocked producers. As high as the number of your producers: all of them stand "
            "still. They are the victims; look at who takes out of this queue.",
        ),
        lines(
            "Throughput: in above, out below",
            [
                Query(worst(by("queue", f"rate({{queue.puts_total}}{RATE})", "sum")), f"in {named}"),
                Query(
                    worst(by("queue", f"-rate({{queue.gets_total}}{RATE})", "sum"))
                    .replace("topk", "bottomk")
                    .replace("max_over_time", "min_over_time"),
                    f"out {named}",
                ),
            ],
            unit="cps",
            links=links,
            custom={"axisCenteredZero": True},
            do="In above out: the queue fills. Out at 0 while the queue is full: stuck. Both low with idle "
            "consumers: the cause is upstream.",
        ),
        heatmap(
            "How long puts wait for room",
            "{queue.put_wait_seconds.bucket}",
            do="The lowest band are puts that did not wait. A second band far above it: some queue stalls now and "
            "then; choose it with the variable to see its own.",
        ),
        lines(
            "Oldest item",
            [Query(worst(by("queue", "{queue.oldest_item_age_seconds}")), named)],
            unit="s",
            width=8,
            links=links,
            do="A line that climbs at 45 degrees is one item that is left lying: its consumer hangs, or a priority "
            "or last-in-first-out queue starves it.",
        ),
        lines(
            "Refused or given up",
            [
                Query(
                    worst(f"sum by (job, queue, reason) (rate({{queue.refused_puts_total}}{RATE})) > 0"),
                    f"{named} {{{{reason}}}}",
                )
            ],
            noValue="Nothing was refused or given up",
            unit="cps",
            width=8,
            limits=ANY,
            links=links,
            do="full: put_nowait found no room. cancelled: a put was given up, mostly by a time-out. shutdown: "
            "somebody still puts while the program ends.",
        ),
        lines(
            "Unbounded queues",
            [Query(worst(by("queue", "{queue.depth_items} and {queue.unbounded_members} > 0", "sum")), named)],
            unit="short",
            width=8,
            links=links,
            do="Nothing holds the producers of these back. If a line keeps growing, give the queue a maxsize, or "
            "find what has become slow.",
        ),
    ]
