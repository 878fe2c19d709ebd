"""The verdict over successive readings, and the metrics that are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bpexporter.primitives.public import public
from bpexporter.resources.declaration import Metric, declaring

Accused = tuple[str, str, str]
"""Cause, kind and name."""
LABELS = "cause", "kind", "name"


@public
class CulpritReading(NamedTuple):
    """The verdict of a process at one moment."""

    info: Mapping[Accused, int]
    """1 for each culprit of the present verdict."""
    seconds: Mapping[Accused, float]
    """Seconds that each was a culprit."""
    age_seconds: Mapping[Accused, float]
    """Seconds that each of the present verdict has been a culprit without a break."""


_culprit = declaring("culprit", "backpressure_culprit_")

CULPRIT_METRICS: tuple[Metric, ...] = (
    _culprit(
        "info", "gauge", "", "info",
        "1 for each culprit of the present verdict: what a stall comes from, or unknown where that is not known.",
        "Look at the stage or resource that it names.", merge="max", table=LABELS,
    ),
    _culprit(
        "seconds_total", "counter", "seconds", "seconds", "Seconds that each culprit was part of the verdict.",
        "Its rate is the share of time in which others waited for this one.", table=LABELS,
    ),
    _culprit(
        "age_seconds", "gauge", "seconds", "age_seconds",
        "Seconds that each culprit of the present verdict has been one without a break.",
        "Nobody has mended it since.", merge="max", table=LABELS, ages=True,
    ),
)  # fmt: skip
