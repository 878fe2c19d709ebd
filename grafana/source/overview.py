"""The overview: is anything backing up, since when, who is held up; then kind by kind, as the data flows."""

from __future__ import annotations

from typing import Any

from grafana.source import dashboards, queries, thresholds
from grafana.source.overview_kinds import exporter, limiters, loops, streams
from grafana.source.overview_queues import legend, queues
from grafana.source.panels import (
    ANY,
    BAD,
    FAIR,
    GOOD,
    PRESSURE,
    RATE,
    UTILIZATION,
    WORST,
    Panel,
    Query,
    panel,
    some,
    stat,
    steps,
)
from grafana.source.queries import MEMBERS, VARIABLES
from grafana.source.stages import stages

ABOUT = (
    "Is anything backing up, since when, and who is held up. Read from the top: the numbers of now, the places, then "
    "queues, streams, limiters, event loops and the exporter itself. The blocked are not the guilty: walk downstream."
)
SINCE = steps((GOOD, None), (FAIR, 1), (BAD, 60))


def each(template: str) -> str:
    """The same for queues, streams and limiters: ``KIND`` stands for each in turn."""
    return "\nor ".join(template.replace("KIND", kind) for kind in VARIABLES)


def named_as(kind: str, template: str) -> str:
    """Series of a kind with the labels `kind` and `resource` in place of the kind's own, whatever a name holds."""
    replaced = f'label_replace({template}, "resource", "$1", "{kind}", "((?s).*)")'
    return f'max by (job, instance, kind, resource) (label_replace({replaced}, "kind", "{kind}", "", ""))'


def named(template: str) -> str:
    """The same for queues, streams and limiters, with labels that all have in common."""
    return "\nor ".join(named_as(kind, template.replace("KIND", kind)) for kind in VARIABLES)


HELD_UP = (
    f"rate({{queue.put_blocked_seconds_total}}{RATE})\n"
    f"or rate({{stream.drain_blocked_seconds_total}}{RATE})\n"
    f"or rate({{stream.paused_seconds_total}}{RATE})\n"
    f"or rate({{limiter.acquire_blocked_seconds_total}}{RATE})"
)


def numbers() -> list[Panel]:
    """What to see first."""
    longest = each("{KIND.longest_block_seconds}")
    stalled_now = f"({longest}) > 0\nor ({{stream.paused_writers}} > 0 unless {{stream.longest_block_seconds}})"
    stalled = "\nor ".join(map(some, VARIABLES))
    return [
        stat(
            "Stalled now",
            [Query(f"count({stalled_now}) or vector(0)", "resources")],
            unit="short",
            limits=ANY,
            do="0 is well. Else the table below says where; begin with the resource that is furthest downstream. Of "
            "streams whose drains are not seen, as those of transports, the paused ones are counted.",
        ),
        stat(
            "Longest wait now",
            [Query(f"max({longest})", "longest")],
            unit="s",
            limits=SINCE,
            do="This is since when somebody is held up. If it grows second by second, nothing moves: look for a "
            "consumer that hangs, a peer that is gone, permits that are not released.",
        ),
        stat(
            "Callers held up",
            [Query(f"sum({HELD_UP})", "callers")],
            unit="short",
            decimals=2,
            limits=ANY,
            do="The mean number of blocked callers, short waits between two scrapes included; of streams whose drains "
            "are not seen, of writers over their mark. Compare with the number of your producers: as many means that "
            "all stand still.",
        ),
        stat(
            "Worst pressure",
            [Query(f"max({stalled})", "share")],
            unit="percentunit",
            limits=PRESSURE,
            do="The share of the time in which somebody was held up, of the worst resource and by member. Some percent "
            "in bursts are what backpressure is for; half the time means that throughput is limited there. One bad "
            "member of hundreds does not show here: look at the longest wait and at the highest peak.",
        ),
        stat(
            "Highest peak, 60 s",
            [Query("max({queue.peak_utilization_ratio} or {limiter.peak_utilization_ratio})", "utilisation")],
            unit="percentunit",
            limits=UTILIZATION,
            do="Bursts between two scrapes show here. 100 % again and again: more capacity, or a quicker consumer.",
        ),
        stat(
            "Refused or given up",
            [
                Query(
                    f"sum(rate({{queue.refused_puts_total}}{RATE})\nor rate({{limiter.refused_acquires_total}}{RATE}))",
                    "per second",
                )
            ],
            unit="cps",
            decimals=2,
            limits=ANY,
            do="Work that is lost, unless the program tries again. Find the resource below, then what slows it down.",
        ),
    ]


COLUMNS = {"Value #A": "Peak", "Value #B": "Pressure", "Value #C": "Held up", "Value #D": "Longest"}


