"""What measures time: the stall clock, the bands of depth, the peak window."""

import math
import sys
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bpexporter.primitives.bands import BANDS, band_at, bands_of
from bpexporter.primitives.peaks import PEAK_SLOT, PEAK_WINDOW, PeakWindow
from bpexporter.primitives.stall_clock import StallClock

# The stall clock -------------------------------------------------------------------------------------------


def test_nobody_has_waited():
    """A new clock has counted nothing, whenever it is read."""
    assert StallClock().read(1e9) == (0, 0, 0, 0, 0)


def test_seconds_run_while_callers_wait():
    """Two callers that overlap: their seconds add up, the wall seconds do not, and the oldest is the longest."""
    clock = StallClock()
    clock.begin("one", 10)
    clock.begin("two", 13)
    now = clock.read(20)
    assert (now.callers, now.caller_seconds, now.stalled_seconds, now.longest, now.begun) == (2, 17, 10, 10, 2)


def test_a_wait_that_ends_is_told_and_stays():
    """The end gives the seconds of this caller; the totals keep them, the levels do not."""
    clock = StallClock()
    clock.begin("one", 10)
    clock.begin("two", 13)
    assert clock.end("one", 20) == 10
    now = clock.read(20)
    assert (now.callers, now.caller_seconds, now.stalled_seconds, now.longest, now.begun) == (1, 17, 10, 7, 2)
    assert clock.end("two", 24) == 11
    assert clock.read(99) == (0, 21, 14, 0, 2)


def test_time_between_two_stalls_is_none():
    """Wall seconds are those of each stretch alone."""
    clock = StallClock()
    for begun, ended in ((0, 3), (10, 14)):
        clock.begin("token", begun)
        clock.end("token", ended)
    assert clock.read(50).stalled_seconds == 7


def test_a_caller_that_does_not_wait_cannot_end():
    """An end without a beginning, or a second one, gives 0 and changes nothing."""
    clock = StallClock()
    assert clock.end("nobody", 5) == 0
    clock.begin("one", 10)
    clock.end("one", 12)
    assert clock.end("one", 20) == 0
    assert clock.read(30) == (0, 2, 2, 0, 1)


def test_another_goes_on_with_a_wait():
    """A successor has waited as long as who began, and it is one wait all the same."""
    clock = StallClock()
    clock.begin("one", 10)
    clock.replace("one", "two")
    assert clock.read(15) == (1, 5, 5, 5, 1)
    assert clock.end("one", 16) == 0
    assert clock.end("two", 17) == 7


def test_nobody_goes_on_with_no_wait():
    """Where the first does not wait, the successor does not either."""
    clock = StallClock()
    clock.replace("one", "two")
    assert clock.read(15) == (0, 0, 0, 0, 0)


def test_a_reading_of_an_earlier_moment_is_not_negative():
    """A reader whose clock was read before a wait began finds no time at all in it."""
    clock = StallClock()
    clock.begin("one", 10)
    assert clock.read(9) == (1, 0, 0, 0, 1)


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=40)


@given(STEPS)
def test_seconds_are_those_of_a_tally(steps):
    """However callers come and go, the totals are those of somebody who counts second by second."""
    clock, now, waiting = StallClock(), 0, {}
    callers = wall = begun = 0
    for token, seconds in steps:
        if token in waiting:
            assert clock.end(token, now) == now - waiting.pop(token)
        else:
            clock.begin(token, now)
            waiting[token] = now
            begun += 1
        now += seconds
        callers += seconds * len(waiting)
        wall += seconds * bool(waiting)
        oldest = now - min(waiting.values(), default=now)
        assert clock.read(now) == (len(waiting), callers, wall, oldest, begun)
        assert clock.read(now) == clock.read(now)


def test_a_reader_on_another_thread_sees_no_half_of_an_end():
    """A wait of one second is either among those that wait, or among the seconds: never in both, never in neither."""
    clock, stop, wrong = StallClock(), threading.Event(), []

    def read():
        while not stop.is_set():
            found = clock.read(0.0)  # before everything: those that wait have waited 0
            if not found.caller_seconds + found.callers == found.begun == found.stalled_seconds + found.callers:
                wrong.append(found)

    reader = threading.Thread(target=read)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        reader.start()
        for now in range(0, 40_000, 2):
            clock.begin(clock, now)
            clock.end(clock, now + 1)
    finally:
        stop.set()
        reader.join(10)
        sys.setswitchinterval(before)
    assert wrong == []
    assert clock.read(0.0).begun == 20_000


# The bands ---------------------------------------------------------------------------------------------------


