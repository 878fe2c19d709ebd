"""Rows of many processes made one reading for each name: by the catalogue, column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from bpexporter.catalogue.merging import merge
from bpexporter.catalogue.metrics import READINGS
from bpexporter.hub.registry import MAX_NAMES, OTHER_NAME
from bpexporter.hub.snapshot import Snapshot
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.publishing.layouts import Layout
from bpexporter.publishing.rows import NAN, Row, Rows, reading_of

HIGHEST: dict[str, Callable[..., float]] = {"max": max, "min": min}


class Part(NamedTuple):
    """The part of the whole that one process adds, or all that have ended."""

    rows: Rows
    age: float = 0.0
    """Seconds since it was published: what ages is older by them."""


class Names:
    """Returns the names that have series of their own: the first of each kind, as many as a hub may have.

    A name that was shown stays, whoever else comes, so that no counter moves to another series.
    """

    def __init__(self, admitted: Mapping[str, Iterable[str]] = MappingProxyType({}), *, most: int = MAX_NAMES) -> None:
        self.most = most
        self.admitted: dict[str, dict[str, None]] = {kind: dict.fromkeys(names) for kind, names in admitted.items()}
        self.refused = 0

    def shown(self, kind: str, name: str) -> str:
        """The name under which `name` is shown."""
        names = self.admitted.setdefault(kind, {})
        if name in names or name == OTHER_NAME:
            return name
        if len(names) >= self.most:
            self.refused += 1
            return OTHER_NAME
        names[name] = None
        return name

    def full(self) -> dict[str, list[str]]:
        """The names of the kinds that have no room left: these must outlive us."""
        return {kind: list(names) for kind, names in self.admitted.items() if len(names) >= self.most}


class Merging:
    """Parts made one."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.histograms_left_out = 0
        self._rows: dict[tuple[str, str], dict[Layout, list[list[float]]]] = {}

    def add(self, part: Part) -> None:
        """A further part. Of histograms with different bounds under one name those of the first part count."""
        shown, groups, age = self.names.shown, self._rows, part.age
        for (kind, name), (layout, row) in part.rows.items():
            if age > 0 and layout.ages:
                row = row.copy()
                for at in layout.ages:
                    row[at] += age if row[at] > 0 else 0.0
            key = kind, shown(kind, name)
            group = groups.get(key)
            if group is None:
                group = groups[key] = {}
            if layout in group:
                group[layout].append(row)
            else:
                group[layout] = [row]

    def readings(self) -> dict[tuple[str, str], Any]:
        """One reading for each kind and name."""
        return {key: self._reading(key[0], group) for key, group in self._rows.items()}

    def snapshot(self) -> Snapshot:
        """All readings, as those of a hub."""
        kinds: dict[str, dict[str, Any]] = {kind: {} for kind in READINGS}
        for (kind, name), reading in self.readings().items():
            kinds[kind][name] = reading
        return Snapshot(MappingProxyType({kind: MappingProxyType(named) for kind, named in kinds.items()}))

    def _reading(self, kind: str, group: dict[Layout, list[list[float]]]) -> Any:
        readings = [reading_of(added(layout, rows)) for layout, rows in group.items()]
        if len(readings) == 1:
            return readings[0]
        return merge(kind, self._alike(readings, [len(rows) for rows in group.values()]))

    def _alike(self, readings: list[Any], counts: list[int]) -> list[Any]:
        """`readings` without the histograms whose bounds are not those of the first."""
        first: dict[str, tuple[float, ...]] = {}
        alike = []
        for reading, count in zip(readings, counts, strict=True):
            other: dict[str, None] = {}
            for field, value in zip(reading._fields, reading, strict=True):
                if isinstance(value, HistogramReading) and first.setdefault(field, value.bounds) != value.bounds:
                    other[field] = None
                    self.histograms_left_out += count
            alike.append(reading._replace(**other) if other else reading)
        return alike


def added(layout: Layout, rows: list[list[float]]) -> Row:
    """Rows of one layout made one; what nobody knows is not known."""
    if len(rows) == 1:
        return layout, rows[0]
    columns = list(zip(*rows, strict=True))
    total: list[float] = list(map(sum, columns))
    for at, number in enumerate(total):
        if number != number:
            total[at] = sum(filter(_is_known, columns[at])) if any(map(_is_known, columns[at])) else NAN
    for at, rule in layout.others:
        known = filter(_is_known, columns[at])
        total[at] = HIGHEST[rule](known, default=NAN)
    return layout, total


def _is_known(number: float) -> bool:
    return number == number
