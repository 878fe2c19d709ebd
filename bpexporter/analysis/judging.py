"""The verdict of a process as it goes on: over the last seconds, at each reading of its hub.

So whoever shows readings, a page of metrics, a snapshot, a sidecar, shows the same verdict, and none of them walks the
graph again.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from bpexporter.analysis.findings import Verdict
from bpexporter.analysis.flow import COLUMNS, LOOP, STREAM, Readings, busy_share, clock_of, flow
from bpexporter.analysis.sizing import filling
from bpexporter.analysis.strains import BACKLOG, BUSY, FAR, PRESSED
from bpexporter.analysis.verdict import Judge, judge
from bpexporter.resources.culprit.metrics import Accused, CulpritReading

# Seconds between two looks, and of the shortest window; one is at most twice as long, or as long as nobody has read.
LOOK_SECONDS, WINDOW_SECONDS = 1.0, 5.0
HEALTHY = Verdict(())

# Of the readings of each kind, what a verdict asks: the rest of them is not kept.
KEPT: dict[str, attrgetter[Any]] = {
    kind: attrgetter(*(field for field in fields.values() if field)) for kind, fields in COLUMNS.items()
}
PLACES: dict[str, dict[str, int]] = {
    kind: {field: place for place, field in enumerate(filter(None, fields.values()))}
    for kind, fields in COLUMNS.items()
}


class Mark(NamedTuple):
    """A reading that others are compared with."""

    at: float
    readings: Readings


class Judging:
    """Judges successive readings of one hub. Not for several threads at a time."""

    def __init__(self) -> None:
        self.verdict = HEALTHY
        self._older: Mark | None = None
        self._newer: Mark | None = None
        self._looked = float("-inf")
        self._since: dict[Accused, float] = {}
        self._reading = CulpritReading({}, {}, {})

    def read(self, readings: Readings, now: float) -> CulpritReading:
        """The verdict at `now`, when `readings` were taken."""
        if self._older is None or self._newer is None:
            self._older = self._newer = Mark(now, kept(readings))
            self._looked = now
        elif now - self._looked >= LOOK_SECONDS:
            self._look(self._older, readings, now)
            if now - self._newer.at >= WINDOW_SECONDS:
                self._older, self._newer = self._newer, Mark(now, kept(readings))
        return self._reading

    def _look(self, older: Mark, readings: Readings, now: float) -> None:
        passed, self._looked = now - self._looked, now
        seconds = now - older.at
        troubled = is_troubled(older.readings, readings, seconds)
        self.verdict = judge(older.readings, readings, seconds) if troubled else HEALTHY
        found = {one.accused: one for one in self.verdict.findings}
        self._since = {accused: self._since.get(accused, now - passed) for accused in found}
        ages = {accused: max(one.since_seconds, now - self._since[accused]) for accused, one in found.items()}
        counted = {accused: self._reading.seconds.get(accused, 0.0) + passed for accused in found}
        self._reading = CulpritReading(dict.fromkeys(found, 1), {**self._reading.seconds, **counted}, ages)


def concluded(first: Readings, second: Readings, seconds: float) -> Verdict:
    """The verdict over two readings, with what the process knew of how long that had been so, and what fills up."""
    happened = flow(first, second, seconds)
    verdict = Judge(happened).verdict()
    reading = second.get("culprit", {}).get("")
    known = (reading.age_seconds if reading is not None else None) or {}
    findings = tuple(
        one._replace(since_seconds=max(one.since_seconds, known.get(one.accused, 0.0))) for one in verdict.findings
    )
    return Verdict(findings, (*verdict.notes, *filling(happened)))


def kept(readings: Readings) -> Readings:
    """Of `readings` what a later verdict asks."""
    found: dict[str, Mapping[str, Any]] = {
        kind: {name: Kept(kind, get(reading)) for name, reading in readings.get(kind, {}).items()}
        for kind, get in KEPT.items()
    }
    return {**found, LOOP: dict(readings.get(LOOP, {})), "stage": dict(readings.get("stage", {}))}


class Kept:
    """The fields of a reading that a verdict asks, by their names."""

    __slots__ = ("_kind", "_values")

    def __init__(self, kind: str, values: tuple[Any, ...]) -> None:
        self._kind, self._values = kind, values

    def __getattr__(self, field: str) -> Any:
        place = PLACES[self._kind].get(field)
        if place is None:
            raise AttributeError(field)
        return self._values[place]


def is_troubled(first: Readings, second: Readings, seconds: float) -> bool:
    """Returns whether there can be a finding at all: costs a fraction of the verdict, and is false as a rule."""
    for kind in COLUMNS:
        before = first.get(kind, {})
        for name, now in second.get(kind, {}).items():
            if _may_press(kind, before.get(name), now, seconds):
                return True
    unbounded = (now for now in second.get("queue", {}).values() if now.capacity_items is None)
    if any((now.depth_items or 0) >= BACKLOG for now in unbounded):
        return True
    return any(_may_be_busy(first.get(LOOP, {}).get(name), now, seconds) for name, now in second.get(LOOP, {}).items())


def _may_press(kind: str, before: Any, now: Any, seconds: float) -> bool:
    clock = COLUMNS[kind][clock_of(kind, now)]
    stalled = getattr(now, clock, None)
    if stalled and stalled - (getattr(before, clock, None) or 0.0) >= PRESSED * seconds:
        return True
    is_far = kind == STREAM and (now.utilization_ratio or 0.0) >= FAR
    return is_far or bool(now.longest_block_seconds and now.longest_block_seconds >= seconds)


def _may_be_busy(before: Any, now: Any, seconds: float) -> bool:
    return (busy_share(before, now, seconds) or 0.0) >= BUSY