def by_name(name: str, **properties: Any) -> Panel:
    """Settings of one column."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def column(name: str, unit: str, limits: Panel, width: int) -> Panel:
    """A column of numbers, coloured by value."""
    cell = {"type": "color-text"}
    settings = {"unit": unit, "thresholds": limits, "custom.cellOptions": cell, "custom.width": width, "decimals": 1}
    return by_name(name, **settings)


def places() -> Panel:
    """The table of resources."""
    peak = "{KIND.peak_utilization_ratio}"
    paused = f"rate({{stream.paused_seconds_total}}{RATE})"
    blocked = {"queue": "put_blocked", "stream": "drain_blocked", "limiter": "acquire_blocked"}
    held = named(f"rate({{KIND.KIND_seconds_total}}{RATE})")
    for kind, word in blocked.items():
        held = held.replace(f"{kind}.{kind}_seconds_total", f"{kind}.{word}_seconds_total")
    held = held.replace(drains := f"rate({{stream.drain_blocked_seconds_total}}{RATE})", f"{drains} or {paused}")
    columns = [
        named(peak),
        pressures(),
        held,
        named("{KIND.longest_block_seconds}"),
    ]
    kept = "${datasource:queryparam}&${__url_time_range}&var-instance=${__data.fields.Instance:percentencode}"
    return panel(
        "table",
        "Where",
        [Query(query, "", "table", now=True) for query in columns],
        unit="short",
        height=9,
        do="The worst stand first. Click a resource for its details. Of those that are held up, the one furthest "
        "downstream has the consumer that is to blame.",
        options={
            "frameIndex": 0,
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": "Pressure", "desc": True}],
        },
        custom={"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True},
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "includeByName": {},
                    "indexByName": {
                        name: place for place, name in enumerate(("resource", "kind", *COLUMNS, "job", "instance"))
                    },
                    "renameByName": {
                        "kind": "Kind",
                        "resource": "Resource",
                        "job": "Job",
                        "instance": "Instance",
                        **COLUMNS,
                    },
                },
            },
        ],
        overrides=[
            by_name(
                "Resource",
                links=dashboards.to_detail(
                    "${__data.fields.Kind}", "__data.fields.Resource", "__data.fields.Job", kept
                ),
            ),
            by_name("Kind", **{"custom.width": 70}),
            column("Peak", "percentunit", UTILIZATION, 75),
            column("Pressure", "percentunit", PRESSURE, 85),
            column("Held up", "short", ANY, 75),
            column("Longest", "s", SINCE, 80),
        ],
    )


def pressures() -> str:
    """The pressure of each resource, with the labels that all kinds have in common."""
    return "\nor ".join(named_as(kind, some(kind)) for kind in VARIABLES)


def state(kind: str) -> str:
    """0 flows, 1 saturated, 2 stalled, 3 both. Whatever is watched has a state, also without capacity or drains."""
    there = f"0 * group by (job, {kind}) ({{{kind}.{MEMBERS[kind]}}})"
    paused = " or {stream.paused_writers} > 0" if kind == "stream" else ""
    full = f"group by (job, {kind}) ({{{kind}.utilization_ratio}} >= {thresholds.SATURATED}{paused})"
    longest = f"{{{kind}.longest_block_seconds}} > 1"
    stalled = f"group by (job, {kind}) (({queries.some(kind, RATE)}) > 0.01 or {longest})"
    return f"({full} or {there})\n+ 2 * ({stalled} or {there})"


def troubled(template: str) -> str:
    """Those that were worst for longest, within the last hour of the range, so that 200 of them stay readable."""
    return f"({template})\nand topk({WORST}, sum_over_time(({template})[1h:1m] @ end()))"


def states() -> Panel:
    """What state each resource was in, over time."""
    words = {
        "0": ("flows", GOOD),
        "1": ("saturated", FAIR),
        "2": ("stalled", BAD),
        "3": ("saturated and stalled", "dark-red"),
    }
    mapped = {key: {"text": text, "color": color, "index": int(key)} for key, (text, color) in words.items()}
    asked = [Query(troubled(state(kind)), legend(kind)) for kind in VARIABLES]
    return panel(
        "state-timeline",
        "State of each resource",
        asked,
        unit="short",
        height=9,
        do="The resource that turns red first is nearest to the cause; those upstream of it follow. A stream with a "
        "writer over its mark is saturated; whether somebody waits for it is not seen of transports. The "
        f"{WORST} most troubled of each kind are shown; narrow down with the variables.",
        options={
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "never",
            "alignValue": "left",
            "perPage": 24,
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        custom={"fillOpacity": 80, "lineWidth": 0},
        color={"mode": "thresholds"},
        mappings=[{"type": "value", "options": mapped}],
    )


def overview() -> dict[str, Any]:
    """The dashboard."""
    parts = [stages(), queues(), streams(), limiters(), loops(), exporter()]
    return dashboards.dashboard(
        dashboards.OVERVIEW,
        "Backpressure overview",
        ABOUT,
        [*numbers(), places(), states(), *(item for part in parts for item in part)],
        several=True,
        links=[dashboards.link("Detail", dashboards.DETAIL), dashboards.live_page()],
    )
