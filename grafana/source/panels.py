"""Panels of Grafana's classic dashboards, as small functions that give plain dictionaries.

A panel's description is made of what the catalogue says of its metrics and of what to do; its names come from
the catalogue through `queries`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from grafana.source import queries, thresholds
from grafana.source.queries import VARIABLES, expand, metrics_in, on_dashboard

Panel = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WORST = 20
RATE = "[$__rate_interval]"
GOOD, FAIR, BAD, CALM = "green", "orange", "red", "blue"


class Query(NamedTuple):
    """One query of a panel."""

    template: str
    legend: str = "__auto"
    shape: str = "time_series"
    now: bool = False
    """Asked for the end of the range only."""


def worst(template: str) -> str:
    """The series that were highest within the last hour of the range, so that 200 of them stay readable."""
    return f"({template})\nand topk({WORST}, max_over_time(({template})[1h:1m] @ end()))"


def scarcest(template: str) -> str:
    """The series that were lowest within the last hour of the range."""
    return f"({template})\nand bottomk({WORST}, min_over_time(({template})[1h:1m] @ end()))"


def some(kind: str) -> str:
    """Pressure: the share of a member's time with somebody held up, as the `some` line of Linux PSI.

    Where drains are not seen, as those of transports, it is the share of a writer's time over its mark.
    """
    stalled = queries.some(kind, RATE)
    return f"{stalled}\nor {queries.some(kind, RATE, 'paused_seconds_total')}" if kind == "stream" else stalled


def targets(queries: Iterable[Query]) -> list[Panel]:
    """The queries as Grafana keeps them."""
    return [
        {
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": expand(query.template, on_dashboard),
            "format": query.shape,
            "instant": query.now,
            "legendFormat": query.legend,
            "range": not query.now,
            "refId": "ABCDEFGHIJ"[number],
        }
        for number, query in enumerate(queries)
    ]


def told(queries: Iterable[Query], do: str) -> str:
    """What the panel shows, what it means, and what to do."""
    metrics = dict.fromkeys(metric for query in queries for metric in metrics_in(query.template))
    lines = [f"- `{metric.name}`: {metric.help} *When it grows:* {metric.meaning}" for metric in metrics]
    return "\n".join([*lines, "", f"**What to do:** {do}"])


def steps(*colored: tuple[str, float | None]) -> Panel:
    """Colours by value; the first holds from below."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in colored]}


NEUTRAL = steps((GOOD, None))
UTILIZATION = steps((GOOD, None), (FAIR, thresholds.SATURATED.value), (BAD, thresholds.FULL.value))
# Under the threshold nothing is coloured where the thresholds are areas.
CLEAR = "transparent"
UTILIZATION_AREA = steps((CLEAR, None), (FAIR, thresholds.SATURATED.value), (BAD, thresholds.FULL.value))
OVER_AREA = steps((CLEAR, None), (FAIR, thresholds.FULL.value))
PRESSURE = steps((GOOD, None), (FAIR, 0.1), (BAD, thresholds.STALLED.value))
ANY = steps((GOOD, None), (BAD, 1e-9))


def nothing(kind: str, queries: Iterable[Query]) -> Panel:
    """What stands in place of `No data`, which looks like a fault."""
    subjects = {metric.subject for query in queries for metric in metrics_in(query.template)}
    text = "-" if kind == "stat" else f"No such {'/'.join(sorted(subjects))}"
    return {} if subjects - set(VARIABLES) or kind == "table" else {"noValue": text}


def panel(
    kind: str,
    title: str,
    queries: Sequence[Query],
    *,
    do: str,
    unit: str,
    width: int = 12,
    height: int = 8,
    limits: Panel = NEUTRAL,
    custom: Panel | None = None,
    options: Panel | None = None,
    **defaults: Any,
) -> Panel:
    """A panel of any kind. `custom` is the kind's own field settings, `defaults` are those of every kind."""
    overrides = defaults.pop("overrides", [])
    transformations = defaults.pop("transformations", [])
    return {
        "type": kind,
        "title": title,
        "description": told(queries, do),
        "datasource": SOURCE,
        "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
        "targets": targets(queries),
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "thresholds": limits,
                "custom": custom or {},
                **nothing(kind, queries),
                **defaults,
            },
            "overrides": overrides,
        },
        "options": options or {},
        "transformations": transformations,
    }


