"""Layouts: where the fields of a reading lie in a row of floats, for rows are what is published.

A layout is made once for each form that a reading takes, so that rows of many processes which have the same one are
added up column by column, without a reading being made of any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bpexporter.catalogue.metrics import READINGS, metrics_of
from bpexporter.resources.declaration import Metric

# The form of a field: "number"; "parts" with how many; "histogram" with its bounds; "table" with its keys; "unknown".
Shape = tuple[Any, ...]
NUMBER: Shape = ("number",)
UNKNOWN: Shape = ("unknown",)
# Forms are few; tables whose keys change make new ones, and these must not be kept for ever.
MOST_LAYOUTS = 20_000
DECLARED: dict[str, dict[str, Metric]] = {
    kind: {metric.field: metric for metric in metrics_of(kind)} for kind in READINGS
}


def width(shape: Shape) -> int:
    """Returns how many columns a field of this form takes."""
    match shape:
        case ("number",):
            return 1
        case ("parts", int(count)):
            return count
        case ("histogram", tuple(bounds)):
            return len(bounds) + 2  # the last bucket, and the sum
        case ("table", tuple(keys)):
            return len(keys)
    return 0


class Layout:
    """The form of one reading. Compared by identity: `layout_of` gives the same one for the same form."""

    __slots__ = ("ages", "bounds", "counted", "fields", "kind", "others", "places", "spans", "width")

    def __init__(self, kind: str, fields: tuple[tuple[str, Shape], ...]) -> None:
        self.kind = kind
        self.fields = fields
        self.spans = tuple(_spans(fields))  # field, shape, and where it begins and ends
        self.width = self.spans[-1][3] if self.spans else 0
        self.places = tuple(place for field, shape in fields for place in _places(field, shape))
        known = DECLARED.get(kind, {})
        declared: list[Metric | None] = [known.get(field) for field, *_ in self.places]
        # by column: whether it is a counter's; then the columns that are not added up, and those that are ages
        self.counted = tuple(metric is not None and metric.kind != "gauge" for metric in declared)
        self.others = tuple(
            (at, one.merge) for at, one in enumerate(declared) if one is not None and one.merge != "sum"
        )
        # of the histograms, None where there is none
        kinds = ((DECLARED.get(kind, {}).get(field), shape) for field, shape in fields)
        histograms = [shape for metric, shape in kinds if metric is not None and metric.kind == "histogram"]
        self.bounds = tuple(shape[1] if shape[0] == "histogram" else None for shape in histograms)
        self.ages = tuple(at for at, one in enumerate(declared) if one is not None and one.ages)


def _spans(fields: tuple[tuple[str, Shape], ...]) -> Iterator[tuple[str, Shape, int, int]]:
    at = 0
    for field, shape in fields:
        end = at + width(shape)
        yield field, shape, at, end
        at = end


def _places(field: str, shape: Shape) -> Iterator[tuple[Any, ...]]:
    """Returns the meaning of each column of a field, the same in every layout."""
    match shape[0]:
        case "number":
            yield (field,)
        case "parts":
            yield from ((field, part) for part in range(shape[1]))
        case "histogram":
            yield from ((field, shape[1], bucket) for bucket in range(len(shape[1]) + 2))
        case "table":
            yield from ((field, key) for key in shape[1])


_layouts: dict[tuple[str, tuple[tuple[str, Shape], ...]], Layout] = {}


def layout_of(kind: str, fields: tuple[tuple[str, Shape], ...]) -> Layout:
    """The layout of this form, the same one each time."""
    form = kind, fields
    known = _layouts.get(form)
    if known is None:
        if len(_layouts) >= MOST_LAYOUTS:
            _layouts.clear()
        known = _layouts.setdefault(form, Layout(kind, fields))
    return known
