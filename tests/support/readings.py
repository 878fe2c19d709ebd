"""Readings of any content, made from the catalogue, for property tests."""

from typing import Any

from hypothesis import strategies as st

from bpexporter.catalogue.metrics import METRICS, READINGS
from bpexporter.hub.snapshot import Snapshot
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.resources.declaration import Metric

Numbers = st.SearchStrategy[Any]

# Whatever UTF-8 can carry, with those characters often that a format could stumble over.
NAMES = st.text(st.sampled_from("\"\\\n\r\t\x00{},=#% '\u2028\ufeff☃") | st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 0.0, -0.0, 1, 999, 999_999.5, 1e6, 1e16])
COUNTS = st.integers(0, 2**53)
BOUNDS = st.lists(st.floats(0, exclude_min=True, allow_infinity=False), min_size=1, max_size=4, unique=True)


def values(metric: Metric, bounds: tuple[float, ...], numbers: Numbers) -> st.SearchStrategy[Any]:
    """Anything that the field of `metric` may hold, ``None`` included."""
    if metric.kind == "histogram":
        counts = st.tuples(*[COUNTS] * (len(bounds) + 1))
        return st.none() | st.builds(HistogramReading, st.just(bounds), counts, numbers)
    if metric.table:
        return st.none() | st.dictionaries(st.tuples(*[NAMES] * len(metric.table)), numbers, max_size=3)
    if metric.split:
        return st.none() | st.tuples(*[numbers] * len(metric.parts))
    return st.none() | numbers


def readings(subject: str, bounds: tuple[float, ...] = (0.5,), *, numbers: Numbers = NUMBERS) -> st.SearchStrategy[Any]:
    """Any reading of `subject`; fields that no metric shows are 0; tables have any rows."""
    shown = {metric.field: values(metric, bounds, numbers) for metric in METRICS if metric.subject == subject}
    reading = READINGS[subject]
    return st.builds(reading, **{field: shown.get(field, st.just(0)) for field in reading._fields})


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any snapshot: any names, any numbers, and the buckets that a hub may have."""
    bounds = tuple(sorted(draw(BOUNDS)))
    kinds = {
        subject: draw(st.dictionaries(NAMES, readings(subject, bounds), max_size=2))
        for subject in READINGS
        if subject != "itself"
    }
    return Snapshot({**kinds, "itself": {"": draw(readings("itself"))}})
