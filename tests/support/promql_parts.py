"""The parts of a PromQL query: its selectors, their matchers, and the metric of the catalogue that each names."""

from collections.abc import Iterator
from typing import Any

import promql_parser

from bpexporter.catalogue.metrics import METRICS
from bpexporter.resources.declaration import Metric

# What Prometheus itself adds to every target, and the labels of targets.
OF_TARGETS = {"job", "instance"}
# Labels of targets that many a Prometheus adds: a grouping by one that is not there keeps what belongs together apart.
OF_SOME_TARGETS = {"cluster", "namespace"}
OF_ALERTS = {"alertstate", "alertname", "severity"}
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
    """The matchers of a selector, label by label, with their value."""
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


def declared(name: str) -> tuple[Metric, str] | None:
    """The metric of this name and the part of it; ``None`` where there is none."""
    known = {metric.name: metric for metric in METRICS}
    if name in known:
        return known[name], ""
    base, _, part = name.rpartition("_")
    return (known[base], part) if base in known and part in PARTS else None
