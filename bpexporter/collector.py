"""The catalogue and a hub's readings as families of `prometheus_client`.

Floor 4. For applications that have an endpoint already: ``registry.register(Collector())``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector as BaseCollector
from prometheus_client.utils import floatToGoString

from bpexporter.catalogue import METRICS, Metric
from bpexporter.histogram import HistogramReading
from bpexporter.hub import Hub, Snapshot, default_hub

FAMILIES: dict[str, Callable[..., Family]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


def empty_family(metric: Metric) -> Any:
    """The family of `metric` without samples."""
    return FAMILIES[metric.kind](metric.family, metric.help, labels=metric.labels)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """All families of the catalogue with the samples of `snapshot`."""
    for metric in METRICS:
        family = empty_family(metric)
        for name, reading in snapshot.kinds[metric.subject].items():
            value = getattr(reading, metric.field)
            if value is not None:
                _fill(family, metric, [name] if metric.label else [], value)
        yield family


def _fill(family: Any, metric: Metric, labels: list[str], value: Any) -> None:
    if isinstance(value, HistogramReading):
        bounds = [*map(floatToGoString, value.bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.sum)
    elif metric.split:
        for part, one in zip(metric.parts, value, strict=True):
            family.add_metric([*labels, part], one)
    else:
        family.add_metric(labels, value)


class Collector(BaseCollector):
    """Collects what `hub` (default: the process-wide one) records, for any registry.

    Raises ``TypeError`` where `hub` is no `Hub`. Registering it collects nothing.
    """

    def __init__(self, hub: Hub | None = None) -> None:
        if hub is not None and not isinstance(hub, Hub):
            raise TypeError(f"hub must be a bpexporter.Hub, not {type(hub).__name__}")
        self._hub = default_hub if hub is None else hub

    def collect(self) -> Iterable[Family]:
        """All families with their samples now."""
        return families(self._hub.snapshot())

    def describe(self) -> Iterable[Family]:
        """All families, empty."""
        return map(empty_family, METRICS)
