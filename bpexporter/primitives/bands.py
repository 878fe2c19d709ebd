"""Bands of occupancy: empty, low, mid, high, full."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

from bpexporter.primitives.limits import DEEP, INFINITY

BANDS = ("empty", "low", "mid", "high", "full")


# The beginnings of bands, as shares of capacity. 0.8 is where the project calls a resource saturated.
MID, HIGH = 0.5, 0.8


class Band:
    """Depths from `floor` to under `ceiling`; shared by all resources of one capacity, never changed."""

    __slots__ = ("ceiling", "down", "falling_depth", "floor", "index", "rising_depth", "up")

    def __init__(self, index: int, floor: int, ceiling: int) -> None:
        self.index = index
        self.floor = floor
        self.ceiling = ceiling
        # The depth from which a put leads out of the band. In `full` each has to be looked at: the host must have
        # changed the capacity, or there would be no room.
        self.rising_depth = -1 if index == len(BANDS) - 1 else ceiling - 1
        self.falling_depth = floor or 1  # the depth from which a get leads out of it; below 1 there is nothing
        self.up = self
        self.down = self


def first_depth(capacity: float, share: float) -> int:
    """The lowest depth whose ratio to `capacity` reaches `share`, at least 1."""
    return max(1, math.ceil(capacity * share))


def band_starts(capacity: float) -> tuple[int, ...]:
    """The lowest depth of each band; a band that starts where the next one does is never entered."""
    if not 0 < capacity < INFINITY:
        return 0, 1, DEEP, DEEP, DEEP
    return 0, 1, *(first_depth(capacity, share) for share in (MID, HIGH, 1))


@lru_cache(maxsize=256)
def bands_of(capacity: float) -> Band:
    """The lowest band of `capacity`; an unlimited one (0, below, infinite) has `empty` and `low` alone."""
    starts = (*band_starts(capacity), DEEP)
    limits = pairwise(starts)
    bands = [Band(index, floor, ceiling) for index, (floor, ceiling) in enumerate(limits) if floor < ceiling]
    for below, above in pairwise(bands):
        below.up, above.down = above, below
    return bands[0]


def band_at(band: Band, depth: int) -> Band:
    """The band of `depth`, stepped to from `band`."""
    while depth >= band.ceiling:
        band = band.up
    while depth < band.floor:
        band = band.down
    return band
