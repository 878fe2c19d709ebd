"""Readings as rows of floats, and rows as readings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from math import floor
from typing import Any

from bpexporter.catalogue.metrics import READINGS
from bpexporter.hub.snapshot import Snapshot
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.publishing.layouts import DECLARED, NUMBER, UNKNOWN, Layout, Shape, layout_of

NAN, INFINITY = math.nan, math.inf
# Counts are published in whole parts of a second of this size, about a microsecond: sums of such numbers are
# exact in whatever order they are made, so no counter falls by a last digit when a process ends.
GRAINS = 1 << 20
# These are shown as whole numbers, unless they are none.
WHOLE = {"seconds", "ratio"}

Row = tuple[Layout, list[float]]
Rows = dict[tuple[str, str], Row]


class _Plan:
    """The rows of one kind's readings: first the numbers, then the fields whose form may change."""

    def __init__(self, kind: str) -> None:
        declared, names = DECLARED[kind], READINGS[kind]._fields
        numbers = [name for name in names if name in declared and _is_number(declared[name])]
        self.kind = kind
        self.gauges = [names.index(name) for name in numbers if declared[name].kind == "gauge"]
        self.counters = [names.index(name) for name in numbers if declared[name].kind == "counter"]
        others = [at for at, name in enumerate(names) if name not in numbers]
        self.histograms = [at for at in others if names[at] in declared and declared[names[at]].kind == "histogram"]
        self.others = [at for at in others if at not in self.histograms]
        self._numbers = tuple((names[at], NUMBER) for at in (*self.gauges, *self.counters))
        self._names = tuple(names[at] for at in (*self.histograms, *self.others))
        self._known: dict[tuple[Any, ...], Layout] = {}

    def layout(self, bounds: list[tuple[float, ...] | None], shapes: list[Shape]) -> Layout:
        """The layout with these bounds of its histograms, and these shapes after them."""
        # A known layout holds its bounds, so that no others can have their identity; to hash them takes longer.
        form = (*map(id, bounds), *shapes)
        known = self._known.get(form)
        if known is None:
            if len(self._known) >= 1_000:
                self._known.clear()
            found = [UNKNOWN if one is None else ("histogram", one) for one in bounds]
            fields = (*self._numbers, *zip(self._names, (*found, *shapes), strict=True))
            known = layout_of(self.kind, fields)
            if all(one is other for one, other in zip(bounds, known.bounds, strict=True)):
                self._known[form] = known
        return known


def _is_number(metric: Any) -> bool:
    return metric.kind != "histogram" and not metric.split and not metric.table


_plan = cache(_Plan)


def row_of(kind: str, reading: Any) -> Row:
    """`reading` as a row; what is not known, or no number from 0 on, is not a number."""
    plan = _plan(kind)
    gauges = [reading[at] for at in plan.gauges]
    row = [NAN if value is None or not 0 <= value < INFINITY else value for value in gauges]
    counters = [reading[at] for at in plan.counters]
    row += [value if type(value) is int else _grain(value) for value in counters]
    bounds: list[tuple[float, ...] | None] = []
    for at in plan.histograms:
        value = reading[at]
        bounds.append(None if value is None else value.bounds)
        if value is not None:
            row += value.counts
            row.append(_grain(value.sum))
    shapes: list[Shape] = []
    for at in plan.others:
        shape, numbers = shaped(reading[at])
        shapes.append(shape)
        row += numbers
    return plan.layout(bounds, shapes), row


def _grain(value: Any) -> Any:
    return NAN if value is None or not 0 <= value < INFINITY else floor(value * GRAINS) / GRAINS


def shaped(value: Any) -> tuple[Shape, list[float]]:
    """The form of a value that is no histogram, and its numbers."""
    if isinstance(value, tuple):
        return ("parts", len(value)), list(map(_grain, value))
    if isinstance(value, Mapping):
        table = dict(value)
        return ("table", tuple(table)), list(map(_grain, table.values()))
    if isinstance(value, (int, float)):
        return NUMBER, [_grain(value)]
    return UNKNOWN, []


def rows_of(snapshot: Snapshot, swallow: Callable[[Exception], None]) -> Rows:
    """The rows of all readings, by kind and name. One that fails is left out and told to `swallow`."""
    rows: Rows = {}
    for kind, readings in snapshot.kinds.items():
        for name, reading in readings.items():
            try:
                rows[kind, name] = row_of(kind, reading)
            except Exception as error:
                swallow(error)
    return rows


def counted(row: Row) -> Row:
    """Returns the counts of `row`, whose gauges are not known."""
    layout, numbers = row
    return layout, [number if counts else NAN for number, counts in zip(numbers, layout.counted, strict=True)]


def since(row: Row, base: Row) -> Row:
    """`row`, counting from `base` on."""
    layout, numbers = row
    before = {place: number for place, number in zip(base[0].places, base[1], strict=True) if number == number}
    columns = zip(numbers, layout.places, layout.counted, strict=True)
    return layout, [_more(one, before.get(place, 0.0)) if counts else one for one, place, counts in columns]


def _more(number: float, before: float) -> float:
    return max(number - before, 0.0)  # in this order: what is not known stays so


# Back to readings -----------------------------------------------------------------------------------------


def reading_of(row: Row) -> Any:
    """The reading in `row`; fields that are not in it are not known, and those that we do not know are left out."""
    layout, numbers = row
    fields = READINGS[layout.kind]._fields
    values: dict[str, Any] = dict.fromkeys(fields)
    for field, shape, start, stop in layout.spans:
        if field in values:
            metric = DECLARED[layout.kind].get(field)
            whole = metric is None or metric.unit not in WHOLE
            values[field] = _value(shape, numbers[start:stop], whole=whole)
    return READINGS[layout.kind](**values)


def _value(shape: Shape, numbers: list[float], *, whole: bool) -> Any:
    match shape:
        case ("number",):
            return _number(numbers[0], whole=whole)
        case ("histogram", bounds):
            *counts, total = numbers
            return None if total != total else HistogramReading(bounds, tuple(map(int, counts)), total)
        case ("parts", _count):
            parts = tuple(_number(number, whole=whole) for number in numbers)
            return None if None in parts else parts
        case ("table", keys):
            known = zip(keys, numbers, strict=True)
            return {key: _number(number, whole=whole) for key, number in known if number == number}
    return None


def _number(number: float, *, whole: bool) -> Any:
    if number != number:
        return None
    return int(number) if whole and number == floor(number) else number
