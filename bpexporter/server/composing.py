"""The content of the state: resources, stages and links, from two readings and the seconds between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bpexporter.catalogue.metrics import READINGS, metrics_of
from bpexporter.hub.snapshot import Snapshot
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.publishing.publisher import about_process
from bpexporter.server.history import Point


class Figures(NamedTuple):
    """The fields of a reading with its members, the callers that are held up, what comes in and what goes out.

    What goes out of a kind without such a field is what came in less what is `held`.
    """

    members: str
    blocked: str = ""
    came_in: str = ""
    went_out: str = ""
    held: str = ""


FIGURES = {
    "queue": Figures("members", "blocked_producers", "puts", "gets"),
    "stream": Figures("open_writers", "blocked_writers", "written_bytes", held="buffered_bytes"),
    "limiter": Figures("members", "waiting_tasks", went_out="acquire_wait_seconds"),
    "loop": Figures("members"),
}


class Sample(NamedTuple):
    """One reading of all, and when it was made."""

    at: float
    wall: float
    snapshot: Snapshot


class Interval(NamedTuple):
    """Two samples: what has grown between them, a second."""

    before: Sample
    now: Sample

    @property
    def seconds(self) -> float:
        """The seconds between them; 0 where there is one alone."""
        return self.now.at - self.before.at

    def per_second(self, kind: str, name: str, field: str) -> float | None:
        """Returns by how much `field` has grown a second; ``None`` where that is not known."""
        grown = self._grown(kind, name, field)
        return None if grown is None else max(0.0, grown) / self.seconds

    def out_per_second(self, kind: str, name: str) -> float | None:
        """Returns what went out a second: counted, or what came in less what is held."""
        figures = FIGURES[kind]
        if not figures.held:
            return self.per_second(kind, name, figures.went_out)
        came_in, held = self._grown(kind, name, figures.came_in), self._grown(kind, name, figures.held)
        return None if came_in is None or held is None else max(0.0, came_in - held) / self.seconds

    def _grown(self, kind: str, name: str, field: str) -> float | None:
        latest, earlier = self.now.snapshot.kinds[kind].get(name), self.before.snapshot.kinds[kind].get(name)
        value, was = _count(latest, field), _count(earlier, field)
        return None if value is None or was is None or self.seconds <= 0 else value - was


def _count(reading: Any, field: str) -> float | None:
    value = getattr(reading, field, None) if field else None
    return value.total if isinstance(value, HistogramReading) else value


# Resources --------------------------------------------------------------------------------------------------


def named(snapshot: Snapshot) -> Iterator[tuple[str, str, Any]]:
    """Yields kind, name and reading of each resource that is shown."""
    for kind in FIGURES:
        for name, reading in snapshot.kinds.get(kind, {}).items():
            yield kind, name, reading


def point(interval: Interval, kind: str, name: str, reading: Any) -> Point:
    """Returns how full a resource is and its pressure; of a loop, how busy it is."""
    stalled = interval.per_second(kind, name, "stalled_seconds")
    pressure = None if stalled is None else min(1.0, stalled / max(1, getattr(reading, FIGURES[kind].members, 1) or 1))
    if kind == "loop":
        busy = interval.per_second(kind, name, "busy_seconds")
        return Point(None if busy is None else min(1.0, busy), pressure)
    return Point(getattr(reading, "utilization_ratio", None), pressure)


def resource(interval: Interval, kind: str, name: str, reading: Any) -> dict[str, Any]:
    """Returns the figures of one resource that do not ask for its kind."""
    figures, level = FIGURES[kind], point(interval, kind, name, reading)
    return {
        "kind": kind,
        "name": name,
        "members": getattr(reading, figures.members, 1),
        "utilization_ratio": level.utilization_ratio,
        "pressure": level.pressure,
        "blocked": getattr(reading, figures.blocked, None) if figures.blocked else None,
        "longest_block_seconds": getattr(reading, "longest_block_seconds", None),
        "in_per_second": interval.per_second(kind, name, figures.came_in),
        "out_per_second": interval.out_per_second(kind, name),
    }


# By kind: the fields that are tables, and the labels of their rows.
_TABLES = {kind: {one.field: one.table for one in metrics_of(kind) if one.table} for kind in READINGS}


def fields(kind: str, reading: Any) -> dict[str, Any]:
    """A reading as JSON has it: histograms by their parts, a table as a list of its rows."""
    tables = _TABLES[kind]
    return {field: _told(getattr(reading, field), tables.get(field)) for field in reading._fields}


def _told(value: Any, labels: tuple[str, ...] | None) -> Any:
    if value is not None and labels:
        return [{**dict(zip(labels, row, strict=True)), "value": number} for row, number in value.items()]
    return value._asdict() if isinstance(value, HistogramReading) else value


# Stages -----------------------------------------------------------------------------------------------------


def stages(interval: Interval) -> list[dict[str, Any]]:
    """Returns each stage and how its tasks have spent the interval."""
    earlier = interval.before.snapshot.kinds.get("stage", {})
    return [
        _stage(name, reading, earlier.get(name))
        for name, reading in interval.now.snapshot.kinds.get("stage", {}).items()
    ]


def _stage(name: str, reading: Any, before: Any) -> dict[str, Any]:
    seconds = reading.seconds
    earlier = before.seconds if before is not None else (0.0,) * len(seconds)
    idle, blocked, working = (max(0.0, one - other) for one, other in zip(seconds, earlier, strict=True))
    total = idle + blocked + working
    shares = {"working": working, "idle": idle, "blocked": blocked}
    return {
        "name": name,
        "tasks": reading.tasks,
        **{state: round(one / total, 4) if total else 0.0 for state, one in shares.items()},
    }


def links(stages: Mapping[str, Any]) -> list[dict[str, str]]:
    """Returns which stage puts to, gets from, drains or acquires what."""
    return [
        {"stage": name, "resource": resource, "kind": kind, "direction": direction}
        for name, reading in stages.items()
        for resource, kind, direction in reading.link_info
    ]


# Processes --------------------------------------------------------------------------------------------------


def own_process() -> list[dict[str, Any]]:
    """Returns the row of the process that serves itself."""
    about = about_process(0.0)
    return [{"name": f"{about['program']} (pid {about['pid']})", "state": "alive", "age_seconds": 0.0}]
