"""Durations: kept raw, sorted into buckets at the reading."""

import math
import sys
import threading
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpexporter import Hub
from bpexporter.primitives.histogram import DEFAULT_BUCKETS, RAW_LIMIT, Durations, HistogramReading, checked_buckets

BOUNDS = (0.5, 1.0, 2.5)
SECONDS = st.floats(0, 5) | st.sampled_from([0, 0.0, *BOUNDS, math.nextafter(1, 2), math.nextafter(1, 0), 1e9])


def fed(durations, bounds=BOUNDS):
    """What is made of `durations`, and a reader of it, which is told how many were brief, as a ledger tells it."""
    made = Durations(bounds)
    for duration in durations:
        made.feed(duration)
    return made


def read(made, brief):
    """A reading of `made`, of whose durations `brief` lay in the first bucket."""
    made.settle()
    counts = None if made.counts is None else made.counts[:]
    return made.reading(counts, made.sorted_seconds + made.briefly, brief)


def in_first(durations, bounds=BOUNDS):
    """How many of `durations` lie in the first bucket."""
    return sum(duration <= bounds[0] for duration in durations)


# Sorting -------------------------------------------------------------------------------------------------


@given(st.lists(SECONDS, max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_each_duration_is_in_its_bucket(durations, readings):
    """A bucket holds what is over the bound before it and not over its own, whenever somebody reads in between."""
    made = Durations(BOUNDS)
    for number, duration in enumerate(durations):
        if number in readings:
            made.settle()
        made.feed(duration)
    reading = read(made, in_first(durations))
    edges = [-1, *BOUNDS, math.inf]
    wanted = tuple(sum(low < one <= high for one in durations) for low, high in pairwise(edges))
    assert reading.counts == wanted
    assert reading.total == len(durations)
    assert reading.sum == pytest.approx(math.fsum(durations))
    assert reading.bounds == BOUNDS


def test_nothing_was_fed():
    """No durations are as many buckets of 0, and one more for what is over all bounds."""
    assert read(Durations(BOUNDS), 0) == HistogramReading(BOUNDS, (0, 0, 0, 0), 0)


def test_a_second_reading_changes_nothing():
    """To read takes nothing away and adds nothing."""
    durations = [0.1, 0.7, 0.7, 99.0]
    made = fed(durations)
    first = read(made, in_first(durations))
    assert read(made, in_first(durations)) == first == HistogramReading(BOUNDS, (1, 2, 0, 1), pytest.approx(100.5))


def test_a_reading_is_a_copy():
    """What is fed later does not change a reading that was taken before."""
    made = fed([0.7])
    first = read(made, 0)
    made.feed(0.7)
    assert read(made, 0).counts == (0, 2, 0, 0)
    assert first.counts == (0, 1, 0, 0)


def test_memory_is_bounded_where_nobody_reads():
    """A hundred thousand durations without a reading are kept as a few hundred at most."""
    made = Durations(BOUNDS)
    for number in range(100_000):
        made.feed(number % 4)
        assert len(made.raw) <= RAW_LIMIT
    assert made.fed() == 75_000
    assert read(made, 25_000) == HistogramReading(BOUNDS, (25_000, 25_000, 25_000, 25_000), 150_000)


def test_what_is_brief_is_not_kept():
    """Durations of the first bucket leave their seconds alone: their number is known to the ledger."""
    made = fed([0.5] * 1_000)
    assert made.fed() == 0
    assert read(made, 1_000) == HistogramReading(BOUNDS, (1_000, 0, 0, 0), 500)


def test_threads_that_read_lose_nothing(monkeypatch):
    """Two readers and a feeder that sorts, too: in the end each duration was counted once, and its seconds too."""
    monkeypatch.setattr("bpexporter.primitives.histogram.RAW_LIMIT", 1)
    made, stop = Durations((0.5, 1.5)), threading.Event()

    def settle():
        while not stop.is_set():
            made.settle()

    readers = [threading.Thread(target=settle) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for one in readers:
            one.start()
        for number in range(30_000):
            made.feed(1 + number % 2)
    finally:
        stop.set()
        for one in readers:
            one.join(10)
        sys.setswitchinterval(before)
    assert read(made, 0) == HistogramReading((0.5, 1.5), (0, 15_000, 15_000), 45_000)


class Interrupted(float):
    """A duration during whose addition another thread comes in between."""

    def __radd__(self, other):
        self.between()
        return other + float(self)


def test_who_sorts_while_another_does_leaves_it_for_later():
    """A reader that comes into the middle of a sorting neither waits for ever nor takes away from its totals."""
    made, late = Durations(BOUNDS), []
    first = Interrupted(2.0)
    first.between = lambda: late.append((made.feed(0.75), made.sort()))
    made.feed(first)
    assert made.sort()
    assert late == [(None, False)]
    assert read(made, 0) == HistogramReading(BOUNDS, (0, 1, 1, 0), 2.75)


# Adding up -----------------------------------------------------------------------------------------------

READINGS = st.builds(HistogramReading, st.just(BOUNDS), st.tuples(*[st.integers(0, 99)] * 4), st.integers(0, 10**6))


@given(READINGS, READINGS, READINGS)
def test_histograms_add_up(one, other, third):
    """Bucket by bucket and second by second, in any order."""
    both = one.plus(other)
    assert both == other.plus(one)
    assert both.plus(third) == one.plus(other.plus(third))
    assert (both.total, both.sum) == (one.total + other.total, one.sum + other.sum)
    assert both.counts == tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))


@given(st.lists(SECONDS, max_size=20), st.lists(SECONDS, max_size=20))
def test_members_together_are_as_one(one, other):
    """Two histograms added are the histogram of all their durations."""
    apart = read(fed(one), in_first(one)).plus(read(fed(other), in_first(other)))
    together = read(fed(one + other), in_first(one + other))
    assert apart == together._replace(sum=pytest.approx(together.sum))


# Buckets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([1], (1.0,)),
        ((0.5, 2), (0.5, 2.0)),
        ([1, math.inf], (1.0,)),
        (iter([1, 2]), (1.0, 2.0)),
        (range(1, 4), (1.0, 2.0, 3.0)),
        ([Decimal("0.5"), Fraction(3, 2)], (0.5, 1.5)),
        (DEFAULT_BUCKETS, DEFAULT_BUCKETS),
    ],
)
def test_buckets_are_ascending_floats(given, taken):
    """Anything that gives ascending numbers will do; the infinite bound is there anyway."""
    assert checked_buckets(given) == taken
    assert Hub(buckets=taken).buckets == taken