def band_of(depth, capacity):
    """The band of `depth` by the definition: shares of the capacity."""
    if not depth:
        return "empty"
    ratio = depth / capacity if 0 < capacity < math.inf else 0
    return "full" if ratio >= 1 else "high" if ratio >= 0.8 else "mid" if ratio >= 0.5 else "low"


@pytest.mark.parametrize(
    ("capacity", "bands"),
    [
        (1, "empty full"),
        (2, "empty mid full"),
        (3, "empty low mid full"),
        (5, "empty low low mid high full"),
        (10, "empty low low low low mid mid mid high high full"),
        (2.5, "empty low high full"),
        (0.5, "empty full full"),
        (0, "empty low low"),
        (-1, "empty low low"),
        (math.inf, "empty low low"),
    ],
)
def test_each_depth_has_its_band(capacity, bands):
    """From empty to full; a queue without a limit is never more than low, a small one skips bands."""
    found = [BANDS[band_at(bands_of(capacity), depth).index] for depth in range(len(bands.split()))]
    assert found == bands.split()


CAPACITIES = st.integers(1, 10**6) | st.floats(0.001, 1e6) | st.sampled_from([0, -3, math.inf, 2**40, sys.maxsize])


@given(CAPACITIES, st.lists(st.integers(0, 2 * 10**6), min_size=1, max_size=5))
@example(35, [28, 27])
@example(5, [4, 3])
def test_bands_are_found_from_anywhere(capacity, depths):
    """Whatever the capacity and the jumps between depths, the band is the one of the definition."""
    band = bands_of(capacity)
    for depth in depths:
        for near in (depth, *(math.floor(capacity * share) if 0 < capacity < 1e7 else 1 for share in (0.5, 0.8, 1))):
            band = band_at(band, near)
            assert BANDS[band.index] == band_of(near, capacity)
            assert band.lower <= near < band.upper


@given(CAPACITIES)
def test_bands_are_a_chain_without_a_gap(capacity):
    """Each band ends where the next one begins, and the way down is the way up again."""
    band = bands_of(capacity)
    assert (band.lower, band.index, band.down) == (0, 0, band)
    while band.up is not band:
        assert band.lower < band.upper == band.up.lower
        assert band.index < band.up.index
        assert band.up.down is band
        band = band.up


@given(CAPACITIES)
def test_a_put_from_under_the_room_stays_in_the_band(capacity):
    """`room` is the depth from which a put leads up; in the last band of a bounded queue each put is looked at."""
    band = bands_of(capacity)
    while band.up is not band:
        assert band_at(band, band.room + 1) is band.up
        assert band.room < 1 or band_at(band, band.room) is band
        band = band.up
    assert (band.room == -1) == (band.index == BANDS.index("full"))


# The peak window -----------------------------------------------------------------------------------------


def test_no_level_was_left():
    """Without a level the peak is 0."""
    assert PeakWindow().read(5) == 0


def test_a_peak_lasts_its_window():
    """The highest level counts for 60 s after it was left, to the second, and no reading changes that."""
    window = PeakWindow()
    window.add(7, 100)
    window.add(3, 130)
    found = [window.read(now) for now in (100, 131, 160, 160, 160.5, 190, 191)]
    assert found == [7, 7, 7, 7, 3, 3, 0]


def test_a_higher_level_takes_the_place_of_lower_ones():
    """After a higher level no lower one before it can be the peak again."""
    window = PeakWindow()
    for level, now in ((5, 0), (9, 10), (9, 20)):
        window.add(level, now)
    assert [window.read(now) for now in (65, 80, 81)] == [9, 9, 0]


LEVELS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 200)), max_size=60)


@given(LEVELS, st.integers(0, 700))
def test_the_peak_is_the_highest_of_the_window(steps, later):
    """It is the highest of the last 60 s; those left within a slot of one another may count a slot longer."""
    window, now, left = PeakWindow(), 0.0, []
    for level, tenths in steps:
        now += tenths / 10
        window.add(level, now)
        left.append((level, now))
    now += later / 10
    for reading in (window.read(now), window.read(now)):
        exactly = max((level for level, at in left if at >= now - PEAK_WINDOW), default=0)
        at_most = max((level for level, at in left if at >= now - PEAK_WINDOW - PEAK_SLOT), default=0)
        assert exactly <= reading <= at_most


def test_what_a_window_keeps_is_bounded():
    """A level that falls ten thousand times in a minute leaves an entry a slot, and no more."""
    window = PeakWindow()
    for number in range(10_000):
        window.add(10_000 - number, number * PEAK_WINDOW / 10_000)
    assert len(window.levels) <= PEAK_WINDOW / PEAK_SLOT + 1
    assert window.read(PEAK_WINDOW) == 10_000
