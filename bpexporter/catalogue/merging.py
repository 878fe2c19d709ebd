"""Readings of several members, or of several processes, made one as the catalogue says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from operator import ge, itemgetter
from typing import Any

from bpexporter.catalogue.metrics import READINGS, metrics_of
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.declaration import Merge

# The most readings that are merged at a time.
BATCH = 200

COMBINE_NUMBERS: dict[Merge, Callable[[Iterable[Any]], Any]] = {"sum": sum, "max": max, "min": min}


def _combining(merge: Merge) -> Callable[[list[Any]], Any]:
    """Returns the function that makes the values of a field one: numbers, tuples by place, tables by values of labels.

    There may be many thousand, one for each connection: what they are is looked at once.
    """
    numbers = COMBINE_NUMBERS[merge]

    def combine(values: list[Any]) -> Any:
        if isinstance(values[0], HistogramReading):
            return _added(values)
        if isinstance(values[0], Mapping):
            keys = dict.fromkeys(key for value in values for key in value)
            return {key: numbers([value[key] for value in values if key in value]) for key in keys}
        if isinstance(values[0], tuple):
            return tuple(map(numbers, zip(*values, strict=False)))
        return numbers(values)

    return combine


def _added(values: list[HistogramReading]) -> HistogramReading:
    counts = tuple(map(sum, zip(*(value.counts for value in values), strict=True)))
    return HistogramReading(values[0].bounds, counts, sum(value.sum for value in values))


def _taking(places: list[int]) -> Callable[[Any], tuple[Any, ...]]:
    """Returns the function that takes what stands at these places of a tuple."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


def _merge_field(combine: Callable[[list[Any]], Any], values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return combine(known) if len(known) > 1 else known[0] if known else None


# Per subject, the way to combine each field, in the order of the reading's fields.
_COMBINE: dict[str, tuple[Callable[[list[Any]], Any], ...]] = {
    subject: tuple(
        _combining(next((metric.merge for metric in metrics_of(subject) if metric.field == field), "sum"))
        for field in reading._fields
    )
    for subject, reading in READINGS.items()
}


# Per subject, the fields of counted seconds, and what takes them from a reading.
_SECONDS: dict[str, tuple[str, ...]] = {
    subject: tuple(one.field for one in metrics_of(subject) if (one.kind, one.unit) == ("counter", "seconds"))
    for subject in READINGS
}
_TAKEN: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    subject: _taking([READINGS[subject]._fields.index(field) for field in fields])
    for subject, fields in _SECONDS.items()
}


def seconds(subject: str, reading: Any) -> tuple[Any, ...]:
    """Returns the counted seconds of `reading`, for `at_least`."""
    return _TAKEN[subject](reading)


def reach(now: tuple[Any, ...], shown: tuple[Any, ...]) -> bool:
    """Returns whether no counted second of `now` is less than was `shown` before."""
    return all(map(_reaches, now, shown))


def at_least(subject: str, reading: Any, shown: tuple[Any, ...]) -> Any:
    """`reading`, with no counted second less than was `shown` before.

    A thread may be held up between an answer of the clock and the use of it; what was read of its queue meanwhile
    is ahead of it, and would be taken back.
    """
    higher = map(_higher, seconds(subject, reading), shown)
    return reading._replace(**dict(zip(_SECONDS[subject], higher, strict=True)))


def _reaches(now: Any, shown: Any) -> bool:
    if type(now) is float and type(shown) is float:
        return now >= shown
    if isinstance(now, tuple):
        return shown is None or all(map(ge, now, shown))
    if isinstance(now, Mapping):
        return shown is None or all(_reaches(now.get(key, -1), value) for key, value in shown.items())
    return now is None or shown is None or bool(now >= shown)


def _higher(now: Any, shown: Any) -> Any:
    if isinstance(now, tuple) and shown is not None:
        return tuple(map(_higher, now, shown))
    if isinstance(now, Mapping) and shown is not None:
        return {**now, **{key: _higher(now.get(key, value), value) for key, value in shown.items()}}
    return now if _reaches(now, shown) else shown


def merge(subject: str, readings: list[Any]) -> Any:
    """One reading of all `readings`, merged as the catalogue says; what nobody knows stays unknown."""
    if len(readings) == 1:
        return readings[0]
    columns = zip(_COMBINE[subject], zip(*readings, strict=True), strict=True)
    return READINGS[subject](*(_merge_field(combine, values) for combine, values in columns))


def merge_all(subject: str, readings: Iterable[Any]) -> Any:
    """The same for any number of `readings`, of which few are kept at a time; ``None`` where there is none.

    Ten thousand tuples at once would bring on a collection of all of the host's garbage.
    """
    rest = iter(readings)
    merged: list[Any] = []
    while batch := list(islice(rest, BATCH)):
        merged = [merge(subject, merged + batch)]
    return merged[0] if merged else None
