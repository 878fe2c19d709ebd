"""Readings of several members, or of several processes, made one as the catalogue says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

from bpexporter.catalogue.metrics import READINGS, metrics_of
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.declaration import Merge


def _plus(one: Any, other: Any) -> Any:
    if isinstance(one, HistogramReading):
        return one.plus(other)
    return one + other


COMBINE_NUMBERS: dict[Merge, Callable[[Any, Any], Any]] = {"sum": _plus, "max": max, "min": min}


def _combining(merge: Merge) -> Callable[[Any, Any], Any]:
    """How two values of a field become one: numbers, tuples place by place, tables by the values of their labels."""
    numbers = COMBINE_NUMBERS[merge]

    def combine(one: Any, other: Any) -> Any:
        if isinstance(one, Mapping):
            both = {key: numbers(one[key], other[key]) for key in one if key in other}
            return {**one, **other, **both}
        if isinstance(one, tuple) and not isinstance(one, HistogramReading):
            return tuple(map(numbers, one, other))
        return numbers(one, other)

    return combine


def _merge_field(combine: Callable[[Any, Any], Any], values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return reduce(combine, known) if known else None


# Per subject, the way to combine each field, in the order of the reading's fields.
_COMBINE: dict[str, tuple[Callable[[Any, Any], Any], ...]] = {
    subject: tuple(
        _combining(next((metric.merge for metric in metrics_of(subject) if metric.field == field), "sum"))
        for field in reading._fields
    )
    for subject, reading in READINGS.items()
}


# Per subject, the fields of counted seconds.
_SECONDS: dict[str, tuple[str, ...]] = {
    subject: tuple(one.field for one in metrics_of(subject) if (one.kind, one.unit) == ("counter", "seconds"))
    for subject in READINGS
}


def seconds(subject: str, reading: Any) -> tuple[Any, ...]:
    """What `reading` says of counted seconds, for `at_least`."""
    return tuple(getattr(reading, field) for field in _SECONDS[subject])


def at_least(subject: str, reading: Any, shown: tuple[Any, ...]) -> Any:
    """`reading`, with no counted second less than was `shown` before.

    A thread may be held up between an answer of the clock and the use of it; what was read of its queue meanwhile
    is ahead of it, and would be taken back.
    """
    now = seconds(subject, reading)
    if all(map(_reaches, now, shown)):
        return reading
    return reading._replace(**dict(zip(_SECONDS[subject], map(_higher, now, shown), strict=True)))


def _reaches(now: Any, shown: Any) -> bool:
    if isinstance(now, tuple):
        return shown is None or all(map(_reaches, now, shown))
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
