"""All declarations together.

No metric name is written anywhere else in the package: exposition, the table in the docs, dashboards and rules are
made from the declarations or checked against them.
"""

from __future__ import annotations

from typing import Any

from bpexporter.resources.declaration import Metric
from bpexporter.resources.exporter.metrics import ITSELF_METRICS, ItselfReading
from bpexporter.resources.limiter.metrics import LIMITER_METRICS, LimiterReading
from bpexporter.resources.loop.metrics import LOOP_METRICS, LoopReading
from bpexporter.resources.queue.metrics import QUEUE_METRICS, QueueReading
from bpexporter.resources.stream.metrics import STREAM_METRICS, StreamReading

READINGS: dict[str, type[Any]] = {
    "queue": QueueReading,
    "stream": StreamReading,
    "limiter": LimiterReading,
    "loop": LoopReading,
    "itself": ItselfReading,
}


METRICS: tuple[Metric, ...] = QUEUE_METRICS + STREAM_METRICS + LIMITER_METRICS + LOOP_METRICS + ITSELF_METRICS


def metrics_of(subject: str) -> tuple[Metric, ...]:
    """The metrics that are read from the readings of `subject`."""
    return tuple(metric for metric in METRICS if metric.subject == subject)
