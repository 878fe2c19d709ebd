"""Readings as rows: there and back, counting from a base, and many made one."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import readings

from bpexporter.catalogue.merging import merge
from bpexporter.catalogue.metrics import READINGS
from bpexporter.primitives.histogram import HistogramReading
from bpexporter.publishing.format import doubles_of, names_of, rows_in, table_of
from bpexporter.publishing.merging import Merging, Names, Part
from bpexporter.publishing.rows import GRAINS, counted, reading_of, row_of, since

COUNTS = st.integers(0, 2**40)
# Made once: to make a strategy takes longer than to draw from it.
DRAWN = {subject: readings(subject, numbers=COUNTS) for subject in READINGS}
subjects = pytest.mark.parametrize("subject", list(READINGS))


def plain(value):
    """A value as it is after it was published: seconds in whole grains, tables as dicts."""
    if isinstance(value, HistogramReading):
        return value._replace(sum=math.floor(value.sum * GRAINS) / GRAINS)
    return dict(value) if isinstance(value, Mapping) else value


@subjects
@given(data=st.data())
@settings(max_examples=10)
def test_a_reading_comes_back(subject, data):
    """What is published of a reading is that reading, whatever its numbers, tables and unknowns."""
    reading = data.draw(DRAWN[subject])
    back = reading_of(row_of(subject, reading))
    assert back._asdict() == {field: plain(value) for field, value in reading._asdict().items()}


@subjects
@given(data=st.data())
@settings(max_examples=10)
def test_rows_pass_through_bytes(subject, data):
    """Rows are the same after they were written and read."""
    drawn = data.draw(st.lists(DRAWN[subject], max_size=3))
    rows = {(subject, f"n{at}"): row_of(subject, reading) for at, reading in enumerate(drawn)}
    table = table_of(names_of(rows, {"pid": 1}))
    back = rows_in(table, doubles_of(rows))
    assert table.about == {"pid": 1}
    assert {key: reading_of(row) for key, row in back.items()} == {key: reading_of(row) for key, row in rows.items()}


@subjects
@given(data=st.data())
@settings(max_examples=10)
def test_rows_are_merged_as_readings_are(subject, data):
    """Many rows made one give what the catalogue makes of their readings, in whatever order and form they come."""
    drawn = data.draw(st.lists(DRAWN[subject], min_size=1, max_size=5))
    merging = Merging(Names())
    for reading in drawn:
        merging.add(Part({(subject, "n"): row_of(subject, reading)}))
    whole = merge(subject, [reading_of(row_of(subject, reading)) for reading in drawn])
    assert merging.readings() == {(subject, "n"): whole}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, -0.5])
def test_what_is_no_number_from_0_on_is_not_known(value):
    """A size of the host's that is no size gives no series, in the place of a wrong one."""
    blank = READINGS["queue"](**dict.fromkeys(READINGS["queue"]._fields))
    assert reading_of(row_of("queue", blank._replace(capacity_items=value))).capacity_items is None


@subjects
@given(data=st.data())
@settings(max_examples=10)
def test_what_is_counted_since_adds_up(subject, data):
    """What was counted before, and what is counted since, are what is counted in all."""
    before, more = (data.draw(DRAWN[subject]) for _ in range(2))
    first, both = row_of(subject, before), row_of(subject, merge(subject, [before, more]))
    merging = Merging(Names())
    for row in (counted(first), counted(since(both, first))):
        merging.add(Part({(subject, "n"): row}))
    (whole,) = merging.readings().values()
    assert known(whole) == known(reading_of(counted(both)))


def known(reading):
    """The fields of a reading that say something."""
    return {field: value for field, value in reading._asdict().items() if value not in (None, {})}


def test_histograms_with_other_bounds_are_left_out_and_counted():
    """Buckets are never added up by position: those of the first process are shown, the others are counted."""
    blank = READINGS["queue"](**dict.fromkeys(READINGS["queue"]._fields))
    first, second = HistogramReading((1.0, 2.0), (1, 2, 3), 4.0), HistogramReading((1.0, 3.0), (5, 6, 7), 8.0)
    merging = Merging(Names())
    for histogram in (first, second, second):
        row = row_of("queue", blank._replace(put_wait_seconds=histogram, puts=1))
        merging.add(Part({("queue", "n"): row}))
    (whole,) = merging.readings().values()
    assert (whole.put_wait_seconds, whole.puts, merging.histograms_left_out) == (first, 3, 2)


def test_names_are_bounded_again_and_stay():
    """Of many processes' names the first get series of their own, and keep them; the others are one."""
    names = Names(most=2)
    assert [names.shown("queue", name) for name in ("a", "b", "c", "a", "d")] == [
        "a",
        "b",
        "__other__",
        "a",
        "__other__",
    ]
    again = Names(names.full(), most=2)
    assert [again.shown("queue", name) for name in ("d", "b")] == ["__other__", "b"]
    assert again.shown("stream", "d") == "d"


def test_what_ages_is_as_old_as_it_is_by_now():
    """Ages grow by the time since the publication, where there is an age; counters do not."""
    blank = READINGS["queue"](**dict.fromkeys(READINGS["queue"]._fields))
    for age, shown in ((0.0, 0.0), (3.0, 5.0)):
        merging = Merging(Names())
        reading = blank._replace(longest_block_seconds=age, stalled_seconds=3.0)
        merging.add(Part({("queue", "n"): row_of("queue", reading)}, 2.0))
        (whole,) = merging.readings().values()
        assert (whole.longest_block_seconds, whole.stalled_seconds) == (shown, 3.0)