LINES: Panel = {
    "drawStyle": "line",
    "lineInterpolation": "linear",
    "lineWidth": 1,
    "fillOpacity": 0,
    "gradientMode": "none",
    "showPoints": "never",
    "spanNulls": False,
    "axisPlacement": "auto",
    "axisSoftMin": 0,
    "stacking": {"mode": "none", "group": "A"},
    "thresholdsStyle": {"mode": "off"},
}
DRAWN = {"thresholdsStyle": {"mode": "dashed+area"}}
STACKED = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0}
TOOLTIP = {"mode": "multi", "sort": "desc"}
# A legend in a table scrolls, where one in a line would push the graph out.
LEGEND = {
    "showLegend": True,
    "displayMode": "table",
    "placement": "right",
    "calcs": ["lastNotNull", "max"],
    "sortBy": "Max",
    "sortDesc": True,
    "width": 260,
}
SHORT_LEGEND = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}


def lines(
    title: str, queries: Sequence[Query], *, unit: str, do: str, custom: Panel | None = None, **more: Any
) -> Panel:
    """Values over time."""
    # beside a narrow graph a table would leave no room for it
    usual = LEGEND if more.get("width", 12) >= 12 else SHORT_LEGEND
    options = {"legend": more.pop("legend", usual), "tooltip": TOOLTIP}
    return panel(
        "timeseries", title, queries, unit=unit, do=do, custom={**LINES, **(custom or {})}, options=options, **more
    )


def stat(title: str, queries: Sequence[Query], *, unit: str, do: str, **more: Any) -> Panel:
    """One number, and its way there."""
    options = {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    sizes = {"width": 4, "height": 4, **more}
    return panel("stat", title, queries, unit=unit, do=do, options=options, **sizes)


def heatmap(title: str, template: str, *, do: str, **more: Any) -> Panel:
    """A histogram over time: how many in each bucket."""
    query = Query(f"sum by (le) (increase({template}[$__rate_interval]))", "{{le}}", "heatmap")
    options = {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "short"},
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "fill": "dark-orange",
            "exponent": 0.3,
            "steps": 64,
            "reverse": False,
            "scale": "exponential",
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        # empty cells stay empty
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
    }
    custom = {"scaleDistribution": {"type": "linear"}, "hideFrom": {"legend": False, "tooltip": False, "viz": False}}
    return panel("heatmap", title, [query], unit="s", do=do, custom=custom, options=options, **more)


def quantiles(title: str, template: str, *, do: str, **more: Any) -> Panel:
    """Median, 90th and 99th percentile of a histogram."""
    queries = [
        Query(f"histogram_quantile({share}, sum by (le) (rate({template}[$__rate_interval])))", legend)
        for share, legend in ((0.5, "median"), (0.9, "90 %"), (0.99, "99 %"))
    ]
    return lines(title, queries, unit="s", do=do, legend=SHORT_LEGEND, **more)


def row(title: str) -> Panel:
    """A heading."""
    return {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"h": 1, "w": 24, "x": 0, "y": 0},
    }


def laid_out(panels: Iterable[Panel]) -> list[Panel]:
    """The panels side by side, from the left to the right and from the top down, numbered."""
    placed: list[Panel] = []
    x = y = height = 0
    for number, item in enumerate(panels, 1):
        grid = item["gridPos"]
        if x + grid["w"] > 24:
            x, y, height = 0, y + height, 0
        placed.append({"id": number, **item, "gridPos": {**grid, "x": x, "y": y}})
        x, height = x + grid["w"], max(height, grid["h"])
    return placed
