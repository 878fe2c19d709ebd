"""The exporter's reading of itself, and the metrics that are made of it."""

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
    processes: Mapping[tuple[str], int] | None = None
    """Processes by state; ``None`` where one process shows itself."""
    process_age_seconds: float | None = None
    """Seconds since the publication that is oldest, of the processes that are alive."""
    files_left_out: Mapping[tuple[str], int] | None = None
    """Files in the folder that say nothing, by what is wrong with them."""
    histograms_left_out: int | None = None
    """Histograms of processes whose bounds differ from those that are shown."""
    worst_pressure_ratio: Mapping[tuple[str, str], float] | None = None
    """By kind and name, the pressure of the process where it is highest."""


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
    _itself(
        "processes", "gauge", "processes", "processes",
        "Processes in the folder of the sidecar: alive; ended, with a publication at the end; killed, without one.",
        "ended and killed grow as processes end; killed: the last second of each is lost.", table=("state",),
    ),
    _itself(
        "process_age_seconds", "gauge", "seconds", "process_age_seconds",
        "Age of the oldest publication of a process that is alive.",
        "Over 5 s: a process cannot publish; its interpreter is stuck, or stopped.", merge="max",
    ),
    _itself(
        "files_left_out", "gauge", "files", "files_left_out",
        "Files in the folder of the sidecar that are left out: damaged, copies, of another version or user.",
        "Something else writes into the folder, or versions of bpexporter are mixed.", table=("reason",),
    ),
    _itself(
        "histograms_left_out", "gauge", "histograms", "histograms_left_out",
        "Histograms of processes that are left out because their buckets differ from those shown under the same name.",
        "Processes with different buckets share a folder.",
    ),
    _itself(
        "worst_process_pressure_ratio", "gauge", "ratio", "worst_pressure_ratio",
        "Pressure in the process where it is highest, over 15 s: stalled seconds a second and member, 0 to 1.",
        "One process of many is held up, which a mean over all of them hides.", merge="max", table=("kind", "resource"),
    ),
)  # fmt: skip
