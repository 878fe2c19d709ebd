"""PromQL from templates: ``{queue.puts_total}`` becomes the catalogue's name with the selector of its place.

A template holds no metric name, so a query cannot outlive a metric that is renamed: the lookup fails.
``{queue.refused_puts_total|reason="full"}`` adds a matcher, ``{queue.put_wait_seconds.bucket}`` takes a part of a
histogram.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bpexporter.catalogue.metrics import METRICS
from bpexporter.resources.declaration import Metric

PREFIX = {"itself": "bpexporter_"}
REFERENCE = re.compile(r"\{(\w+)\.(\w+)(?:\.(bucket|sum|count))?(?:\|([^{}]+))?\}")
# Kinds of resources that have a variable on the dashboards.
VARIABLES = ("queue", "stream", "limiter")

# How many objects share a name.
MEMBERS = {"queue": "members", "stream": "open_writers", "limiter": "members", "loop": "members"}

Selector = Callable[[Metric], str]


def find(subject: str, short: str) -> Metric:
    """The metric of `subject` whose name ends so; raises ``KeyError`` where the catalogue has none."""
    name = PREFIX.get(subject, f"backpressure_{subject}_") + short
    found = next((metric for metric in METRICS if metric.name == name), None)
    if found is None or found.subject != subject:
        raise KeyError(f"the catalogue declares no {name}")
    return found


def metrics_in(template: str) -> list[Metric]:
    """The metrics that a template refers to, each once, in their order."""
    return list(dict.fromkeys(find(match[1], match[2]) for match in REFERENCE.finditer(template)))


def on_dashboard(metric: Metric) -> str:
    """The matchers of a panel's query: the dashboard's variables."""
    own = [f'{metric.label}=~"${metric.label}"'] if metric.label in VARIABLES else []
    return ", ".join(['job=~"$job"', 'instance=~"$instance"', *own])


def anywhere(metric: Metric) -> str:
    """No matchers: rules hold for every job."""
    return ""


def expand(template: str, selector: Selector) -> str:
    """The query that a template stands for."""

    def write(match: re.Match[str]) -> str:
        subject, short, part, more = match.groups()
        metric = find(subject, short)
        if (part is not None) != (metric.kind == "histogram"):
            raise ValueError(f"{metric.name} is a {metric.kind}: {match[0]}")
        matchers = ", ".join(filter(None, (selector(metric), more)))
        return metric.name + (f"_{part}" if part else "") + (f"{{{matchers}}}" if matchers else "")

    return REFERENCE.sub(write, template)


def some(subject: str, window: str, seconds: str = "stalled_seconds_total") -> str:
    """Pressure: stalled seconds a second and member, 0 to 1, as the `some` line of Linux PSI.

    Where the number of members is not known, or none lived at a scrape, there is one.
    """
    spent = f"rate({{{subject}.{seconds}}}{window})"
    alone = f"clamp_max({spent}, 1)"
    members = f"avg_over_time({{{subject}.{MEMBERS[subject]}}}{window}) > 0"
    return f"clamp_max({spent} / ({members}), 1)\nor {alone}"
