"""What the exporter says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bpexporter.resources.declaration import Metric, declaring


class ItselfReading(NamedTuple):
    """The exporter, at one moment."""

    build_info: Mapping[tuple[str], int]
    """1 for the version that runs."""
    collect_seconds: float
    """Seconds that the reading of all ledgers took."""
    collect_errors: int
    """Errors of our own that were swallowed in this process."""
    watched_objects: Mapping[tuple[str], int]
    """Live watched objects by kind."""
    folded_names: Mapping[tuple[str], int]
    """Objects whose name was folded into ``__other__``, by kind."""


_itself = declaring("itself", "bpexporter_")

ITSELF_METRICS: tuple[Metric, ...] = (
    _itself(
        "build_info", "gauge", "", "build_info", "1, with the version of bpexporter as a label.",
        "Does not grow.", merge="max", table=("version",),
    ),
    _itself(
        "collect_seconds", "gauge", "seconds", "collect_seconds", "Time that the reading of all ledgers took.",
        "More is watched, or the machine is busy.", merge="max",
    ),
    _itself(
        "collect_errors_total", "counter", "errors", "collect_errors",
        "Errors of bpexporter's own, swallowed so that the application does not see them.",
        "Readings may be missing: the log says why.",
    ),
    _itself(
        "watched_objects", "gauge", "objects", "watched_objects", "Live watched objects by kind.",
        "Growing without end: objects are made and never dropped.", table=("kind",),
    ),
    _itself(
        "folded_names_total", "counter", "objects", "folded_names",
        "Objects counted under __other__ because there were too many names.",
        "A name is made from something unbounded, such as a connection or a user.",
        table=("kind",),
    ),
)  # fmt: skip
