"""The bands of depth: each depth has one, and the next is found from it."""

import math
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bpexporter.primitives.bands import BANDS, band_at, bands_of


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
            assert band.floor <= near < band.ceiling


@given(CAPACITIES)
def test_bands_are_a_chain_without_a_gap(capacity):
    """Each band ends where the next one begins, and the way down is the way up again."""
    band = bands_of(capacity)
    assert (band.floor, band.index, band.down) == (0, 0, band)
    while band.up is not band:
        assert band.floor < band.ceiling == band.up.floor
        assert band.index < band.up.index
        assert band.up.down is band
        band = band.up


@given(CAPACITIES)
def test_a_put_from_under_the_room_stays_in_the_band(capacity):
    """A put at `rising_depth` leads up; in the last band of a bounded queue each put is looked at."""
    band = bands_of(capacity)
    while band.up is not band:
        assert band_at(band, band.rising_depth + 1) is band.up
        assert band.rising_depth < 1 or band_at(band, band.rising_depth) is band
        band = band.up
    assert (band.rising_depth == -1) == (band.index == BANDS.index("full"))
