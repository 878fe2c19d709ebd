"""The peak window: the highest level of the last minute."""

from hypothesis import given
from hypothesis import strategies as st

from bpexporter.primitives.peaks import PEAK_SLOT, PEAK_WINDOW, PeakWindow


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
