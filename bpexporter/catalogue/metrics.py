"""All declarations together.

No metric name is written anywhere else in the package: exposition, the table in the docs, dashboards and rules are
made from the declarations or checked against them.
"""

from __future__ import annotations

from typing import Any

from bpexporter.resources.culprit.metrics import CULPRIT_METRICS, CulpritReading
from bpexporter.resources.declaration import Metric
from bpexporter.resources.exporter.metrics import ITSELF_METRICS, ItselfReading
from bpexporter.resources.limiter.metrics import LIMITER_METRICS, LimiterReading
from bpexporter.resources.loop.metrics import LOOP_METRICS, LoopReading
from bpexporter.resources.queue.metrics import QUEUE_METRICS, QueueReading
from bpexporter.resources.stage.metrics import STAGE_METRICS, StageReading
from bpexporter.resources.stream.metrics import STREAM_METRICS, StreamReading

# By subject: what is read of it, and what is declared of that; the page is in this order.
SUBJECTS: dict[str, tuple[type[Any], tuple[Metric, ...]]] = {
    "queue": (QueueReading, QUEUE_METRICS),
    "stream": (StreamReading, STREAM_METRICS),
    "limiter": (LimiterReading, LIMITER_METRICS),
    "loop": (LoopReading, LOOP_METRICS),
    "stage": (StageReading, STAGE_METRICS),
    "culprit": (CulpritReading, CULPRIT_METRICS),
    "itself": (ItselfReading, ITSELF_METRICS),
}
READINGS: dict[str, type[Any]] = {subject: reading for subject, (reading, _) in SUBJECTS.items()}
METRICS: tuple[Metric, ...] = tuple(metric for _, metrics in SUBJECTS.values() for metric in metrics)


def metrics_of(subject: str) -> tuple[Metric, ...]:
    """The metrics that are read from the readings of `subject`."""
    return tuple(metric for metric in METRICS if metric.subject == subject)