@pytest.mark.parametrize(
    ("buckets", "told"),
    [
        ([], "at least one"),
        ([math.inf], "at least one"),
        ([0, 1], "above zero"),
        ([-1, 1], "above zero"),
        ([math.nan], "above zero"),
        ([1, math.nan, 2], "above zero"),
        ([math.inf, 1], "above zero"),
        ([1, math.inf, math.inf], "above zero"),
        ([2, 1], "ascend"),
        ([1, 1], "ascend"),
        ([1, 10**400], "too large"),
    ],
)
def test_wrong_buckets_say_what_is_wrong(buckets, told):
    """Bounds that are none, not above zero, or do not ascend are refused where they are given."""
    with pytest.raises(ValueError, match=told):
        checked_buckets(buckets)
    with pytest.raises(ValueError, match=told):
        Hub(buckets=buckets)


@pytest.mark.parametrize("buckets", [None, 1, [None], [[1]], [1j], ["0.5"], "123", b"12"])
def test_what_is_no_number_is_no_bucket(buckets):
    """What is not numbers is a TypeError."""
    with pytest.raises(TypeError):
        checked_buckets(buckets)


def test_default_buckets_span_what_is_worth_seeing():
    """From a turn of the loop to a minute, in steps that nobody misses."""
    assert checked_buckets(DEFAULT_BUCKETS) == DEFAULT_BUCKETS
    assert (DEFAULT_BUCKETS[0], DEFAULT_BUCKETS[-1]) == (0.0001, 60)
    assert max(high / low for low, high in pairwise(DEFAULT_BUCKETS)) <= 3
