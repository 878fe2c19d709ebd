"""What is wrong with a PromQL query, as far as the catalogue knows: names, labels, counters, histogram parts.

Queries are parsed, not searched. `complaints` gives sentences; none is well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser

from bpexporter.catalogue import METRICS, Metric

# What Prometheus itself adds to every target, and the labels of targets.
OF_PROMETHEUS = {"up", "ALERTS"}
OF_TARGETS = {"job", "instance"}
OF_ALERTS = {"alertstate", "alertname", "severity"}
OVER_COUNTERS = {"rate", "increase", "present_over_time"}
PARTS = ("bucket", "sum", "count")
CHILDREN = ("lhs", "rhs", "expr", "param", "vector_selector", "args")
VARIABLES = {"$__rate_interval": "4m", "$__interval": "15s", "$__range": "1h"}

Node = Any


def substituted(query: str) -> str:
    """The query with Grafana's own variables filled in."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


def walk(node: Node, above: tuple[Node, ...] = ()) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Each node of a query with the nodes above it, the nearest last."""
    yield node, above
    for name in CHILDREN:
        below = getattr(node, name, None)
        nodes = below if isinstance(below, list) else [below]
        for child in nodes:
            if hasattr(child, "prettify"):
                yield from walk(child, (*above, node))


def selectors(query: str) -> list[tuple[Any, tuple[Node, ...]]]:
    """The selectors of a query, and what stands above each; raises ``ValueError`` where it does not parse."""
    tree = promql_parser.parse(substituted(query))
    return [(node, above) for node, above in walk(tree) if isinstance(node, promql_parser.VectorSelector)]


def matchers(selector: Any) -> dict[str, str]:
    """The matchers of a selector, label by label, with their operator and value."""
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


def declared(name: str) -> tuple[Metric, str] | None:
    """The metric of this name and the part of it; ``None`` where there is none."""
    known = {metric.name: metric for metric in METRICS}
    if name in known:
        return known[name], ""
    base, _, part = name.rpartition("_")
    return (known[base], part) if base in known and part in PARTS else None


def wrong_part(metric: Metric, part: str) -> str:
    """Whether a histogram is asked for by a part, and nothing else is."""
    if (metric.kind == "histogram") != bool(part):
        return f"{metric.name} is a {metric.kind} and was asked for {part or 'as a whole'}"
    return ""


def wrong_labels(metric: Metric, part: str, labels: set[str]) -> str:
    """Labels that this metric does not have."""
    known = {*metric.labels, *OF_TARGETS, *(["le"] if part == "bucket" else [])}
    strange = sorted(labels - known)
    return f"{metric.name} has no label {', '.join(strange)}" if strange else ""


def wrong_values(metric: Metric, found: dict[str, str]) -> str:
    """Values of the metric's second label that it never has."""
    asked = found.get(metric.split, "").split("|") if metric.split in found else []
    strange = sorted(set(asked) - set(metric.parts))
    return f"{metric.split} is never {', '.join(strange)}" if strange and "$" not in found[metric.split] else ""


def wrong_use(metric: Metric, part: str, above: tuple[Node, ...]) -> str:
    """Counters anywhere but under `rate` and the like."""
    if metric.kind == "gauge":
        return ""
    call = next((node for node in reversed(above) if isinstance(node, promql_parser.Call)), None)
    ranged = bool(above) and isinstance(above[-1], promql_parser.MatrixSelector)
    if call is None or not ranged or call.func.name not in OVER_COUNTERS:
        return f"{metric.name} is a counter and not under rate or increase"
    return ""


def wrong_rate(metric: Metric, above: tuple[Node, ...]) -> str:
    """Gauges under `rate`."""
    rated = (
        bool(above[1:]) and isinstance(above[-2], promql_parser.Call) and above[-2].func.name in {"rate", "increase"}
    )
    return f"{metric.name} is a gauge and under {above[-2].func.name}" if metric.kind == "gauge" and rated else ""


def of_selector(selector: Any, above: tuple[Node, ...], recorded: set[str]) -> list[str]:
    """What is wrong with one selector."""
    if selector.name in OF_PROMETHEUS | recorded:
        return []
    found = declared(selector.name or "")
    if found is None:
        return [f"{selector.name} is not in the catalogue"]
    metric, part = found
    labels = matchers(selector)
    said = (
        wrong_part(metric, part),
        wrong_labels(metric, part, set(labels)),
        wrong_values(metric, labels),
        wrong_use(metric, part, above),
        wrong_rate(metric, above),
    )
    return [text for text in said if text]


def grouped(query: str) -> set[str]:
    """The labels that a query groups or matches by."""
    tree = promql_parser.parse(substituted(query))
    modifiers = (getattr(node, "modifier", None) for node, _ in walk(tree))
    found: set[str] = set()
    for modifier in modifiers:
        for holder in (modifier, getattr(modifier, "matching", None)):
            found |= set(getattr(holder, "labels", None) or [])
    return found


def made(query: str) -> set[str]:
    """Labels that `label_replace` makes."""
    tree = promql_parser.parse(substituted(query))
    calls = (node for node, _ in walk(tree) if isinstance(node, promql_parser.Call))
    return {call.args[1].val for call in calls if call.func.name == "label_replace"}


def wrong_groups(query: str, recorded: set[str]) -> list[str]:
    """Labels grouped by which no metric of the query has."""
    known = OF_TARGETS | made(query)
    for selector, _ in selectors(query):
        found = declared(selector.name or "")
        known |= {*found[0].labels, "le"} if found else (OF_ALERTS if selector.name == "ALERTS" else set())
    if any(selector.name in recorded for selector, _ in selectors(query)):
        return []
    strange = sorted(grouped(query) - known)
    return [f"grouped by {', '.join(strange)}, which nothing has"] if strange else []


def complaints(query: str, recorded: set[str] = frozenset()) -> list[str]:
    """All that is wrong with a query; `recorded` are the names of recording rules that it may use."""
    try:
        found = selectors(query)
    except ValueError as error:
        return [f"does not parse: {error}"]
    told = [text for selector, above in found for text in of_selector(selector, above, set(recorded))]
    return told + wrong_groups(query, set(recorded))
