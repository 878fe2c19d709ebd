"""The catalogue and a hub's readings as families of `prometheus_client`.

For applications that have an endpoint already: ``registry.register(Collector())``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector as BaseCollector
from prometheus_client.utils import floatToGoString

from bpexporter.catalogue.metrics import METRICS
from bpexporter.hub.hub import Hub, checked_hub
from bpexporter.hub.snapshot import Snapshot
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.primitives.public import public
from bpexporter.resources.declaration import Metric

FAMILIES: dict[str, Callable[..., Family]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


def empty_family(metric: Metric) -> Any:
    """The family of `metric` without samples."""
    return FAMILIES[metric.kind](metric.family, metric.help, labels=metric.labels)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """The families of the catalogue with the samples of `snapshot`, but for those of which nothing is known there."""
    for metric in METRICS:
        family = empty_family(metric)
        for name, reading in snapshot.kinds[metric.subject].items():
            value = metric.value_of(reading)
            if value is not None:
                _fill(family, metric, [name] if metric.label else [], value)
        if family.samples or not snapshot.kinds[metric.subject]:
            yield family


def _fill(family: Any, metric: Metric, labels: list[str], value: Any) -> None:
    if isinstance(value, HistogramReading):
        bounds = [*map(floatToGoString, value.bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.sum)
    elif metric.table:
        for values, one in value.items():
            family.add_metric([*labels, *values], one)
    elif metric.split:
        for part, one in zip(metric.parts, value, strict=True):
            family.add_metric([*labels, part], one)
    else:
        family.add_metric(labels, value)


@public
class Collector(BaseCollector):
    """Collects what `hub` (default: the process-wide one) records, for any registry.

    Raises ``TypeError`` where `hub` is no `Hub`. Registering it collects nothing.
    """

    def __init__(self, hub: Hub | None = None) -> None:
        self._hub = checked_hub(hub)

    @property
    def hub(self) -> Hub:
        """The hub that it collects."""
        return self._hub

    def collect(self) -> Iterable[Family]:
        """The families with their samples now, but for those of which nothing is known of what there is."""
        return families(self._hub.snapshot())

    def describe(self) -> Iterable[Family]:
        """All families, empty."""
        return map(empty_family, METRICS)
