"""What is wrong with a PromQL query, as far as the catalogue knows: names, labels, counters, histogram parts.

Queries are parsed, not searched. `complaints` gives sentences; none is well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import promql_parser
from promql_labels import wrong_matches
from promql_parts import OF_TARGETS, declared, matchers, selectors

from bpexporter.resources.declaration import Metric

# What Prometheus itself makes.
OF_PROMETHEUS = {"up", "ALERTS"}
OVER_COUNTERS = {"rate", "increase", "present_over_time", "resets"}
FOR_COUNTERS = {"rate", "increase", "irate", "resets"}

Node = Any
NOTHING: Mapping[str, set[str]] = MappingProxyType({})


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


def ever(above: tuple[Node, ...]) -> bool:
    """Whether a counter is only asked whether it ever counted: its highest value, compared with 0."""
    if len(above) < 3 or above[-2].func.name != "max_over_time":
        return False
    # a sum over the second label may stand between
    compared = next((node for node in reversed(above) if isinstance(node, promql_parser.BinaryExpr)), None)
    right = getattr(compared, "rhs", None)
    return isinstance(right, promql_parser.NumberLiteral) and right.val == 0


def wrong_use(metric: Metric, part: str, above: tuple[Node, ...]) -> str:
    """Counters anywhere but under `rate` and the like."""
    if metric.kind == "gauge":
        return ""
    call = next((node for node in reversed(above) if isinstance(node, promql_parser.Call)), None)
    ranged = bool(above) and isinstance(above[-1], promql_parser.MatrixSelector)
    if ranged and ever(above):
        return ""
    if call is None or not ranged or call.func.name not in OVER_COUNTERS:
        return f"{metric.name} is a counter and not under rate or increase"
    return ""


def wrong_rate(name: str, above: tuple[Node, ...]) -> str:
    """What is no counter, under functions that are for counters, whatever stands between."""
    calls = {node.func.name for node in above if isinstance(node, promql_parser.Call)}
    return f"{name} is a gauge and under {', '.join(sorted(calls & FOR_COUNTERS))}" if calls & FOR_COUNTERS else ""


def of_metric(metric: Metric, part: str, selector: Any, above: tuple[Node, ...]) -> list[str]:
    """What is wrong with a selector of a metric of the catalogue."""
    labels = matchers(selector)
    said = (
        wrong_part(metric, part),
        wrong_labels(metric, part, set(labels)),
        wrong_values(metric, labels),
        wrong_use(metric, part, above),
        wrong_rate(metric.name, above) if metric.kind == "gauge" else "",
    )
    return [text for text in said if text]


def of_recorded(selector: Any, above: tuple[Node, ...], labels: set[str]) -> list[str]:
    """What is wrong with a selector of a recorded series; all of ours are gauges."""
    strange = sorted(set(matchers(selector)) - labels)
    said = (f"{selector.name} has no label {', '.join(strange)}" if strange else "", wrong_rate(selector.name, above))
    return [text for text in said if text]


def of_selector(selector: Any, above: tuple[Node, ...], recorded: Mapping[str, set[str]]) -> list[str]:
    """What is wrong with one selector."""
    if selector.name in recorded:
        return of_recorded(selector, above, recorded[selector.name])
    if selector.name in OF_PROMETHEUS:
        return []
    found = declared(selector.name or "")
    return of_metric(*found, selector, above) if found else [f"{selector.name} is not in the catalogue"]


def unfiltered(query: str, labels: Iterable[str]) -> list[str]:
    """Selectors without exactly the dashboard's filter, ``=~"$label"``, on each of these labels that they have."""
    told = []
    for selector, _ in selectors(query):
        found = declared(selector.name or "")
        own = {*OF_TARGETS, *(found[0].labels if found else ())}
        for label in sorted(own & set(labels)):
            filters = [(each.op, each.value) for each in selector.matchers.matchers if each.name == label]
            if filters != [(promql_parser.MatchOp.Re, f"${label}")]:
                told.append(f"{selector.name} is not filtered by {label}")
    return told


def complaints(query: str, recorded: Mapping[str, set[str]] = NOTHING) -> list[str]:
    """All that is wrong with a query; `recorded` are the labels of the recorded series that it may use, by name."""
    try:
        found = selectors(query)
    except ValueError as error:
        return [f"does not parse: {error}"]
    told = [text for selector, above in found for text in of_selector(selector, above, recorded)]
    return told + wrong_matches(query, recorded)
