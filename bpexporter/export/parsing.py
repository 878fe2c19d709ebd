"""A page of metrics read back: readings by kind and name, as far as the page tells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bpexporter.catalogue.metrics import METRICS, READINGS
from bpexporter.resources.declaration import Metric


def names_for(kinds: Collection[str]) -> list[str]:
    """The samples of these kinds that are no histograms, for ``name[]=``."""
    return [metric.name for metric in METRICS if metric.subject in kinds and metric.kind != "histogram"]


def readings_from_text(page: str) -> dict[str, dict[str, Any]]:
    """The readings on a page in Prometheus's text format; histograms and what is not there are ``None``.

    Raises ``ValueError`` where the page is not in that format, or has nothing of ours.
    """
    by_name = {metric.name: metric for metric in METRICS if metric.kind != "histogram"}
    fields: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in READINGS}
    for name, labels, value in _samples(page):
        metric = by_name.get(name)
        if metric is not None and set(metric.labels) <= labels.keys():
            resource = fields[metric.subject].setdefault(labels.get(metric.label, ""), {})
            _take(resource, metric, labels, value)
    if not any(fields.values()):
        raise ValueError("there are no metrics of bpexporter on this page")
    return {
        kind: {name: READINGS[kind](*_in_order(READINGS[kind], found)) for name, found in named.items()}
        for kind, named in fields.items()
    }


def _samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    parse: Callable[[str], Iterable[Any]] = text_string_to_metric_families
    for family in parse(page):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def _take(fields: dict[str, Any], metric: Metric, labels: dict[str, str], value: float) -> None:
    """One sample into the field that it belongs to."""
    if metric.table:
        fields.setdefault(metric.field, {})[tuple(labels[label] for label in metric.table)] = value
    elif metric.split:
        parts = fields.setdefault(metric.field, [0.0] * len(metric.parts))
        if labels[metric.split] in metric.parts:
            parts[metric.parts.index(labels[metric.split])] = value
    else:
        fields[metric.field] = value


def _in_order(reading: type[Any], found: dict[str, Any]) -> list[Any]:
    values = [found.get(field) for field in reading._fields]
    return [tuple(value) if isinstance(value, list) else value for value in values]
